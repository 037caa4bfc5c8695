"""Intervals of differences and of the gap recovered: what they equal, refuse, and how often they hold the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bench.scores import bootstrap_interval, miou
from bench.scores.paired import DRAWS, Draws, Each, Estimate, Resampled, difference, no_gap, recovered, score

N, K, S = 30, 3, 3


def runs(skill: float, seeds: int = S, world: int = 0, spread: float = 0.02, n: int = N) -> list[np.ndarray]:
    """Counts (n, K, K) per seed; labels and how hard an image is belong to `world`, not to the method."""
    shared = np.random.default_rng(world)
    labels = shared.integers(40, 300, size=(n, K))
    hard = shared.normal(0, 0.1, size=(n, 1))
    found = []
    for seed in range(seeds):
        own = np.random.default_rng([world, seed, int(1000 * skill)])
        share = np.clip(skill - hard + own.normal(0, spread) + own.normal(0, 0.03, size=(n, K)), 0.01, 0.99)
        hits = own.binomial(labels, share)
        counts = np.zeros((n, K, K), dtype=np.int64)
        for k in range(K):
            counts[:, k, k], counts[:, k, (k + 1) % K] = hits[:, k], labels[:, k] - hits[:, k]
        found.append(counts)
    return found


def three(draws: Draws, gap: float = 0.3) -> tuple[Resampled, Resampled, Resampled]:
    """A method, source-only and oracle."""
    method, source_only, oracle = (draws.scored(runs(s, len(draws.seeds))) for s in (0.6, 0.5, 0.5 + gap))
    return method, source_only, oracle


# ------------------------------------------------------------------ a slow reference


def slowly(draws: Draws, methods: Sequence[list[np.ndarray]], of: Callable[..., float]) -> tuple[float, float]:
    """The method spelled out: draw images, score every seed's run of every method, weigh the seeds, take `of`."""
    rng = np.random.default_rng(draws.seed)
    values = []
    for weights in draws.weights:
        drawn = rng.integers(N, size=N)
        scores = [[miou(run[drawn].sum(0)) for run in method] for method in methods]
        for weight in weights:
            values.append(of(*(sum(w * s for w, s in zip(weight, one, strict=True)) for one in scores)))
    low, high = np.quantile(values, [0.025, 0.975]).tolist()
    return low, high


def ratio(method: float, source: float, oracle: float) -> float:
    gain, gap = method - source, oracle - source
    return gain / gap if gap > 0 else math.copysign(math.inf, gain)


def test_the_intervals_equal_the_method_spelled_out() -> None:
    draws = Draws(N, range(S), samples=60, seed=4)
    method, source, oracle = runs(0.6), runs(0.5), runs(0.8)
    a, b, c = draws.scored(method), draws.scored(source), draws.scored(oracle)
    for found, wanted in (
        (score(a).overall, slowly(draws, [method], lambda m: m)),
        (difference(a, b).overall, slowly(draws, [method, source], lambda m, s: m - s)),
        (recovered(a, b, c).overall.share, slowly(draws, [method, source, oracle], ratio)),
    ):
        assert found is not None
        assert (found.low, found.high) == pytest.approx(wanted, abs=1e-12)
        assert found.samples == 60 * DRAWS
    other = slowly(Draws(N, range(S), samples=60, seed=5), [method], lambda m: m)  # the control: other resamples
    assert (score(a).overall.low, score(a).overall.high) != pytest.approx(other, abs=1e-12)


def test_values_are_the_runs_own() -> None:
    a, b, c = three(Draws(N, range(S), samples=10))
    plain = [np.mean([miou(run.sum(0)) for run in runs(skill)]) for skill in (0.6, 0.5, 0.8)]
    assert score(a).overall.value == pytest.approx(plain[0], abs=1e-15)
    assert difference(a, b).overall.value == pytest.approx(plain[0] - plain[1], abs=1e-15)
    share = recovered(a, b, c).overall.share
    assert share is not None
    assert share.value == pytest.approx((plain[0] - plain[1]) / (plain[2] - plain[1]), abs=1e-12)
    assert len(score(a).classes) == K


def test_one_seed_has_the_interval_of_the_leaderboard() -> None:
    (one,) = runs(0.6, seeds=1)
    found, wanted = score(Draws(N, [7]).scored([one])).overall, bootstrap_interval(one)
    assert (found.low, found.high) == (wanted.low, wanted.high)


