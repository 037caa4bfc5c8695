"""Datasets -> class shares, class weights, colour statistics and the label shift between groups of images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from bench.spec import IGNORE, Dataset


@dataclass(frozen=True)
class Tally:
    """Sums over some images: `pixels[c]` of class c, `around[c]` all pixels of the images that hold c, `void`.

    `colour` and `colour_squared` are sums of the red, green and blue values (0..255) over `colour_pixels` pixels.
    """

    images: int
    pixels: np.ndarray
    around: np.ndarray
    holding: np.ndarray
    void: int
    colour: np.ndarray
    colour_squared: np.ndarray
    colour_pixels: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def shares(self) -> np.ndarray:
        """Share of each class in the labelled pixels; zeros when there are none."""
        found: NDArray[np.float64] = self.pixels / max(1, self.pixels.sum())
        return found

    @property
    def void_share(self) -> float:
        """Share of void in all pixels."""
        return self.void / max(1, self.void + int(self.pixels.sum()))

    @property
    def median_frequency(self) -> list[float | None]:
        """Class weights median(f) / f with f = pixels of c / all pixels of the images that hold c; None if absent.

        Eigen and Fergus 2015 (arXiv 1411.4734), section 4.2, as SegNet uses it.
        """
        there = self.pixels > 0
        frequency = self.pixels[there] / self.around[there]
        weights = iter(np.median(frequency) / frequency) if there.any() else iter(())
        return [float(next(weights)) if present else None for present in there]

    @property
    def mean(self) -> np.ndarray:
        """Mean red, green and blue, 0..255."""
        found: NDArray[np.float64] = self.colour / max(1, self.colour_pixels)
        return found

    @property
    def std(self) -> np.ndarray:
        """Standard deviation over pixels of red, green and blue."""
        squares = self.colour_squared / max(1, self.colour_pixels)
        found: NDArray[np.float64] = np.sqrt(np.maximum(0, squares - self.mean**2))
        return found


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen-Shannon divergence of two distributions in bits: 0 for equal ones, 1 for those that share nothing."""
    middle = (p + q) / 2

    def divergence(a: np.ndarray) -> float:
        there = a > 0
        return float((a[there] * np.log2(a[there] / middle[there])).sum())

    return (divergence(p) + divergence(q)) / 2


@dataclass
class Groups:
    """Tallies by name, images of one name added up."""

    tallies: dict[str, Tally] = field(default_factory=dict)

    def add(self, name: str, tally: Tally) -> None:
        self.tallies[name] = self.tallies[name] + tally if name in self.tallies else tally


def tally(
    datasets: Iterable[Dataset], group: Callable[[Dataset, int], str], *, workers: int = 2, tick: Callable[[], None]
) -> dict[str, Tally]:
    """Tallies of all images, by the name `group(dataset, index)` gives them, in order of first appearance.

    `tick` is called after each image.  Raises BenchError at the first image that cannot be read.
    """
    groups = Groups()
    with ThreadPoolExecutor(workers) as pool:
        for dataset in datasets:

            def one(index: int, dataset: Dataset = dataset) -> tuple[str, Tally]:
                found = group(dataset, index), _tally(*dataset.read(index), dataset.info.num_classes)
                tick()
                return found

            # Neighbours mostly share a group: adding them up in runs keeps the number of additions small.
            for name, several in groupby(pool.map(one, range(len(dataset))), key=lambda pair: pair[0]):
                for _, part in several:
                    groups.add(name, part)
    return groups.tallies


def _tally(image: np.ndarray, labels: np.ndarray, classes: int) -> Tally:
    counts = np.bincount(labels.reshape(-1), minlength=256).astype(np.int64)
    pixels, values = counts[:classes], image.reshape(-1, 3)
    there = pixels > 0
    histograms = [np.bincount(values[:, channel], minlength=256) for channel in range(3)]
    scale = np.arange(256, dtype=np.float64)
    return Tally(
        images=1,
        pixels=pixels,
        around=np.where(there, labels.size, 0),
        holding=there.astype(np.int64),
        void=int(counts[IGNORE]),
        colour=np.array([h @ scale for h in histograms]),
        colour_squared=np.array([h @ scale**2 for h in histograms]),
        colour_pixels=len(values),
    )
