"""Masks that are no plain class numbers -> labels: exact colours, and folders with a decoder of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.datasets.folders import FolderDataset
from bench.datasets.reading import data_error, no_labels, read_image, read_mask

ROWS = 512
"""Rows translated at a time: a 36-megapixel tile would otherwise need 144 MB beside its pixels."""

_UNKNOWN = 254

Decode = Callable[[Path, tuple[int, int]], np.ndarray]
"""(mask file, (H, W) of its photo) -> labels uint8 (H, W); raises BenchError naming the file."""


@dataclass(frozen=True, eq=False)
class DecodedFolder(FolderDataset):
    """A folder whose masks `decode` reads; `table` is what decides the labels, for the digest."""

    decode: Decode

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(image uint8 (H, W, 3) RGB, labels uint8 (H, W)); raises BenchError naming the file at any fault."""
        sample = self.samples[index]
        image = read_image(sample.image)
        if sample.mask is None:
            return image, no_labels(image)
        height, width = image.shape[:2]
        return image, self.decode(sample.mask, (height, width))


def colour_table(colours: Mapping[tuple[int, int, int], int]) -> np.ndarray:
    """uint8 (n, 4), a row for each colour: r, g, b, label; colours missing from it are faults."""
    return np.array([(*colour, label) for colour, label in colours.items()], np.uint8)


def read_colours(path: Path, size: tuple[int, int], *, table: np.ndarray, remedy: str = "") -> np.ndarray:
    """The RGB mask as labels by `table`, uint8 (H, W) = `size`.

    Raises BenchError naming the file, and the colour where one is not in `table`.
    """
    pixels = read_mask(path, size, ("RGB",), "colours are asked for here, so the mask must be 8-bit RGB")
    labels = np.full(size, _UNKNOWN, np.uint8)
    for top in range(0, size[0], ROWS):
        band = _packed(pixels[top : top + ROWS])
        for colour, label in zip(_packed(table[:, :3]), table[:, 3], strict=True):
            labels[top : top + ROWS][band == colour] = label
    unknown = labels == _UNKNOWN
    if unknown.any():
        red, green, blue = (int(v) for v in pixels[unknown][0])
        problem = f"colour {red},{green},{blue} in {int(unknown.sum())} pixels is none of the {len(table)} known ones"
        raise data_error(problem, path, remedy)
    return labels


def _packed(colours: np.ndarray) -> np.ndarray:
    """uint8 (..., 3) -> uint32 (...): one number for each colour."""
    wide = colours.astype(np.uint32)
    packed: np.ndarray = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return packed
