"""How the networks start: the distribution of every weight before training."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from bench.models import make_model

NORMAL, UNIFORM = 3.0, 1.8
"""Kurtosis, which tells the two apart."""


def _fans(weight: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) as PyTorch counts them: a grouped convolution's fan_out takes all output channels."""
    area = weight[0, 0].numel()
    return weight.shape[1] * area, weight.shape[0] * area


def _wrong_start(weight: Tensor, std: float, kurtosis: float) -> str:
    """Why `weight` cannot come from that distribution (six standard errors), or nothing."""
    w = weight.detach().flatten()[:200_000].double()
    n = len(w)
    if abs(float(w.mean())) > 6 * std / math.sqrt(n):
        return "mean"
    if abs(float(w.square().mean().sqrt()) / std - 1) > 6 / math.sqrt(2 * n):
        return "std"
    if n >= 5000 and abs(float(w.pow(4).mean() / w.square().mean() ** 2) - kurtosis) > 6 * math.sqrt(24 / n):
        return "kurtosis"
    return ""


def _wanted(name: str, key: str, weight: Tensor) -> tuple[float, float]:
    fan_in, fan_out = _fans(weight)
    if name == "caffe" or key.startswith("classifier"):
        return 0.01, NORMAL
    if key.startswith("decoder"):
        return math.sqrt(2 / fan_in), UNIFORM
    if key.startswith("segmentation_head"):
        return math.sqrt(2 / (fan_in + fan_out)), UNIFORM
    return math.sqrt(2 / fan_out), NORMAL


def _build(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name in ("caffe", "torchvision"):
            return make_model("deeplabv2_resnet101", 7, variant=name)
        return make_model(name, 7)


def _faults(name: str, model: nn.Module) -> list[str]:
    faults = []
    for key, part in model.named_modules():
        if isinstance(part, nn.Conv2d):
            wrong = _wrong_start(part.weight, *_wanted(name, key, part.weight))
            faults += [f"{key}: {wrong}"] if wrong else []
        elif isinstance(part, nn.BatchNorm2d):
            plain = (part.weight == 1).all() and (part.bias == 0).all()
            if not plain or (part.eps, part.momentum) != (1e-5, 0.1) or not part.track_running_stats:
                faults.append(key)
    return faults


@pytest.mark.parametrize("name", ["caffe", "torchvision", "pidnet_s", "unet_resnet18"])
def test_every_weight_starts_as_it_should(name: str) -> None:
    assert _faults(name, _build(name)) == []


def test_another_start_is_caught() -> None:
    model = _build("pidnet_s")
    grouped = model.get_parameter("spp.scale_process.2.weight")
    with torch.no_grad():
        grouped.mul_(2.0)  # what fan_out per group would give
        model.get_parameter("layer4.1.conv1.weight").uniform_(-1, 1).mul_(math.sqrt(3 * 2 / (256 * 9)))
        model.get_parameter("conv1.1.weight").zero_()
    assert _faults("pidnet_s", model) == ["conv1.1", "layer4.1.conv1: kurtosis", "spp.scale_process.2: std"]


@pytest.mark.parametrize(
    ("name", "key", "limit"),
    [
        ("pidnet_s", "conv1.0.bias", 1 / math.sqrt(27)),
        ("pidnet_s", "final_layer.conv2.bias", 1 / math.sqrt(128)),
        ("caffe", "classifier.conv2d_list.3.bias", 1 / math.sqrt(18432)),
    ],
)
def test_biases_keep_pytorchs_start(name: str, key: str, limit: float) -> None:
    bias = _build(name).get_parameter(key).detach()
    assert 0.3 * limit < float(bias.abs().max()) <= limit


def test_unet_head_starts_unbiased() -> None:
    assert (_build("unet_resnet18").get_parameter("segmentation_head.0.bias") == 0).all()
