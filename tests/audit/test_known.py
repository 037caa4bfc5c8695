"""The data table of known networks is what our own counters count."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.audit.known import NETWORKS, Network, named
from bench.cost.counts import count_macs, count_parameters
from bench.models import make_model

NAMES = {
    "DeepLabV2-ResNet101": "deeplabv2_resnet101",
    "PIDNet-S": "pidnet_s",
    "PIDNet-M": "pidnet_m",
    "PIDNet-L": "pidnet_l",
    "UNet-ResNet18": "unet_resnet18",
    "UNet-ResNet34": "unet_resnet34",
}
SHAPE = (1, 3, 512, 512)


def eligible(model: nn.Module) -> int:
    """Multiply-adds of 3x3 convolutions with stride 1, neither dilated nor grouped."""
    found = 0

    def count(part: nn.Conv2d, _: object, out: torch.Tensor) -> None:
        nonlocal found
        if (part.kernel_size, part.stride, part.dilation, part.groups) == ((3, 3), (1, 1), (1, 1), 1):
            found += out.numel() * part.in_channels * 9

    for part in model.modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_hook(count)
    with torch.no_grad():
        model.eval()(torch.zeros(SHAPE, device="meta"))
    return found


def built(net: Network, classes: int, **options: bool) -> nn.Module:
    """Shapes without values: counting needs no more."""
    with torch.device("meta"):
        return make_model(NAMES[net.label], classes, **options)


@pytest.mark.parametrize("net", NETWORKS, ids=lambda net: net.label)
def test_counts(net: Network) -> None:
    model = built(net, 7).deployed()
    assert count_macs(model, SHAPE) == net.macs.at_seven
    assert eligible(model) == net.eligible.at_seven
    if net.trained:
        assert count_macs(built(net, 7, aux=True), SHAPE) == net.trained[1].at_seven
    for classes in (2, 7, 19):
        assert count_parameters(built(net, classes).deployed()) == net.params.of(classes)
        if net.trained:
            assert count_parameters(built(net, classes, aux=True)) == net.trained[0].of(classes)


@pytest.mark.parametrize(
    "net", [net for net in NETWORKS if net.label in ("PIDNet-S", "UNet-ResNet18")], ids=lambda net: net.label
)
def test_counts_of_more_classes(net: Network) -> None:
    model = built(net, 19).deployed()
    assert count_macs(model, SHAPE) == net.macs.of(19)
    assert eligible(model) == net.eligible.of(19)


def test_fvcores_sums() -> None:
    """The published 37.902 G: six times the graph with heads.  The other sums are taken from the same counter."""
    net = next(net for net in NETWORKS if net.label == "PIDNet-S")
    assert (net.sum_, net.trained[2]) == (5_933_385_728, 6_317_033_472)
    assert 6 * net.trained[2] == 37_902_200_832


@pytest.mark.slow
@pytest.mark.parametrize("net", NETWORKS, ids=lambda net: net.label)
def test_fvcores_sums_by_counting(net: Network) -> None:
    from bench.cost.counts import count_fvcore

    model = make_model(NAMES[net.label], 7)
    assert count_fvcore(model.deployed(), SHAPE)[0] == net.sum_
    if net.trained:
        assert count_fvcore(make_model(NAMES[net.label], 7, aux=True), SHAPE)[0] == net.trained[2]


@pytest.mark.parametrize(
    ("text", "label", "full"),
    [
        ("DeepLabV2_ResNet101", "DeepLabV2-ResNet101", True),
        ("DeepLab V2 (R101)", "DeepLabV2-ResNet101", True),
        ("DeepLabV2", "DeepLabV2", False),
        ("PIDNet-S", "PIDNet-S", True),
        ("pidnet_s (ours)", "PIDNet-S", True),
        ("PIDNet L", "PIDNet-L", True),
        ("PIDNet ADV", "PIDNet", False),
        ("UNet ResNet-18", "UNet-ResNet18", True),
    ],
)
def test_names(text: str, label: str, full: bool) -> None:
    found = named(text)
    assert (found.label, found.full) == (label, full)


@pytest.mark.parametrize("text", ["DeepLabV3+", "SPIDNet", "ResNet101", "UNet", "U-Net (ResNet-50)", "", "S"])
def test_other_names_are_not_known(text: str) -> None:
    assert named(text) is None


def test_a_line_that_speaks_of_two_networks_names_none() -> None:
    assert named("results of PIDNet on LoveDA", anywhere=True).label == "PIDNet"
    assert named("PIDNet-S against DeepLab V2", anywhere=True) is None
