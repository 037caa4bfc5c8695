"""Chances of classes and the images that show them -> images drawn class first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.spec import BenchError, ExitCode

if TYPE_CHECKING:
    from bench.samplers import Sampler


def check_min_pixels(name: str, min_pixels: int) -> None:
    """Raises BenchError for fewer than 0."""
    if min_pixels < 0:
        raise BenchError(f"{min_pixels} is out of range", remedy="choose 0 or more", key="sampler.min_pixels")


def class_first(counts: np.ndarray, chances: np.ndarray, min_pixels: int) -> Sampler:
    """Draws a class by `chances` (K,), then one of the images with more than `min_pixels` of it, each equally likely.

    A class that no image shows so much of is looked for in every image that shows any of it; one that none shows is
    never drawn, and its chance goes to the others.  Raises BenchError (DATA) where no image shows a class.
    """
    shows = counts > min_pixels
    shows |= ~shows.any(0) & (counts > 0)
    found = shows.any(0)
    if not found.any():
        problem, remedy = "no image of the source shows any class", "use `sampler: uniform`, or another source"
        raise BenchError(problem, remedy=remedy, key="sampler", code=ExitCode.DATA)
    chances = np.where(found, chances, 0.0)
    reach = np.cumsum(chances / chances.sum())
    reach[np.flatnonzero(chances)[-1] :] = 1.0  # rounding must not leave a number that belongs to no class
    images = [np.flatnonzero(column) for column in shows.T]

    def order(generator: np.random.Generator) -> np.ndarray:
        class_draws, image_draws = generator.random((2, len(counts)))
        classes = np.searchsorted(reach, class_draws, side="right")
        drawn = [images[k][int(u * len(images[k]))] for k, u in zip(classes, image_draws, strict=True)]
        return np.array(drawn, np.int64)

    return order
