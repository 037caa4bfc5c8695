"""Tensors of a public checkpoint -> the same by this house's names and for its images.

A layout is a way of naming (and of showing images) that published code shares.  Which one a file has is seen from its
names; `init: adaptsegnet:file.pth` says it outright.

    plain        our own names, which are those of PIDNet's code, of segmentation_models_pytorch and of LoveDA's DeepLab
    torchvision  a bare ResNet: the body of DeepLabV2, the encoder of a UNet
    adaptsegnet  AdaptSegNet's DeepLabV2 and the COCO start of its lineage (`Scale.` before each name)
    mldl         DeepLabV2 of the MLDL course: the head is called layer6
    kazuto       kazuto1011/deeplab-pytorch

Wrappers' prefixes (`module.`, `model.`) are dropped in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bench.batches.normalising import MEAN, STD

CAFFE_MEAN = (122.67891434, 116.66876762, 104.00698793)
"""Red, green, blue on the scale 0..255: what Caffe's networks have taken off their images."""

_BODY = re.compile(r"^(?:\w+\.)?((?:conv1|bn1|layer[1-4])\..+)$")
_HEAD = re.compile(r"^(?:\w+\.)?(layer[56])\.(conv2d_list\..+)$")
_KAZUTO_STEM = re.compile(r"^(?:base\.)?layer1\.conv1\.(conv|bn)\.(.+)$")
_KAZUTO_BLOCK = re.compile(
    r"^(?:base\.)?layer([2-5])\.block(\d+)\.(reduce|conv3x3|increase|shortcut)\.(conv|bn)\.(.+)$"
)
_KAZUTO_HEAD = re.compile(r"^(?:base\.)?aspp\.c([0-3])\.(.+)$")


@dataclass(frozen=True)
class Layout:
    """`renamed(name, all names)` is our name, the same for what we have not; `body` the variant of DeepLabV2 it fits.

    Networks of `body: caffe` were trained on blue, green, red from 0 to 255 less `CAFFE_MEAN`.
    """

    renamed: Callable[[str, Collection[str]], str]
    shows: Callable[[Collection[str]], bool]
    body: Literal["caffe", "torchvision"] | None = None


def recognised(names: Collection[str]) -> str:
    """The layout that the names of a file show."""
    return next(layout for layout, row in LAYOUTS.items() if row.shows(names))


def unwrapped(tensors: Mapping[str, Tensor], own: Collection[str]) -> dict[str, Tensor]:
    """Without the prefixes that wrappers put before names, where the network has none of them."""

    def bare(name: str) -> str:
        while name not in own and name.startswith(("module.", "model.")):
            name = name.partition(".")[2]
        return name

    return {bare(name): tensor for name, tensor in tensors.items()}


def translated(tensors: Mapping[str, Tensor], layout: str, own: Collection[str]) -> dict[str, Tensor]:
    """`tensors` of that layout by our names; those of a ResNet go to the encoder of a network that has one.

    The first convolution of a Caffe network is made over so that it takes our images.
    """
    row = LAYOUTS[layout]
    named = {row.renamed(name, tensors.keys()): tensor for name, tensor in tensors.items()}
    if row.body == "caffe":
        named |= _for_our_images(named)
    return {_placed(name, own): tensor for name, tensor in named.items()}


def _placed(name: str, own: Collection[str]) -> str:
    return f"encoder.{name}" if name not in own and f"encoder.{name}" in own else name


def _for_our_images(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """conv1 for normalised RGB in place of BGR bytes less a mean, with the same outcome but at the image's border.

    What it adds for the other mean, at most one grey level, goes into the running mean of the normalisation behind it.
    At the border zeros stand for another grey than they did, by as little.
    """
    weight, running = named.get("conv1.weight"), named.get("bn1.running_mean")
    if weight is None or weight.ndim != 4 or weight.shape[1] != 3:
        return {}
    rgb = weight.double().flip(1)
    scale = 255 * torch.tensor(STD, dtype=torch.float64)
    found = {"conv1.weight": (rgb * scale[:, None, None]).to(weight.dtype)}
    if running is not None and running.shape == weight.shape[:1]:
        offset = 255 * torch.tensor(MEAN, dtype=torch.float64) - torch.tensor(CAFFE_MEAN, dtype=torch.float64)
        added = (rgb.sum((2, 3)) * offset).sum(1)
        found["bn1.running_mean"] = (running.double() - added).to(running.dtype)
    return found


def _same(name: str, names: Collection[str]) -> str:
    return name


def _lineage(name: str, names: Collection[str]) -> str:
    """AdaptSegNet's names and MLDL's: the head is the last of layer5 and layer6, of which the other is auxiliary."""
    if found := _BODY.match(name):
        return found[1]
    if found := _HEAD.match(name):
        last = max(match[1] for other in names if (match := _HEAD.match(other)))
        return f"classifier.{found[2]}" if found[1] == last else name
    return name


def _kazuto(name: str, names: Collection[str]) -> str:
    if found := _KAZUTO_STEM.match(name):
        return f"{'conv1' if found[1] == 'conv' else 'bn1'}.{found[2]}"
    if found := _KAZUTO_BLOCK.match(name):
        block = f"layer{int(found[1]) - 1}.{int(found[2]) - 1}"
        if found[3] == "shortcut":
            return f"{block}.downsample.{'0' if found[4] == 'conv' else '1'}.{found[5]}"
        number = ("reduce", "conv3x3", "increase").index(found[3]) + 1
        return f"{block}.{found[4]}{number}.{found[5]}"
    if found := _KAZUTO_HEAD.match(name):
        return f"classifier.conv2d_list.{found[1]}.{found[2]}"
    return name


def _heads(names: Collection[str]) -> set[str]:
    return {found[1] for name in names if (found := _HEAD.match(name))}


LAYOUTS = {
    "kazuto": Layout(_kazuto, lambda names: any(map(_KAZUTO_STEM.match, names)), "caffe"),
    "adaptsegnet": Layout(_lineage, lambda names: "layer5" in _heads(names), "caffe"),
    "mldl": Layout(_lineage, lambda names: _heads(names) == {"layer6"}),
    "torchvision": Layout(
        _same,
        lambda names: {"conv1.weight", "layer1.0.conv1.weight", "fc.weight"} <= {*names},
        "torchvision",
    ),
    "plain": Layout(_same, lambda names: True),
}
"""In the order in which they are tried."""
