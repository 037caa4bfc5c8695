"""Datasets -> what their images look like and what is in them, and how far two of them are apart; no network needed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.datasets.statistics import jensen_shannon
from bench.spec import Dataset

SIDE = 128
"""Images are looked at in squares of so many pixels."""

OCTAVES, LOW = 8, 4
"""Frequencies by octaves: 0, 1, 2 to 3, 4 to 7, ... waves across the square.  The first LOW of them are about the
window of FDA (arXiv 2004.05498) at 0.05: light and haze rather than objects."""


@dataclass(frozen=True)
class Looks:
    """Of N images: `pixels` int64 (N, K) of each class; `mean`, `square` (N, 3) of red, green and blue in 0..1 and of
    their squares; `spectrum` (N, 3, OCTAVES), decibels of each octave."""

    pixels: NDArray[np.int64]
    mean: NDArray[np.float64]
    square: NDArray[np.float64]
    spectrum: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of each class in the labelled pixels."""
        found: NDArray[np.float64] = self.pixels.sum(0) / max(1, int(self.pixels.sum()))
        return found

    def part(self, rows: slice) -> Looks:
        """Those of some of the images."""
        return Looks(self.pixels[rows], self.mean[rows], self.square[rows], self.spectrum[rows])


def looks(dataset: Dataset, limit: int, *, workers: int = 2, tick: Callable[[], None] = lambda: None) -> Looks:
    """At most `limit` images of `dataset`, evenly spread; `tick` is called after each.  Raises BenchError as `read`."""
    picked = range(0, len(dataset), max(1, -(-len(dataset) // limit)))

    def one(index: int) -> tuple[np.ndarray, ...]:
        image, labels = dataset.read(index)
        values = image.reshape(-1, 3) / 255.0
        pixels = np.bincount(labels.ravel(), minlength=256)[: dataset.info.num_classes]
        tick()
        return pixels, values.mean(0), (values**2).mean(0), _spectrum(image)

    with ThreadPoolExecutor(workers) as pool:
        columns = zip(*pool.map(one, picked), strict=True)
        return Looks(*(np.stack(column) for column in columns))


def _spectrum(image: np.ndarray) -> np.ndarray:
    square = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32) / 255
    amplitude = np.abs(np.fft.rfft2(square, axes=(0, 1))).transpose(2, 0, 1)
    decibels = 20 * np.log10(amplitude + 1e-2).reshape(3, -1)
    rows = np.minimum(np.arange(SIDE), SIDE - np.arange(SIDE))
    waves = np.hypot(rows[:, None], np.arange(amplitude.shape[2])).ravel()
    octave = np.minimum(np.ceil(np.log2(np.floor(waves) + 1)), OCTAVES - 1).astype(np.int64)
    sums = [np.bincount(octave, channel, minlength=OCTAVES) for channel in decibels]
    found: np.ndarray = np.stack(sums) / np.bincount(octave, minlength=OCTAVES)
    return found


def distances(one: Looks, other: Looks) -> dict[str, float]:
    """Name -> distance, 0 for domains that are alike.

    `class_shares`: Jensen-Shannon divergence, in bits.  `colours`: squared Hellinger distance of normal distributions
    with each channel's mean and spread, averaged over channels, 0 to 1.  `low_frequencies`, `high_frequencies`: root
    mean square difference of the mean amplitude spectra, in decibels.
    """
    apart = (one.spectrum.mean(0) - other.spectrum.mean(0)) ** 2
    return {
        "class_shares": jensen_shannon(one.shares, other.shares),
        "colours": _colours(one, other),
        "low_frequencies": float(np.sqrt(apart[:, :LOW].mean())),
        "high_frequencies": float(np.sqrt(apart[:, LOW:].mean())),
    }


def within(looked: Looks) -> dict[str, float] | None:
    """`distances` of every second image from the others: what chance alone makes; None for a single image."""
    return distances(looked.part(slice(0, None, 2)), looked.part(slice(1, None, 2))) if len(looked) > 1 else None


def _colours(one: Looks, other: Looks) -> float:
    means = one.mean.mean(0), other.mean.mean(0)
    spreads = [np.maximum(look.square.mean(0) - mean**2, 1e-6) for look, mean in zip((one, other), means, strict=True)]
    total = spreads[0] + spreads[1]
    overlap = np.sqrt(2 * np.sqrt(spreads[0] * spreads[1]) / total)
    return float(np.mean(1 - overlap * np.exp(-((means[0] - means[1]) ** 2) / (4 * total))))