def test_the_same_arguments_give_the_same_bits() -> None:
    first, again = (difference(*three(Draws(N, range(S)))[:2]) for _ in range(2))
    assert first == again
    assert difference(*three(Draws(N, range(S), seed=1))[:2]) != first


def test_the_defaults_are_a_thousand_resamples_at_95_percent() -> None:
    found, wanted = Draws(N, range(S)), Draws(N, range(S), samples=1000, seed=0, level=0.95, groups=None)
    assert difference(*three(found)[:2]) == difference(*three(wanted)[:2])
    assert found.weights.shape == (1000, DRAWS, S)
    assert Draws(N, [0], samples=7).weights.tolist() == [[[1.0]]] * 7
    assert score(Draws(N, [0]).scored(runs(0.6, 1))).overall.samples == 1000


def test_two_images_or_groups_have_an_interval_and_one_has_none() -> None:
    run = runs(0.6, 1, n=2)
    for draws, samples in (
        (Draws(2, [0], samples=1), 1),
        (Draws(2, [0], groups=["a", "b"], samples=7), 7),
        (Draws(2, [0], groups=["a", "a"], samples=7), 0),
    ):
        found = score(draws.scored(run)).overall
        assert (found.samples, found.low is None) == (samples, samples == 0)


def test_what_an_interval_is_over_is_told() -> None:
    assert Draws(60, range(3)).over == "60 images and 3 seeds"
    assert Draws(60, [4, 7]).over == "60 images and 2 seeds"
    assert Draws(3, [4], groups=["a", "b", "a"]).over == "3 images of 2 groups"
    assert Draws(60, [4]).over == "60 images"


def width(found: Estimate) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


def test_pairing_takes_out_what_all_methods_share() -> None:
    """Hard images move both methods: their difference is known far better than either score."""
    a, b, _ = three(Draws(N, [0]))
    assert width(difference(a, b).overall) < 0.6 * width(score(a).overall)
    other = Draws(N, [0], seed=1).scored(runs(0.5, seeds=1))
    unpaired = Resampled(a.draws, other.values)  # the control: resamples of its own
    assert width(difference(a, unpaired).overall) > 1.5 * width(difference(a, b).overall)


def test_a_method_against_itself_differs_by_nothing() -> None:
    a, b, c = three(Draws(N, range(S)))
    zero = Estimate(value=0.0, low=0.0, high=0.0, samples=4000)
    assert difference(a, a) == Each(zero, (zero,) * K)
    assert math.copysign(1, difference(b, b).overall.value or 0.0) == 1
    none = recovered(b, b, c).overall.share
    assert none is not None
    assert (none.value, none.low, none.high) == (0, 0, 0)
    whole = recovered(c, b, c).overall.share
    assert whole is not None
    assert (whole.value, whole.low, whole.high) == (1, 1, 1)


def test_groups_are_drawn_whole() -> None:
    drives = [f"drive {i // 5}" for i in range(N)]
    blocks, single = Draws(N, [0], groups=drives), Draws(N, [0])
    repeated = [np.repeat(run[::5], 5, axis=0) for run in runs(0.6, seeds=1)]
    assert width(score(blocks.scored(repeated)).overall) > 1.7 * width(score(single.scored(repeated)).overall)
    assert (blocks.over, single.over) == (f"{N} images of 6 groups", f"{N} images")
    assert score(Draws(N, [0], groups=["one"] * N).scored(repeated)).overall.low is None


def test_bounds_stay_where_scores_can_be() -> None:
    draws = Draws(N, (0, 1))
    far, other = (draws.scored([runs(a)[0], runs(b)[0]]) for a, b in ((0.98, 0.02), (0.02, 0.98)))
    found, apart = score(far).overall, difference(far, other).overall
    assert (found.low, found.high) == (0, 1)
    assert (apart.low, apart.high) == (-1, 1)
    assert recovered(far, other, far).overall.refused == "the gap's interval holds 0: [-100.0, 100.0] points"


# ------------------------------------------------------------------ refusals


def test_a_gap_that_may_be_none_is_refused() -> None:
    draws = Draws(N, range(S))
    a, b, _ = three(draws)
    for skill, words in ((0.51, "holds 0"), (0.2, "no better")):
        found = recovered(a, b, draws.scored(runs(skill))).overall
        assert found.share is None
        assert words in found.refused
        assert "points" in found.refused
    clear = recovered(a, b, draws.scored(runs(0.8))).overall
    assert (clear.refused, clear.share is None) == ("", False)


