"""A dataset -> its samples as arrays of one size, every one checked before the first training step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from bench.spec import IGNORE, BenchError, Dataset, ExitCode, Size

Shape = tuple[int, int]


class Sample(NamedTuple):
    """One decoded sample: `image` uint8 (3, h, w), `label` uint8 (H, W), `codes` int64 (256,) pixels of each code."""

    image: np.ndarray
    label: np.ndarray
    codes: np.ndarray


class Decoder:
    """Decodes samples of `dataset`; all have the first one's sizes.

    `resize_px` (height, width) resizes images (bilinear, antialiased) and, unless `native_labels`, labels (nearest).
    `shapes` are the sizes of image and label, known from the first sample on.
    """

    def __init__(self, dataset: Dataset, resize_px: Size | None, native_labels: bool) -> None:
        self.dataset, self.resize_px, self.native_labels = dataset, resize_px, native_labels
        self.place = f"{dataset.info.name}/{dataset.domain}"
        self.shapes: tuple[Shape, Shape] | None = None
        if len(dataset) == 0:
            raise BenchError(f"{self.place} has no images in split '{dataset.split}'", code=ExitCode.DATA)

    def __call__(self, index: int) -> Sample:
        """Raises BenchError (DATA) naming the image when it is of another size or a label is no class."""
        image, label = self._sized(*self.dataset.read(index))
        if self.shapes is None:
            self.shapes = image.shape[:2], label.shape
        for what, got, wanted in zip(("image", "label"), (image.shape[:2], label.shape), self.shapes, strict=True):
            if got != wanted:
                raise BenchError(
                    f"{what} '{self.dataset.image_name(index)}' of {self.place} is {got[1]}x{got[0]}, the first of "
                    f"them {wanted[1]}x{wanted[0]}",
                    remedy="set `resize_px` to bring them to one size",
                    key="resize_px",
                    code=ExitCode.DATA,
                )
        codes = np.array(Image.fromarray(label).histogram(), np.int64)  # half the time of np.bincount
        self._check(index, codes)
        return Sample(np.ascontiguousarray(image.transpose(2, 0, 1)), label, codes)

    def _check(self, index: int, codes: np.ndarray) -> None:
        classes = self.dataset.info.num_classes
        strangers = np.flatnonzero(codes[classes:IGNORE]) + classes
        if len(strangers):
            raise BenchError(
                f"label {strangers[0]} in {codes[strangers[0]]} pixels of '{self.dataset.image_name(index)}' of "
                f"{self.place} is no class (0 to {classes - 1})",
                remedy=f"map it to a class or to {IGNORE} where the dataset is read",
                code=ExitCode.DATA,
            )

    def _sized(self, image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.resize_px is None:
            return image, label
        height, width = self.resize_px
        if image.shape[:2] != self.resize_px:
            image = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
        if label.shape != self.resize_px and not self.native_labels:
            label = np.asarray(Image.fromarray(label).resize((width, height), Image.Resampling.NEAREST))
        return image, label
