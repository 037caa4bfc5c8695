"""PIDNet (Xu et al. 2022): normalised images in -> logits, and boundaries, at stride 8 out."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.initial import he_normal, start_convolutions
from bench.models.pidnet_blocks import (
    BoundaryFusion,
    CascadedPyramid,
    Head,
    LightBoundaryFusion,
    ParallelPyramid,
    PixelAttention,
    conv_bn,
    resize,
)
from bench.models.resnet import BasicBlock, Bottleneck, conv1x1, conv3x3
from bench.models.segmodel import SegModel
from bench.models.weights import refuse_imagenet
from bench.spec import BenchError


class Size(NamedTuple):
    """`width` of the stem, residual `blocks` of the shallow and of the deep layers, widths of pyramid and heads.

    `large` picks the heavier forms: cascaded pyramid, full boundary fusion, basic blocks in the boundary branch.
    """

    width: int
    shallow: int
    deep: int
    pyramid: int
    head: int
    large: bool


S = Size(width=32, shallow=2, deep=3, pyramid=96, head=128, large=False)
M = Size(width=64, shallow=2, deep=3, pyramid=96, head=128, large=False)
L = Size(width=64, shallow=3, deep=4, pyramid=112, head=256, large=True)


def pidnet_s(num_classes: int, *, aux: bool = True, pretrained: Literal["imagenet"] | None = None) -> SegModel:
    """PIDNet-S: three branches (detail, context, boundary) in real time, 7.6 M parameters, logits at stride 8.

    `aux` adds the two heads that only training needs.  `pretrained` raises BenchError: torchvision has none.
    """
    return _pidnet(S, num_classes, aux, pretrained)


def pidnet_m(num_classes: int, *, aux: bool = True, pretrained: Literal["imagenet"] | None = None) -> SegModel:
    """PIDNet-M: PIDNet-S at twice the width, 28.5 M parameters, logits at stride 8.

    `aux` adds the two heads that only training needs.  `pretrained` raises BenchError: torchvision has none.
    """
    return _pidnet(M, num_classes, aux, pretrained)


def pidnet_l(num_classes: int, *, aux: bool = True, pretrained: Literal["imagenet"] | None = None) -> SegModel:
    """PIDNet-L: PIDNet-M with deeper branches and full fusion, 36.9 M parameters, logits at stride 8.

    `aux` adds the two heads that only training needs.  `pretrained` raises BenchError: torchvision has none.
    """
    return _pidnet(L, num_classes, aux, pretrained)


def _pidnet(size: Size, num_classes: int, aux: bool, pretrained: Literal["imagenet"] | None) -> SegModel:
    if pretrained is not None:
        refuse_imagenet("torchvision holds no weights for PIDNet")
    return PIDNet(size, num_classes, aux)


class PIDNet(SegModel):
    """images (N, 3, H, W), H and W multiples of 8 -> {"out": logits (N, K, H/8, W/8)}.

    With `aux` also "aux": logits (N, K, H/8, W/8) of the detail branch, and "boundary": logits (N, 1, H/8, W/8).
    In train mode N >= 2.  Raises BenchError for other sizes, and for one image in train mode.

    J. Xu, Z. Xiong, S. P. Bhattacharyya, "PIDNet: A Real-time Semantic Segmentation Network Inspired by PID
    Controllers", arXiv 2206.02066, section 3.
    Differs from the paper in: as the published code does it, both auxiliary heads read their map after its ReLU, and
    no ReLU stands between the two bottlenecks of layer5.
    """

    auxiliary = ("seghead_p", "seghead_d")

    def __init__(self, size: Size, num_classes: int, aux: bool) -> None:
        super().__init__()
        c, shallow, deep = size.width, size.shallow, size.deep
        self.conv1 = nn.Sequential(*_stem(3, c), *_stem(c, c))
        self.layer1 = _basic_blocks(c, c, shallow)
        self.layer2 = _basic_blocks(c, 2 * c, shallow, stride=2)
        # Context (I): down to stride 64.
        self.layer3 = _basic_blocks(2 * c, 4 * c, deep, stride=2)
        self.layer4 = _basic_blocks(4 * c, 8 * c, deep, stride=2)
        self.layer5 = nn.Sequential(
            Bottleneck(8 * c, 8 * c, 16 * c, stride=2, final_relu=False),
            Bottleneck(16 * c, 8 * c, 16 * c, final_relu=False),
        )
        # Detail (P): stays at stride 8 and is told by the context twice.
        self.compression3 = conv_bn(conv1x1(4 * c, 2 * c))
        self.compression4 = conv_bn(conv1x1(8 * c, 2 * c))
        self.pag3 = PixelAttention(2 * c, c)
        self.pag4 = PixelAttention(2 * c, c)
        self.layer3_ = _basic_blocks(2 * c, 2 * c, shallow)
        self.layer4_ = _basic_blocks(2 * c, 2 * c, shallow)
        self.layer5_ = _bottleneck(2 * c, 2 * c)
        # Boundary (D): stays at stride 8.
        d = 2 * c if size.large else c
        self.layer3_d = BasicBlock(2 * c, d, final_relu=False)
        self.layer4_d = BasicBlock(2 * c, 2 * c, final_relu=False) if size.large else _bottleneck(c, c)
        self.diff3 = conv_bn(conv3x3(4 * c, d))
        self.diff4 = conv_bn(conv3x3(8 * c, 2 * c))
        self.spp = (CascadedPyramid if size.large else ParallelPyramid)(16 * c, size.pyramid, 4 * c)
        self.dfm = (BoundaryFusion if size.large else LightBoundaryFusion)(4 * c)
        self.layer5_d = _bottleneck(2 * c, 2 * c)
        self.seghead_p = Head(2 * c, size.head, num_classes) if aux else None
        self.seghead_d = Head(2 * c, c, 1) if aux else None
        self.final_layer = Head(4 * c, size.head, num_classes)
        start_convolutions(self, he_normal)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        self._check(images)
        x = _relu(self.layer2(_relu(self.layer1(self.conv1(images)))))
        p, d = self.layer3_(x), self.layer3_d(x)

        x = _relu(self.layer3(x))
        p = p3 = _relu(self.pag3(p, self.compression3(x)))
        d = _relu(d + resize(self.diff3(x), d))

        x = _relu(self.layer4(x))
        p, d = self.layer4_(p), self.layer4_d(d)
        p = _relu(self.pag4(p, self.compression4(x)))
        d = d4 = _relu(d + resize(self.diff4(x), d))

        p, d = self.layer5_(p), self.layer5_d(d)
        i = resize(self.spp(self.layer5(x)), p)
        outputs = {"out": self.final_layer(self.dfm(p, i, d))}
        if self.seghead_p is not None and self.seghead_d is not None:
            outputs |= {"aux": self.seghead_p(p3), "boundary": self.seghead_d(d4)}
        return outputs

    def _check(self, images: Tensor) -> None:
        n, _, h, w = images.shape
        if h % 8 or w % 8:
            raise BenchError(
                f"PIDNet takes images whose height and width are multiples of 8, not {h}x{w}",
                remedy=f"resize or crop to {max(8, h // 8 * 8)}x{max(8, w // 8 * 8)}",
            )
        if n == 1 and self.spp.scale4[1].training:
            raise BenchError(
                "PIDNet cannot train on a batch of one image: BN over its global mean would see a single value",
                remedy="use `batch_size: 2` or more, or call eval() first",
            )

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        heads: list[nn.Module] = [h for h in (self.seghead_p, self.seghead_d, self.final_layer) if h is not None]
        return [
            ("stem", [self.conv1]),
            ("layer1", [self.layer1]),
            ("layer2", [self.layer2]),
            ("layer3", [self.layer3, self.layer3_, self.layer3_d, self.compression3, self.diff3, self.pag3]),
            ("layer4", [self.layer4, self.layer4_, self.layer4_d, self.compression4, self.diff4, self.pag4]),
            ("layer5", [self.layer5, self.layer5_, self.layer5_d]),
            ("fusion", [self.spp, self.dfm]),
            ("head", heads),
        ]


def _relu(x: Tensor) -> Tensor:
    # In place: every map that passes here is the fresh result of an addition, and nothing else reads it unrectified.
    return F.relu(x, inplace=True)


def _stem(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    """Unlike every other 3x3 convolution these carry a bias."""
    return nn.Conv2d(in_channels, out_channels, 3, 2, 1), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)


def _basic_blocks(in_channels: int, out_channels: int, count: int, stride: int = 1) -> nn.Sequential:
    """`count` >= 2 basic blocks; the last ends without ReLU, so that the caller rectifies what leaves the stack."""
    first = BasicBlock(in_channels, out_channels, stride=stride)
    others = [BasicBlock(out_channels, out_channels, final_relu=j < count - 1) for j in range(1, count)]
    return nn.Sequential(first, *others)


def _bottleneck(in_channels: int, width: int) -> nn.Sequential:
    """One bottleneck to twice its width, without final ReLU."""
    return nn.Sequential(Bottleneck(in_channels, width, 2 * width, final_relu=False))