def test_a_ratio_without_its_refusal_would_mislead() -> None:
    """Negative control: what is refused above has a share whose value says nothing, far outside of 0 to 1."""
    draws = Draws(N, range(S))
    a, b, c = draws.scored(runs(0.6)), draws.scored(runs(0.5)), draws.scored(runs(0.51))
    gains, gaps = difference(a, b).overall.value, difference(c, b).overall.value
    assert gains is not None
    assert gaps is not None
    assert abs(gains / gaps) > 3


def test_classes_are_refused_by_themselves() -> None:
    draws = Draws(N, [0])
    source, oracle = runs(0.5, seeds=1), runs(0.8, seeds=1)
    for run in (*source, *oracle):
        run[:, 2], run[:, :, 2] = 0, 0  # neither labelled nor predicted
    oracle[0][:, 1] = source[0][:, 1]
    found = recovered(draws.scored(oracle), draws.scored(source), draws.scored(oracle))
    assert found.overall.share is not None
    assert [one.refused for one in found.classes] == ["", found.classes[1].refused, "there is no score to compare"]


def test_without_images_there_are_figures_and_no_intervals() -> None:
    draws = Draws(1, range(S))
    a, b, c = (draws.scored([run.sum(0, keepdims=True) for run in runs(skill)]) for skill in (0.6, 0.5, 0.8))
    found = difference(a, b).overall
    assert (found.low, found.high, found.samples) == (None, None, 0)
    assert found.value == difference(*three(Draws(N, range(S)))[:2]).overall.value
    assert recovered(a, b, c).overall.refused == "the gap has no interval"
    assert not found.above
    assert not found.below


def test_words_for_every_gap() -> None:
    assert no_gap(Estimate(value=0.1, low=0.05, high=0.2)) == ""
    assert no_gap(Estimate(value=None)) == "there is no score to compare"
    assert no_gap(Estimate(value=0.1, low=-0.21, high=0.2)) == "the gap's interval holds 0: [-21.0, 20.0] points"
    assert no_gap(Estimate(value=0.1, low=0.0, high=0.2)) == "the gap's interval holds 0: [0.0, 20.0] points"
    worse = "the oracle is no better than source-only: [-20.0, 0.0] points"
    assert no_gap(Estimate(value=-0.1, low=-0.2, high=0.0)) == worse
    for half in (Estimate(value=0.1, low=0.05), Estimate(value=0.1, high=0.2)):
        assert no_gap(half) == "the gap has no interval"


@pytest.mark.parametrize(
    ("low", "high", "above", "below"),
    [
        (0.001, 0.2, True, False),
        (0.0, 0.2, False, False),
        (-0.2, 0.0, False, False),
        (-0.2, -0.001, False, True),
        (None, None, False, False),
    ],
)
def test_an_interval_is_above_or_below_zero_where_all_of_it_is(
    low: float | None, high: float | None, above: bool, below: bool
) -> None:
    found = Estimate(value=0.0, low=low, high=high)
    assert (found.above, found.below) == (above, below)
    assert Estimate(value=0.5) == Estimate(value=0.5, low=None, high=None, samples=0)


def made(draws: Draws, values: list[float]) -> Resampled:
    """A method of one class whose mIoU is the first of `values`, and the others in the resamples."""
    return Resampled(draws, np.repeat(np.array(values)[None, :, None], 2, axis=2))


@pytest.mark.parametrize(
    ("gain", "gap", "refused"),
    [
        (0.1, 0.2, ""),
        (0.1, 0.0, "the gap is too close to 0 for a share of it"),  # its share has no end above
        (-0.1, 0.0, "the gap is too close to 0 for a share of it"),  # or below
        (0.1, -0.1, "the gap is too close to 0 for a share of it"),
        (0.0, 0.0, ""),  # says nothing of the share, and is left out
    ],
)
def test_a_share_needs_both_its_ends(gain: float, gap: float, refused: str) -> None:
    """One resample of 40 without a gap leaves the gap's own interval above 0."""
    draws = Draws(2, [0], samples=40)
    source, method = made(draws, [0.0] * 41), made(draws, [0.1] * 40 + [gain])
    found = recovered(method, source, made(draws, [0.2] * 40 + [gap])).overall
    assert found.refused == refused
    assert (found.share is None) == (refused != "")
    if found.share is not None:
        assert (found.share.value, found.share.low, found.share.high) == (0.5, 0.5, 0.5)
        assert found.share.samples == (40 if gap else 39)


