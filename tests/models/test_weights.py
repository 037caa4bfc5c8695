"""ImageNet weights and the loader that counts, without a network connection."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NoReturn
from urllib.error import URLError

import pytest
import torch
from torch import Tensor, nn

from bench.models import make_model, weights
from bench.models.deeplabv2 import DeepLabV2
from bench.models.unet import UNet
from bench.spec import BenchError, ExitCode

PREFIXED = "module."


def _torchvision(name: str, **options: Any) -> nn.Module:
    """torchvision's network with statistics that are not at their start, so that a lost buffer shows."""
    import torchvision.models

    model: nn.Module = getattr(torchvision.models, name)(weights=None, **options)
    with torch.no_grad():
        for key, buffer in model.named_buffers():
            if key.endswith("running_mean"):
                buffer.uniform_(-0.1, 0.1)
    return model.eval()


def _layer4(model: nn.Module, images: Tensor) -> Tensor:
    kept: list[Tensor] = []
    model.get_submodule("layer4").register_forward_hook(lambda _module, _args, output: kept.append(output))
    with torch.no_grad():
        model(images)
    return kept[0]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, nn.Module], None]:
    """Let the fetch of one name answer with a network's tensors."""

    def serve_one(wanted: str, model: nn.Module) -> None:
        def fetch(name: str) -> dict[str, Tensor]:
            assert name == wanted
            return model.state_dict()

        monkeypatch.setattr(weights, "fetch_imagenet", fetch)

    return serve_one


@pytest.mark.parametrize("depth", [18, 34])
def test_unet_takes_the_encoder(depth: int, serve: Callable[[str, nn.Module], None]) -> None:
    theirs = _torchvision(f"resnet{depth}")
    serve(f"resnet{depth}", theirs)
    model = make_model(f"unet_resnet{depth}", 5, pretrained="imagenet").eval()
    assert isinstance(model, UNet)
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(_layer4(model.encoder, images), _layer4(theirs, images))


def test_deeplabv2_takes_the_body(serve: Callable[[str, nn.Module], None]) -> None:
    theirs = _torchvision("resnet101", replace_stride_with_dilation=[False, True, True])
    serve("resnet101", theirs)
    model = make_model("deeplabv2_resnet101", 5, variant="torchvision", pretrained="imagenet").eval()
    assert isinstance(model, DeepLabV2)
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(_layer4(model, images), _layer4(theirs, images))


def test_what_was_loaded_is_logged(serve: Callable[[str, nn.Module], None], caplog: pytest.LogCaptureFixture) -> None:
    serve("resnet18", _torchvision("resnet18"))
    with caplog.at_level(logging.INFO, logger="bench"):
        make_model("unet_resnet18", 5, pretrained="imagenet")
    assert "120 matched, 0 skipped, 2 unexpected (fc.weight, fc.bias), 0 missing" in caplog.text


def test_the_report_names_every_tensor() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    wanted = torch.full((3, 2), 7.0)
    tensors = {"0.weight": wanted, "0.bias": torch.zeros(4), "2.weight": torch.zeros(1)}
    report = weights.load_matching(net, tensors, origin="a file")
    assert report == weights.LoadReport(("0.weight",), ("0.bias",), ("2.weight",), ("1.weight", "1.bias"))
    assert str(report) == "1 matched, 1 skipped (0.bias), 1 unexpected (2.weight), 2 missing (1.weight, 1.bias)"
    assert torch.equal(net.get_parameter("0.weight"), wanted)


def test_nothing_matched_is_an_error() -> None:
    net = nn.Linear(2, 3)
    before = net.weight.detach().clone()
    prefixed = {PREFIXED + key: torch.zeros_like(value) for key, value in net.state_dict().items()}
    with pytest.raises(BenchError, match=r"no tensor of old\.pth fits .* 0 matched.*prefix such as") as caught:
        weights.load_matching(net, prefixed, origin="old.pth")
    assert caught.value.code == ExitCode.DATA
    assert torch.equal(net.weight, before)
    with pytest.raises(BenchError, match="2 skipped"):
        weights.load_matching(net, {"weight": torch.zeros(1), "bias": torch.zeros(1)}, origin="old.pth")


# ------------------------------------------------------------------ the fetch itself


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("resnet18", "resnet18-f37072fd.pth"),
        ("resnet34", "resnet34-b627a593.pth"),
        ("resnet101", "resnet101-63fe2227.pth"),
    ],
)
def test_the_file_fetched(name: str, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.models._api

    asked: list[str] = []

    def load(url: str, *_: Any, **options: Any) -> dict[str, Tensor]:
        assert options["check_hash"]
        assert options["weights_only"]
        asked.append(url.rpartition("/")[2])
        return {"conv1.weight": torch.zeros(1)}

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", load)
    assert list(weights.fetch_imagenet(name)) == ["conv1.weight"]
    assert asked == [file]


@pytest.mark.parametrize("fault", [URLError("no route"), RuntimeError("invalid hash value"), EOFError("cut off")])
def test_offline_says_what_to_do(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.models._api

    def fail(*_: Any, **__: Any) -> NoReturn:
        raise fault

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", fail)
    with pytest.raises(BenchError, match=r"cannot fetch.*go online.*leave `pretrained` out") as caught:
        make_model("unet_resnet18", 5, pretrained="imagenet")
    assert caught.value.code == ExitCode.ENVIRONMENT
    assert "\n" not in str(caught.value)


def test_the_meta_device_fetches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("fetched")

    monkeypatch.setattr(weights, "fetch_imagenet", fail)
    with torch.device("meta"):
        make_model("unet_resnet18", 5, pretrained="imagenet")
    with pytest.raises(AssertionError, match="fetched"):
        make_model("unet_resnet18", 5, pretrained="imagenet")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("deeplabv2_resnet101", "use `variant: torchvision`, or leave `pretrained` out"),
        ("pidnet_s", "leave `pretrained` out"),
        ("pidnet_m", "leave `pretrained` out"),
        ("pidnet_l", "leave `pretrained` out"),
    ],
)
def test_weights_that_cannot_fit_are_refused(name: str, remedy: str) -> None:
    with torch.device("meta"), pytest.raises(BenchError, match=r"^pretrained: ImageNet weights do not fit") as caught:
        make_model(name, 5, pretrained="imagenet")
    assert str(caught.value).endswith("; " + remedy)


def test_only_imagenet_is_offered() -> None:
    with pytest.raises(BenchError, match="'coco' is no value for `pretrained`"):
        make_model("unet_resnet18", 5, pretrained="coco")
