"""Counts per image of several methods' runs -> intervals of a score, of a difference, and of the gap recovered.

Every method of a comparison is scored on the same images and has the same seeds, so both are drawn jointly: a hard
image, or a lucky seed, moves all methods together and leaves their difference alone.  Per resample of the images (or of
groups of them, such as drives) come DRAWS draws of the seeds.

Seeds are few.  Three of them, drawn with replacement, never leave their own range, which holds the mean of all seeds in
75 % of cases, not 95.  So they get random weights around 1/S whose spread is that of Student's t with S - 1 degrees of
freedom: the interval of a mean of S normal numbers is then exact, and two seeds say as little as they do.  One seed
says nothing of others; the interval is of images alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.scores import bootstrap

T = TypeVar("T")
Floats = NDArray[np.float64]

DRAWS = 4
"""Draws of the seeds per resample of the images."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A statistic of the runs as they are and its percentile interval; None where it does not exist.

    `samples` counts the resamples in which it existed; without counts per image, or with one image, there are none.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    samples: int = 0

    @property
    def above(self) -> bool:
        """Whether the whole interval lies above 0."""
        return self.low is not None and self.low > 0

    @property
    def below(self) -> bool:
        """Whether the whole interval lies below 0."""
        return self.high is not None and self.high < 0


@dataclass(frozen=True)
class Each(Generic[T]):
    """Something of the mIoU, and the same of each class's IoU."""

    overall: T
    classes: tuple[T, ...]


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """(method - source-only) / (oracle - source-only); `share` is None where `refused` says why."""

    share: Estimate | None
    refused: str = ""


class Draws:
    """The resamples that all methods of one target share: of `images` images, and of the `seeds`.

    `groups` (one id per image, such as the sequence or city) are drawn whole where given; without them every image
    counts as independent.  The same arguments give the same resamples.
    """

    def __init__(
        self,
        images: int,
        seeds: Sequence[int],
        *,
        samples: int = 1000,
        seed: int = 0,
        level: float = 0.95,
        groups: Sequence[Hashable] | None = None,
    ) -> None:
        if len(set(seeds)) != len(seeds) or not seeds:
            raise ValueError(f"seeds must be there and differ, not {list(seeds)}")
        if not 0 < level < 1 or samples < 1 or images < 1:
            raise ValueError(f"level {level} must lie between 0 and 1, samples {samples} and images {images} be >= 1")
        if groups is not None and len(groups) != images:
            raise ValueError(f"{len(groups)} groups for {images} images")
        self.images, self.seeds, self.groups, self.level = images, tuple(seeds), groups, level
        self.units = images if groups is None else len(set(groups))
        self.samples, self.seed = samples if self.units > 1 else 0, seed
        self.weights = _seed_weights(len(self.seeds), self.samples, seed)

    @property
    def over(self) -> str:
        """What the intervals are over: `60 images and 3 seeds`, `60 images of 5 groups`."""
        images = f"{self.images} images" + (f" of {self.units} groups" if self.groups is not None else "")
        return images + (f" and {len(self.seeds)} seeds" if len(self.seeds) > 1 else "")

    def scored(self, per_image: Sequence[NDArray[np.integer[Any]]]) -> Resampled:
        """The runs of one method: `per_image` (N, K, K) counts for each of `seeds`, in their order."""
        if len(per_image) != len(self.seeds):
            raise ValueError(f"{len(per_image)} runs for {len(self.seeds)} seeds")
        return Resampled(self, np.stack([self._run(counts) for counts in per_image]))

    def _run(self, counts: NDArray[np.integer[Any]]) -> Floats:
        """(1 + samples, K + 1): IoU of each class, then mIoU; of the counts as they are, then of each resample."""
        if len(bootstrap.checked(counts)) != self.images:
            raise ValueError(f"per_image must be counts of {self.images} images, not of {len(counts)}")
        if self.groups is not None:
            counts = bootstrap.by_group(counts, self.groups)
        hits = counts.diagonal(axis1=1, axis2=2)
        flat = np.concatenate([hits, counts.sum(1) + counts.sum(2) - hits], axis=1).astype(np.float64)
        drawn = bootstrap.resampled_sums(flat, self.samples, self.seed) if self.samples else ()
        return np.concatenate([_ious(sums) for sums in (flat.sum(0)[None], *drawn)])


@dataclass(frozen=True)
class Resampled:
    """One method's scores, (S, 1 + samples, K + 1), under resamples that it shares with others."""

    draws: Draws
    values: Floats


def score(of: Resampled) -> Each[Estimate]:
    """The mean over seeds of mIoU, and of each class's IoU; bounds stay in [0, 1]."""
    return _estimates(_over_seeds(of.values, of.draws), of.draws, within=(0.0, 1.0))


def difference(of: Resampled, other: Resampled) -> Each[Estimate]:
    """The mean over seeds of `of` - `other`, run by run; bounds stay in [-1, 1]."""
    return _estimates(_difference(of, other), of.draws, within=(-1.0, 1.0))


