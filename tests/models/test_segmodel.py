"""What every network promises the rest of the house, and what PIDNet refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.models import MODELS, make_model
from bench.models.segmodel import SegModel
from bench.spec import BenchError

FORMULAS: list[tuple[str, dict[str, Any], Callable[[int], int]]] = [
    ("deeplabv2_resnet101", {"variant": "caffe"}, lambda k: 42_500_160 + 73_732 * k),
    ("deeplabv2_resnet101", {"variant": "torchvision"}, lambda k: 42_500_160 + 73_732 * k),
    ("pidnet_l", {"aux": False}, lambda k: 36_934_688 + 257 * k),
    ("pidnet_l", {}, lambda k: 37_304_545 + 514 * k),
    ("pidnet_m", {"aux": False}, lambda k: 28_536_064 + 129 * k),
    ("pidnet_m", {}, lambda k: 28_758_209 + 258 * k),
    ("pidnet_s", {"aux": False}, lambda k: 7_623_264 + 129 * k),
    ("pidnet_s", {}, lambda k: 7_716_033 + 258 * k),
    ("unet", {}, lambda k: 31_037_568 + 65 * k),
    ("unet", {"residual": True}, lambda k: 32_430_400 + 65 * k),
    ("unet_convnext", {}, lambda k: 31_928_608 + 145 * k),
    ("unet_resnet18", {}, lambda k: 14_328_064 + 145 * k),
    ("unet_resnet34", {}, lambda k: 24_436_224 + 145 * k),
]

every_model = pytest.mark.parametrize("name", sorted(MODELS))


def _params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _images(n: int = 1, height: int = 32, width: int = 64) -> Tensor:
    return torch.randn(n, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("num_classes", [2, 19])
@pytest.mark.parametrize(("name", "options", "formula"), FORMULAS)
def test_parameter_formula(name: str, options: dict[str, Any], formula: Callable[[int], int], num_classes: int) -> None:
    with torch.device("meta"):
        assert _params(make_model(name, num_classes, **options)) == formula(num_classes)


@every_model
def test_outputs_by_name_in_both_modes(name: str) -> None:
    model = make_model(name, 5)
    wanted = {"out", "aux", "boundary"} if name.startswith("pidnet") else {"out"}
    for training, images in ((True, _images(2)), (False, _images(1))):
        with torch.no_grad():
            outputs = model.train(training)(images)
        assert set(outputs) == wanted
        for key, logits in outputs.items():
            assert logits.shape[:2] == (len(images), 1 if key == "boundary" else 5)
            assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("name", "options", "size", "logits"),
    [
        ("deeplabv2_resnet101", {"variant": "caffe"}, (64, 96), (9, 13)),
        ("deeplabv2_resnet101", {"variant": "torchvision"}, (64, 96), (8, 12)),
        ("pidnet_s", {}, (40, 72), (5, 9)),
        ("unet", {"width": 8}, (45, 71), (45, 71)),
        ("unet_convnext", {}, (45, 71), (45, 71)),
        ("unet_resnet18", {}, (45, 71), (45, 71)),
    ],
)
def test_size_of_the_logits(name: str, options: dict[str, Any], size: tuple[int, int], logits: tuple[int, int]) -> None:
    with torch.device("meta"):
        model = make_model(name, 3, **options).eval()
        assert model(torch.empty(1, 3, *size))["out"].shape[-2:] == logits


def test_rates_of_the_atrous_branches() -> None:
    # On maps as small as those of the quick vectors the two widest branches cannot be told apart.
    with torch.device("meta"):
        model: Any = make_model("deeplabv2_resnet101", 3)
    assert [branch.dilation for branch in model.classifier.conv2d_list] == [(6, 6), (12, 12), (18, 18), (24, 24)]
    assert [branch.padding for branch in model.classifier.conv2d_list] == [(6, 6), (12, 12), (18, 18), (24, 24)]


# ------------------------------------------------------------------ deployed


@every_model
def test_deployed_gives_the_main_logits_and_shares_every_tensor(name: str) -> None:
    model = make_model(name, 5).eval()
    deployed, images = model.deployed(), _images()
    with torch.inference_mode():
        assert torch.equal(deployed(images), model(images)["out"])
    own = {id(t) for t in (*model.parameters(), *model.buffers())}
    assert {id(t) for t in (*deployed.parameters(), *deployed.buffers())} <= own


@every_model
def test_deployed_leaves_the_original_alone(name: str) -> None:
    with torch.device("meta"):
        model = make_model(name, 5).train()
    modules, keys = list(model.modules()), list(model.state_dict())
    deployed = model.deployed()
    assert not any(m.training for m in deployed.modules())
    assert all(m.training for m in model.modules())
    assert list(model.modules()) == modules
    assert list(model.state_dict()) == keys
    assert not set(map(id, modules)) & set(map(id, deployed.modules()))


def test_deployed_follows_training() -> None:
    model = make_model("pidnet_s", 5)
    deployed = model.deployed()
    with torch.no_grad():
        before = deployed(_images())
        model(_images(2))  # moves BN's running statistics
        for parameter in model.parameters():
            parameter.mul_(1.01)
        after = deployed(_images())
        assert torch.equal(after, model.eval()(_images())["out"])
    assert not torch.equal(before, after)


def test_deployed_pidnet_has_no_auxiliary_heads() -> None:
    model = make_model("pidnet_s", 7)
    assert _params(model) == 7_717_839
    assert _params(model.deployed()) == 7_624_167
    assert not [key for key in model.deployed().state_dict() if "seghead" in key]


def test_without_aux_the_logits_are_the_same() -> None:
    full, light = make_model("pidnet_s", 5).eval(), make_model("pidnet_s", 5, aux=False).eval()
    left = light.load_state_dict(full.state_dict(), strict=False)
    assert left.missing_keys == []
    assert {key.partition(".")[0] for key in left.unexpected_keys} == {"seghead_p", "seghead_d"}
    with torch.inference_mode():
        outputs = light(_images())
        assert list(outputs) == ["out"]
        assert torch.equal(outputs["out"], full(_images())["out"])
        assert torch.equal(outputs["out"], full.deployed()(_images()))


# ------------------------------------------------------------------ stages


def _is_partition(model: SegModel) -> bool:
    inside = [id(p) for _, modules in model.stages() for module in modules for p in module.parameters()]
    return sorted(inside) == sorted(id(p) for p in model.parameters())


@pytest.mark.parametrize(("name", "options"), [(name, options) for name, options, _ in FORMULAS])
def test_stages_hold_every_parameter_once_from_stem_to_head(name: str, options: dict[str, Any]) -> None:
    with torch.device("meta"):
        model = make_model(name, 5, **options)
    names = [stage for stage, _ in model.stages()]
    assert _is_partition(model)
    assert (names[0], names[-1]) == ("stem", "head")
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("spoil", [lambda stages: stages[:-1], lambda stages: [*stages, stages[0]]])
def test_a_lost_or_doubled_stage_is_no_partition(spoil: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("meta"):
        model = make_model("unet_resnet18", 5)
    stages = model.stages()
    monkeypatch.setattr(model, "stages", lambda: spoil(stages))
    assert not _is_partition(model)


# ------------------------------------------------------------------ precision and the meta device


@every_model
def test_bf16_inside_float32_outside(name: str) -> None:
    model = make_model(name, 5).eval()
    seen: set[torch.dtype] = set()
    conv = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
    conv.register_forward_hook(lambda _module, _args, output: seen.add(output.dtype))
    with torch.no_grad():
        exact = model(_images())["out"]
        model.autocast_dtype = torch.bfloat16
        outputs = model(_images())
    assert seen == {torch.float32, torch.bfloat16}
    assert {logits.dtype for logits in outputs.values()} == {torch.float32}
    assert not torch.equal(exact, outputs["out"])
    assert not torch.is_autocast_enabled("cpu")


@every_model
def test_on_the_meta_device_nothing_is_drawn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(*_: Any, **__: Any) -> Tensor:
        raise AssertionError("drawn")

    for last in ("normal_", "erfinv_"):  # which a normal and a cut-off normal end in
        monkeypatch.setattr(torch.Tensor, last, draw)
    with torch.device("meta"):
        assert all(t.is_meta for t in make_model(name, 5).state_dict().values())
    with pytest.raises(AssertionError, match="drawn"):  # the control: elsewhere the same build does draw
        make_model(name, 5)


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(("height", "width"), [(60, 64), (64, 92), (4, 8)])
def test_pidnet_refuses_sizes_that_are_no_multiples_of_8(height: int, width: int) -> None:
    model = make_model("pidnet_s", 3).eval()
    with pytest.raises(BenchError, match=rf"multiples of 8, not {height}x{width}; resize or crop to \d+x\d+$"):
        model(_images(1, height, width))


def test_pidnet_refuses_to_train_on_one_image() -> None:
    model = make_model("pidnet_s", 3)
    with pytest.raises(BenchError, match=r"batch of one image.*batch_size: 2"):
        model(_images(1))
    for part in model.modules():  # with BN held fixed one image will do
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
    assert model(_images(1))["out"].shape == (1, 3, 4, 8)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(BenchError, match="'auxiliary' of model 'pidnet_s'"):
        make_model("pidnet_s", 3, auxiliary=True)
    with pytest.raises(BenchError, match="variant"):
        make_model("deeplabv2_resnet101", 3, variant="vgg")
