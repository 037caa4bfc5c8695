"""UNet of plain convolutions and UNet on ConvNeXt: against torchvision's ConvNeXt, in layers, sizes and refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.models import make_model, weights
from bench.models.convnext import ConvNeXt
from bench.models.plain_unet import Pair
from bench.spec import BenchError


@pytest.fixture(scope="module")
def tiny() -> nn.Module:
    """torchvision's ConvNeXt-Tiny, its weights moved from where blocks do nothing yet."""
    from torchvision.models import convnext_tiny

    torch.manual_seed(0)
    found = convnext_tiny(stochastic_depth_prob=0.0).eval()
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return found


def taken_over(tiny: nn.Module) -> ConvNeXt:
    body = ConvNeXt()
    report = weights.load_matching(body, tiny.state_dict(), origin="a test")
    assert (report.skipped, report.missing) == ((), ())
    assert all(key.startswith("classifier.") for key in report.unexpected)
    return body.eval()


def test_the_body_is_torchvisions_to_the_bit(tiny: Any) -> None:
    body, images = taken_over(tiny), torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        wanted = tiny.features(images)
        assert torch.allclose(body(images)[-1], wanted, atol=1e-5)
        body.features[3][0].layer_scale.mul_(1.5)  # the control: one scale of one block
        assert not torch.allclose(body(images)[-1], wanted, atol=1e-5)


def test_imagenet_weights_go_into_the_encoder_of_that_size_alone(tiny: nn.Module, monkeypatch: Any) -> None:
    monkeypatch.setattr(weights, "fetch_imagenet", lambda name: tiny.state_dict() if name == "convnext_tiny" else {})
    model = make_model("unet_convnext", 5, pretrained="imagenet")
    own, wanted = model.state_dict(), tiny.state_dict()
    assert torch.equal(own["encoder.features.5.3.block.3.weight"], wanted["features.5.3.block.3.weight"])
    with pytest.raises(BenchError, match=r"other depths and widths; leave `depths` and `width` out"):
        make_model("unet_convnext", 5, pretrained="imagenet", width=32)


def test_maps_have_sizes_rounded_up() -> None:
    with torch.device("meta"):
        maps = ConvNeXt((1, 1, 1, 1), 8)(torch.zeros(1, 3, 45, 71))
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 12, 18), (16, 6, 9), (32, 3, 5), (64, 2, 3)]


def by_hand(pair: Pair, x: Tensor) -> Tensor:
    first = pair.bn1(pair.conv1(x)).relu()
    second = pair.bn2(pair.conv2(first))
    return (second if pair.shortcut is None else second + pair.shortcut(x)).relu()


@pytest.mark.parametrize("residual", [False, True])
def test_the_plain_unet_is_its_drawing(residual: bool) -> None:
    """Section 2 written out: down, pool, down, up, join, head."""
    model: Any = make_model("unet", 3, depth=2, width=4, residual=residual).eval()
    images = torch.randn(2, 3, 16, 24)
    with torch.inference_mode():
        one = by_hand(model.down[0], images)
        two = by_hand(model.down[1], nn.functional.max_pool2d(one, 2))
        three = by_hand(model.down[2], nn.functional.max_pool2d(two, 2))
        up = by_hand(model.up[0].pair, torch.cat([two, model.up[0].grow(three)], 1))
        wanted = model.head(by_hand(model.up[1].pair, torch.cat([one, model.up[1].grow(up)], 1)))
        assert torch.allclose(model(images)["out"], wanted, atol=1e-6)
        turned = model.head(by_hand(model.up[1].pair, torch.cat([model.up[1].grow(up), one], 1)))
        assert not torch.allclose(model(images)["out"], turned, atol=1e-3)  # the control: joined the other way round


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("unet", {"depth": 0}, "0 is no depth of a UNet; write 1 to 7"),
        ("unet", {"width": 0}, "0 is no width"),
        ("unet_convnext", {"depths": [3, 3, 0, 3]}, r"no ConvNeXt of depths \[3, 3, 0, 3\]"),
    ],
)
def test_what_is_no_network_is_refused(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BenchError, match=words):
        make_model(name, 3, **options)


def test_an_image_too_small_for_the_depth_is_refused() -> None:
    with torch.device("meta"):
        model = make_model("unet", 3, width=4)
    assert model(torch.zeros(2, 3, 16, 16, device="meta"))["out"].shape == (2, 3, 16, 16)
    with pytest.raises(BenchError, match="depth 4 takes no 8x64; use sides of 16 or more"):
        model(torch.zeros(2, 3, 8, 64, device="meta"))
