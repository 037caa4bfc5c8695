"""Test labels -> nothing, or the end of a sweep: predictors whose scores are known beforehand go through the counting.

What they must score follows from the histogram of the labels alone, worked out here by numpy; a wrong ignore index, an
off-by-one in the classes or rows and columns exchanged cannot give all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from bench.cache.decoding import Decoder
from bench.evaluate.counting import evaluate
from bench.models.segmodel import SegModel
from bench.scores import miou
from bench.spec import IGNORE, BenchError, Dataset, ExitCode

IMAGES, SIDE = 3, 128
"""Images of each split, and pixels of a side to which their labels are thinned: a moment, whatever the dataset."""

DEVIATIONS = 6.0
"""How many standard deviations of chance a random predictor may be off: once in a thousand million tries."""

Predictor = Callable[[Tensor], Tensor]
"""Labels int64 (B, H, W), void included -> classes of that shape."""


class Canary(SegModel):
    """A network whose images are labels: the first channel holds them as numbers, `predict` says what it sees there."""

    def __init__(self, predict: Predictor, num_classes: int) -> None:
        super().__init__()
        self.predict, self.num_classes = predict, num_classes

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        winners = self.predict(images[:, 0].long())
        return {"out": torch.nn.functional.one_hot(winners, self.num_classes).movedim(-1, 1).float()}


def sing(dataset: Dataset) -> None:
    """Check that predictors on labels of `dataset` score what they must.

    Raises BenchError: DATA for a label that is no class, INTERNAL where a score is not what its closed form says.
    """
    classes = dataset.info.num_classes
    decode = Decoder(dataset, None, True)
    picked = range(0, len(dataset), max(1, len(dataset) // IMAGES))[:IMAGES]
    labels = [_thinned(decode(index).label) for index in picked]
    codes = sum(np.bincount(label.ravel(), minlength=256) for label in labels)
    histogram = np.asarray(codes, dtype=np.int64)[:classes]
    if not histogram.sum():
        return  # nothing but void: no score of these images could be right or wrong
    place = f"{dataset.info.name}/{dataset.domain}"
    for name, predict, low, high in canaries(histogram):
        counts = evaluate(Canary(predict, classes), batches(labels), classes).sum(0)
        seen, score = counts.sum(1).numpy(), miou(counts.tolist())
        if score is None or not (low - 1e-9 <= score <= high + 1e-9) or not np.array_equal(seen, histogram):
            wanted = f"{low:.6f}" if low == high else f"{low:.6f} to {high:.6f}"
            raise BenchError(
                f"on labels of {place} the {name} predictor scores {score} over {int(seen.sum())} pixels, and must "
                f"score {wanted} over {int(histogram.sum())}",
                remedy="the counting is wrong (ignore index, class order): see `bench/evaluate/counting.py`",
                code=ExitCode.INTERNAL,
            )


def _thinned(label: np.ndarray) -> np.ndarray:
    height, width = label.shape
    return np.ascontiguousarray(label[:: max(1, height // SIDE), :: max(1, width // SIDE)])


def batches(labels: list[np.ndarray]) -> Iterator[tuple[Tensor, Tensor]]:
    """Each label as an image of its own, three channels of numbers, and as itself."""
    for label in labels:
        code = torch.from_numpy(label)[None]
        yield code[:, None].expand(-1, 3, -1, -1).float(), code


def canaries(histogram: np.ndarray) -> Iterator[tuple[str, Predictor, float, float]]:
    """(name, predictor, least and greatest mIoU that is right) for labels of this int64 (K,) histogram."""
    number, total = len(histogram), int(histogram.sum())
    shares = histogram / total
    for k in range(number):
        present = int((histogram > 0).sum()) + (histogram[k] == 0)
        exact = float(shares[k]) / present
        yield f"constant (class {k})", partial(torch.full_like, fill_value=k), exact, exact
    yield "ground-truth copy", lambda labels: labels.where(labels != IGNORE, 0), 1.0, 1.0
    if number > 1:
        yield "shifted-label", lambda labels: (labels + 1) % number, 0.0, 0.0
    for name, chances in (("prior", shares), ("random", np.full(number, 1 / number))):
        yield name, _drawing(chances), *_bounds(histogram, chances)


def _drawing(chances: np.ndarray) -> Predictor:
    generator = torch.Generator().manual_seed(0)
    edges = torch.from_numpy(np.cumsum(chances)[:-1])

    def predict(labels: Tensor) -> Tensor:
        return torch.bucketize(torch.rand(labels.shape, generator=generator, dtype=torch.float64), edges, right=True)

    return predict


def _bounds(histogram: np.ndarray, chances: np.ndarray) -> tuple[float, float]:
    """The mean of IoU_k = h / (n_k + m), h hits and m wrong guesses of class k, each as far off as chance may be.

    h is binomial of n_k pixels and chance p_k, m of all others.
    """
    right, wrong = histogram, histogram.sum() - histogram
    hits, guesses = right * chances, wrong * chances
    off_hits, off_guesses = (DEVIATIONS * np.sqrt(n * chances * (1 - chances)) + 1 for n in (right, wrong))
    # A class neither labelled nor guessed is in no mean: one that may be absent by chance widens the bounds.
    sure = (right > 0) | (guesses > off_guesses)
    maybe = ~sure & (chances > 0) & (wrong > 0)
    low = np.clip(hits - off_hits, 0, None) / np.maximum(right + guesses + off_guesses, 1)
    high = np.minimum(right, hits + off_hits) / np.maximum(right + np.clip(guesses - off_guesses, 0, None), 1)
    counts = int(sure.sum()), int(sure.sum() + maybe.sum())
    return float(low[sure].sum()) / counts[1], float(np.minimum(high[sure], 1).sum()) / counts[0]