def recovered(of: Resampled, source_only: Resampled, oracle: Resampled) -> Each[Recovered]:
    """The part of the adaptation gap that a method closes: 0 as source-only, 1 as with the target's labels.

    A ratio of the means over seeds in each resample.  Refused where the interval of the gap itself is not wholly above
    0.  A resample that leaves no gap counts as beyond the end that its numerator points to (Fieller 1954); a bound that
    falls there refuses the ratio, too.
    """
    gains, gaps = _difference(of, source_only), _difference(oracle, source_only)
    with np.errstate(divide="ignore", invalid="ignore"):  # no gain of no gap is no number
        ratios = gains / np.maximum(gaps, 0)
    known = _estimates(gaps, of.draws, within=(-1.0, 1.0))
    shares = _estimates(ratios, of.draws)
    classes = tuple(map(_recovered, shares.classes, known.classes))
    return Each(_recovered(shares.overall, known.overall), classes)


def no_gap(gap: Estimate) -> str:
    """Why the share of a gap (oracle - source-only) cannot be told, or '' where it can."""
    if gap.value is None:
        return "there is no score to compare"
    if gap.low is None or gap.high is None:
        return "the gap has no interval"
    bounds = f"[{100 * gap.low:.1f}, {100 * gap.high:.1f}] points"
    if gap.high <= 0:
        return f"the oracle is no better than source-only: {bounds}"
    return "" if gap.low > 0 else f"the gap's interval holds 0: {bounds}"


def _recovered(share: Estimate, gap: Estimate) -> Recovered:
    if refused := no_gap(gap):
        return Recovered(share=None, refused=refused)
    if share.low is None:
        return Recovered(share=None, refused="the gap is too close to 0 for a share of it")
    return Recovered(share=share)


# ------------------------------------------------------------------ resamples


def _seed_weights(seeds: int, samples: int, seed: int) -> Floats:
    """(samples, DRAWS, S) weights that sum to 1: 1/S plus what makes a weighted mean vary as t / sqrt(S) does.

    With z normal, sum (z_s - mean z) x_s has variance (S - 1) std(x)^2; over sqrt(S chi^2) it is std(x) / sqrt(S) times
    a t.
    """
    if seeds == 1:
        return np.ones((samples, 1, 1))
    rng = np.random.default_rng([seed, seeds])
    z = rng.standard_normal((samples, DRAWS, seeds))
    chi_squared = rng.chisquare(seeds - 1, (samples, DRAWS, 1))
    weights: Floats = (z - z.mean(2, keepdims=True)) / np.sqrt(seeds * chi_squared) + 1 / seeds
    return weights


def _over_seeds(values: Floats, draws: Draws) -> Floats:
    """(S, 1 + samples, C) -> (1 + samples * draws of seeds, C): plain mean first, then weighted ones."""
    each = draws.weights.shape[1]
    point, drawn = np.zeros((1, values.shape[2])), np.zeros((draws.samples, each, values.shape[2]))
    for s, run in enumerate(values):  # one after the other: sums of few are the same bits everywhere
        point += run[:1]
        drawn += draws.weights[:, :, s, None] * run[1:, None]
    return np.concatenate([point / len(values), drawn.reshape(-1, values.shape[2])])


def _difference(of: Resampled, other: Resampled) -> Floats:
    if of.draws is not other.draws:
        raise ValueError("two methods are compared under the same resamples only")
    return _over_seeds(of.values - other.values, of.draws)


def _ious(sums: Floats) -> Floats:
    """(R, 2K) hits and unions per class -> (R, K + 1) IoU per class and mIoU, nan where nothing is there."""
    hits, unions = np.split(sums, 2, axis=1)
    found = np.full((len(sums), hits.shape[1] + 1), np.nan)
    np.divide(hits, unions, out=found[:, :-1], where=unions > 0)
    there = (unions > 0).any(1)
    found[there, -1] = bootstrap.mious(sums)
    return found


def _estimates(table: Floats, draws: Draws, within: tuple[float, float] | None = None) -> Each[Estimate]:
    """(1 + R, K + 1), point first -> an estimate per column, the last one overall."""
    found = [_estimate(column, draws.level, within) for column in table.T]
    return Each(found[-1], tuple(found[:-1]))


def _estimate(column: Floats, level: float, within: tuple[float, float] | None) -> Estimate:
    point, drawn = float(column[0]), column[1:][~np.isnan(column[1:])]
    if not np.isfinite(point):
        return Estimate(value=None)
    if not len(drawn):
        return Estimate(value=point)
    with np.errstate(invalid="ignore"):  # between two infinities there is no quantile
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]).tolist()
    if not np.isfinite([low, high]).all():
        return Estimate(value=point)
    if within is not None:
        low, high = max(low, within[0]), min(high, within[1])
    return Estimate(value=point, low=low, high=high, samples=len(drawn))