def test_a_class_of_one_pixel_has_a_score_and_a_resample_without_any_has_none() -> None:
    counts = np.zeros((2, 2, 2), dtype=np.int64)
    counts[0, 0, 0] = 1
    found = score(Draws(2, [0], samples=400).scored([counts]))
    assert (found.overall.value, found.classes[0].value, found.classes[1].value) == (1, 1, None)
    assert (found.overall.low, found.overall.high) == (1, 1)
    assert 0.65 < found.overall.samples / 400 < 0.85  # the first image is drawn in 3 of 4
    assert found.overall.samples == found.classes[0].samples


@pytest.mark.parametrize(
    "make",
    [
        lambda: Draws(N, []),
        lambda: Draws(N, [1, 1]),
        lambda: Draws(0, [0]),
        lambda: Draws(N, [0], level=95),
        lambda: Draws(N, [0], level=0),
        lambda: Draws(N, [0], level=1),
        lambda: Draws(N, [0], samples=0),
        lambda: Draws(N, [0], groups=["a"]),
        lambda: Draws(N, [0, 1]).scored(runs(0.5, seeds=1)),
        lambda: Draws(N + 1, [0]).scored(runs(0.5, seeds=1)),
        lambda: Draws(N, [0]).scored([runs(0.5)[0].astype(float)]),
        lambda: Draws(N, [0]).scored([-runs(0.5)[0]]),
        lambda: Draws(N, [0]).scored([runs(0.5)[0][:, :2]]),
        lambda: Draws(N, [0]).scored([runs(0.5)[0][0]]),
        lambda: difference(Draws(N, [0]).scored(runs(0.5, 1)), Draws(N, [0]).scored(runs(0.6, 1))),
    ],
)
def test_what_cannot_be_compared_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"must|seeds|groups|resamples"):
        make()


# ------------------------------------------------------------------ coverage


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """150 comparisons of 3 seeds whose luck matters more than the images: 95 % intervals hold the true difference.

    The control draws the three seeds with replacement, as a plain bootstrap would, and is far too sure of itself.
    """
    held = naive = 0
    rng = np.random.default_rng(0)
    draws = Draws(12, range(S), samples=100)
    again = np.random.default_rng(1).integers(S, size=(100, DRAWS, S))
    plain = Draws(12, range(S), samples=100)
    plain.weights = np.stack([(again == s).mean(2) for s in range(S)], axis=2)
    truth = 0.1
    for _ in range(150):
        method, control = (_flat(0.5 + gain + rng.normal(0, 0.04, size=S), rng) for gain in (truth, 0.0))
        for way, chosen in (("t", draws), ("plain", plain)):
            found = difference(chosen.scored(method), chosen.scored(control)).overall
            assert found.low is not None
            assert found.high is not None
            inside = found.low <= truth <= found.high
            held, naive = held + (inside and way == "t"), naive + (inside and way == "plain")
    assert held / 150 >= 0.9
    assert naive / 150 <= 0.83


@pytest.mark.parametrize(("seeds", "quartile"), [(2, 1.0), (3, 0.8165), (5, 0.7407)])
def test_a_mean_over_seeds_varies_as_students_t(seeds: int, quartile: float) -> None:
    """The quartiles of t with 1, 2 and 4 degrees of freedom, as in any table of it."""
    values = np.random.default_rng(2).normal(size=seeds)
    weights = Draws(5, range(seeds), samples=40_000).weights
    assert np.allclose(weights.sum(2), 1)
    t = ((weights * values).sum(2) - values.mean()) / (values.std(ddof=1) / math.sqrt(seeds))
    assert np.quantile(t, [0.25, 0.75]).tolist() == pytest.approx([-quartile, quartile], rel=0.03)


def _flat(ious: np.ndarray, rng: np.random.Generator, n: int = 12, pixels: int = 2000) -> list[np.ndarray]:
    """Per seed, images of one class whose IoU is that seed's."""
    found = []
    for value in ious:
        hits = rng.binomial(pixels, np.clip(value, 0.01, 0.99), size=n)
        counts = np.zeros((n, 2, 2), dtype=np.int64)
        counts[:, 0, 0], counts[:, 0, 1] = hits, pixels - hits
        counts[:, 1, 1] = hits  # the second class mirrors the first, so mIoU = IoU
        found.append(counts)
    return found
