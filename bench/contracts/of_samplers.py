"""What a sampler promises: the numbers of a pass, from its generator alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.promise import CLASSES, Promise, Subject

COUNTS = np.arange(9 * CLASSES, dtype=np.int64).reshape(9, CLASSES) % 7 * 10
"""Pixels of each class in nine images."""


def _passes(subject: Subject, seed: int = 0) -> list[Any]:
    sampler, generator = subject.build(COUNTS.copy()), np.random.default_rng(seed)
    return [sampler(generator) for _ in range(3)]


def numbers(subject: Subject) -> str:
    for one in _passes(subject):
        found = np.asarray(one)
        if found.shape != (9,) or not np.issubdtype(found.dtype, np.integer):
            return f"{found.dtype} {found.shape} for nine images"
        if found.min() < 0 or found.max() > 8:
            return "a number that no image has"
    return ""


def one_seed(subject: Subject) -> str:
    np.random.seed()  # the global state, which must not matter
    same = all(np.array_equal(a, b) for a, b in zip(_passes(subject), _passes(subject), strict=True))
    return "" if same else "two passes of one seed differ"


PROMISES = (
    Promise("N numbers of images, integers", numbers, "return an integer array (N,) with values 0..N-1"),
    Promise("the generator alone decides", one_seed, "draw from the generator that is given"),
)
