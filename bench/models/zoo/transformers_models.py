"""SegFormer of the transformers library, built from sizes that stand here: a name -> SegModel, nothing fetched."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from bench.models.zoo.foreign import Foreign, Stages, assemble, body_stages, library, not_fetched, on_meta

SIZES = {
    "b0": ((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "b1": ((64, 128, 320, 512), (2, 2, 2, 2), 256),
    "b2": ((64, 128, 320, 512), (3, 4, 6, 3), 768),
    "b3": ((64, 128, 320, 512), (3, 4, 18, 3), 768),
    "b4": ((64, 128, 320, 512), (3, 8, 27, 3), 768),
    "b5": ((64, 128, 320, 512), (3, 6, 40, 3), 768),
}
"""Size -> (channels, blocks) of the four levels and the decoder's channels: table 6 of the paper."""


def hf(variant: str, num_classes: int, *, pretrained: Literal["imagenet"] | None = None) -> Foreign:
    """SegFormer of the transformers library (b0 to b5), from its sizes alone: random weights, no network.

    `pretrained="imagenet"` fetches the encoder that its authors trained (nvidia/mit-b0 ..., whose licence allows
    research and evaluation only); raises BenchError when it cannot be had.
    """
    size, package = variant.rpartition("-")[2], library("transformers")
    channels, blocks, decoder = SIZES[size]
    config = package.SegformerConfig(
        num_labels=num_classes, hidden_sizes=list(channels), depths=list(blocks), decoder_hidden_size=decoder
    )
    weights = None if on_meta() else pretrained

    def build() -> Any:
        kind = package.SegformerForSemanticSegmentation
        return kind(config) if weights is None else kind.from_pretrained(f"nvidia/mit-{size}", config=config)

    try:
        return Segformer(f"hf:{variant}", assemble(build))
    except Exception as fault:
        if weights is None:
            raise
        not_fetched(f"nvidia/mit-{size}", fault)


class Segformer(Foreign):
    """images (N, 3, H, W) -> {"out": logits (N, K, ceil(H/4), ceil(W/4))}.

    E. Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers", arXiv
    2105.15203, section 3; the code is the library's.  As in the paper.
    """

    def __init__(self, name: str, net: Any) -> None:
        super().__init__(name)
        self.net = net

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.net(pixel_values=images).logits}

    def stages(self) -> Stages:
        return [*body_stages(self.net.segformer), ("head", [self.net.decode_head])]
