"""Scores from confusion counts: the benchmarks' definition, exact, and no other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import scores
from bench.scores import Interval, bootstrap, bootstrap_interval, gap_recovered, miou, summary

MATRICES = st.integers(1, 6).flatmap(
    lambda k: st.lists(
        st.lists(st.one_of(st.just(0), st.integers(0, 10**7)), min_size=k, max_size=k), min_size=k, max_size=k
    )
)
examples = settings(derandomize=True, deadline=None, max_examples=80)

# Class 0: 3 right, 1 taken for class 1.  Class 2 is predicted but never labelled, class 3 does not occur.
SMALL = [[3, 1, 0, 0], [2, 4, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def check_small(mean_iou: Callable[[list[list[int]]], float | None]) -> None:
    assert mean_iou(SMALL) == pytest.approx(float(Fraction(3, 6) + Fraction(4, 9)) / 3)


def test_the_definition_by_hand() -> None:
    check_small(miou)
    got = summary(SMALL)
    assert got.iou == (3 / 6, 4 / 9, 0.0, None)
    assert got.dice == (6 / 9, 8 / 13, 0.0, None)
    assert got.recall == (3 / 4, 4 / 8, None, None)
    assert got.mean_accuracy == (3 / 4 + 4 / 8) / 2
    assert got.mean_dice == pytest.approx((6 / 9 + 8 / 13) / 3)
    assert got.pixel_accuracy == 7 / 12
    assert (got.absent, got.present, got.labelled, got.pixels) == ((3,), 3, 2, 12)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda c: sum(v or 0 for v in scores.iou(c)) / len(c),
        lambda c: sum(1 if v is None else v for v in scores.iou(c)) / len(c),
        lambda c: sum(v for v in scores.iou(c) if v) / sum(bool(v) for v in scores.iou(c)),
        lambda c: scores.mean_accuracy(c),
    ],
    ids=["absent is 0", "absent is 1", "predicted only is left out", "recall"],
)
def test_other_definitions_are_caught(wrong: Callable[[list[list[int]]], float | None]) -> None:
    with pytest.raises(AssertionError):
        check_small(wrong)


def test_the_mean_of_image_or_batch_scores_is_another_number() -> None:
    """A rare class, right in one image and wrongly predicted in the others: what is scored must be the split."""
    right, wrong = [[90, 0], [0, 10]], [[95, 5], [0, 0]]
    images = np.array([right, wrong, wrong, wrong])
    dataset = miou(images.sum(0))
    by_image = np.mean([miou(c) for c in images])
    by_batch = np.mean([miou(c) for c in images.reshape(2, 2, 2, 2).sum(1)])
    assert dataset == pytest.approx((375 / 390 + 10 / 25) / 2)
    assert abs(dataset - by_image) > 0.05
    assert abs(dataset - by_batch) > 0.03
    assert abs(by_image - by_batch) > 0.03


@given(MATRICES, st.randoms(use_true_random=False))
@examples
def test_relabelling_permutes_ious_and_leaves_means(matrix: list[list[int]], random: object) -> None:
    order = list(range(len(matrix)))
    random.shuffle(order)  # type: ignore[attr-defined]
    renamed = [[matrix[i][j] for j in order] for i in order]
    old, new = summary(matrix), summary(renamed)
    assert new.iou == tuple(old.iou[i] for i in order)
    assert new.recall == tuple(old.recall[i] for i in order)
    for name in ("miou", "mean_dice", "mean_accuracy", "pixel_accuracy", "present", "labelled", "pixels"):
        assert getattr(new, name) == getattr(old, name)


@given(MATRICES)
@examples
def test_swapping_labels_and_predictions_leaves_iou(matrix: list[list[int]]) -> None:
    swapped = [list(column) for column in zip(*matrix, strict=True)]
    assert scores.iou(swapped) == scores.iou(matrix)
    assert scores.dice(swapped) == scores.dice(matrix)
    assert scores.pixel_accuracy(swapped) == scores.pixel_accuracy(matrix)


def test_swapping_does_change_recall() -> None:
    assert scores.recall(SMALL) != scores.recall([list(column) for column in zip(*SMALL, strict=True)])


@given(MATRICES)
@examples
def test_ranges_and_relations(matrix: list[list[int]]) -> None:
    got = summary(matrix)
    for overlap, f1, share in zip(got.iou, got.dice, got.recall, strict=True):
        assert (overlap is None) == (f1 is None)
        if overlap is not None and f1 is not None:
            assert 0 <= overlap <= f1 <= 1
            assert f1 == pytest.approx(2 * overlap / (1 + overlap))
        if share is not None and overlap is not None:
            assert overlap <= share <= 1
    assert got.present == len(matrix) - len(got.absent) == sum(v is not None for v in got.iou)
    assert (got.miou is None) == (got.pixels == 0) == (got.pixel_accuracy is None)
    if got.miou is not None and got.mean_dice is not None:
        assert 0 <= got.miou <= got.mean_dice <= 1
    assert (got.miou, got.absent) == (miou(matrix), scores.absent(matrix))
    assert (got.mean_dice, got.mean_accuracy) == (scores.mean_dice(matrix), scores.mean_accuracy(matrix))


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=6))
@examples
def test_perfect_is_one(diagonal: list[int]) -> None:
    matrix = [[v if i == j else 0 for j in range(len(diagonal))] for i, v in enumerate(diagonal)]
    got = summary(matrix)
    assert {got.miou, got.mean_dice, got.mean_accuracy, got.pixel_accuracy} == ({1.0} if any(diagonal) else {None})


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=40), st.integers(0, 40))
@examples
def test_merging_counts_is_concatenating_pixels(pixels: list[tuple[int, int]], cut: int) -> None:
    def table(pairs: list[tuple[int, int]]) -> np.ndarray:
        counts = np.zeros((4, 4), dtype=np.int64)
        for label, prediction in pairs:
            counts[label, prediction] += 1
        return counts

    assert summary(table(pixels[:cut]) + table(pixels[cut:])) == summary(table(pixels))


def test_arrays_and_lists_agree() -> None:
    want = summary(SMALL)
    for kind in (np.int64, np.int32, np.uint8):
        assert summary(np.array(SMALL, dtype=kind)) == want
    assert summary(tuple(map(tuple, SMALL))) == want


def test_a_benchmark_of_counts_keeps_every_pixel() -> None:
    big = [[2**53 + 1, 1], [0, 2**24 + 1]]
    assert summary(big).pixels == 2**53 + 2**24 + 3
    assert scores.iou(np.array(big))[1] == (2**24 + 1) / (2**24 + 2)
    assert np.float32(2**24) + np.float32(1) == 2**24  # the control: what a float32 sum would do


@pytest.mark.parametrize(
    "wrong",
    [
        [[1.0, 0.0], [0.0, 1.0]],
        np.eye(2, dtype=np.float32),
        [[1, -1], [0, 1]],
        np.array([[1, -1], [0, 1]]),
        [[1, 2], [3]],
        [[1, 2]],
        [[]],
        np.ones((1, 2), dtype=np.int64),
        np.ones((2, 2, 2), dtype=np.int64),
    ],
    ids=["floats", "float32", "negative", "negative array", "ragged", "flat", "empty row", "flat array", "per image"],
)
def test_what_is_no_confusion_matrix_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="K x K"):
        miou(wrong)  # type: ignore[arg-type]


def test_gap_recovered() -> None:
    assert gap_recovered(0.4, 0.3, 0.5) == pytest.approx(0.5)
    assert gap_recovered(0.25, 0.3, 0.5) == pytest.approx(-0.25)
    assert gap_recovered(0.3, 0.3, 0.5) == 0
    assert gap_recovered(0.5, 0.3, 0.5) == 1
    assert gap_recovered(0.4, 0.5, 0.5) is gap_recovered(0.4, 0.6, 0.5) is gap_recovered(None, 0.3, 0.5) is None


def test_importing_scores_loads_neither_torch_nor_numpy() -> None:
    code = "import sys, bench.scores; sys.exit(bool({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    control = code.replace("bench.scores", "bench.scores, numpy")
    assert subprocess.run([sys.executable, "-c", control], check=False).returncode == 1


# ------------------------------------------------------------------ bootstrap


def images(n: int = 30, k: int = 4, seed: int = 0) -> np.ndarray:
    """Counts of n images that differ in what they show and in how well they are predicted."""
    rng = np.random.default_rng(seed)
    skill = rng.uniform(0.2, 0.95, size=(n, 1, 1))
    return rng.poisson(100 * rng.dirichlet(np.ones(k), size=n)[:, :, None] * ((1 - skill) / k + skill * np.eye(k)))


def slowly(
    per_image: np.ndarray,
    samples: int,
    seed: int,
    level: float,
    score: Callable[..., object] = lambda c: miou(c.sum(0)),
) -> tuple[float, float]:
    """The method spelled out: draw images, sum, score."""
    rng = np.random.default_rng(seed)
    values = [score(per_image[rng.integers(len(per_image), size=len(per_image))]) for _ in range(samples)]
    return tuple(np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).tolist())


@pytest.mark.parametrize("n", [2, 30, 31])
def test_the_interval_equals_resampling_image_by_image(n: int) -> None:
    got = bootstrap_interval(images(n), samples=200, seed=3, level=0.9)
    assert (got.low, got.high) == slowly(images(n), 200, 3, 0.9)
    assert (got.n, got.samples, got.level) == (n, 200, 0.9)


@pytest.mark.parametrize(
    ("seed", "score"),
    [(4, lambda c: miou(c.sum(0))), (3, lambda c: np.mean([miou(one) for one in c]))],
    ids=["another seed", "mean of per-image scores"],
)
def test_another_resampling_is_told_apart(seed: int, score: Callable[..., object]) -> None:
    got = bootstrap_interval(images(), samples=200, seed=3, level=0.9)
    assert (got.low, got.high) != slowly(images(), 200, seed, 0.9, score)


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = images(300).reshape(300, -1).astype(float)

    def sums(chunk: int) -> list[np.ndarray]:
        monkeypatch.setattr(bootstrap, "CHUNK", chunk)
        return list(bootstrap.resampled_sums(flat, 50, 0))

    many, few = sums(300 * 7), sums(300 * 50)
    assert (len(many), len(few)) == (8, 1)
    assert np.array_equal(np.concatenate(many), few[0])


@pytest.mark.parametrize(("numbers", "sizes"), [(1, [1] * 50), (300 * 49, [49, 1]), (300 * 50, [50])])
def test_a_chunk_holds_what_it_may_and_at_least_one_resample(
    monkeypatch: pytest.MonkeyPatch, numbers: int, sizes: list[int]
) -> None:
    assert bootstrap.CHUNK * 8 == 16 * 2**20  # 16 MB of float64
    monkeypatch.setattr(bootstrap, "CHUNK", numbers)
    bootstrap._drawn_once.cache_clear()
    for hits in (0, 1):  # what fits into one chunk is drawn once for all splits of its size
        assert [len(sums) for sums in bootstrap.resampled_sums(np.ones((300, 9)), 50, 0)] == sizes
        assert bootstrap._drawn_once.cache_info().hits == (hits if len(sizes) == 1 else 0)


@pytest.mark.parametrize("k", [1, 2, 19])
@pytest.mark.parametrize("most", [1, 3, 10**6])
def test_many_means_at_once_are_miou_to_the_last_bit(k: int, most: int) -> None:
    """Of any counts, also where one pixel or none of a class is there."""
    rng = np.random.default_rng(k)
    counts = rng.integers(0, most + 1, size=(200, k, k)) * (rng.random((200, k, k)) < rng.random((200, 1, 1)))
    counts[0] = 0
    hits = counts.diagonal(axis1=1, axis2=2)
    found = bootstrap.mious(np.concatenate([hits, counts.sum(1) + counts.sum(2) - hits], axis=1).astype(float))
    assert found.tolist() == [value for one in counts if (value := miou(one)) is not None]


def test_the_defaults_are_a_thousand_resamples_at_95_percent() -> None:
    assert bootstrap_interval(images()) == bootstrap_interval(images(), miou, 1000, seed=0, level=0.95, groups=None)
    one = bootstrap_interval(images(), samples=1)
    assert (one.low, one.samples) == (one.high, 1)


def test_the_statistic_is_of_the_dataset() -> None:
    per_image = images()
    for statistic in (miou, scores.pixel_accuracy, scores.mean_dice):
        got = bootstrap_interval(per_image, statistic)
        point = statistic(per_image.sum(0))
        assert got.low is not None
        assert got.high is not None
        assert point is not None
        assert got.low < point < got.high


def test_levels_nest_and_equal_images_leave_no_doubt() -> None:
    wide, narrow = (bootstrap_interval(images(), level=level) for level in (0.99, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high  # type: ignore[operator]
    same = np.repeat(images(1), 9, axis=0)
    assert bootstrap_interval(same).low == bootstrap_interval(same).high == miou(same.sum(0))


def test_groups_are_drawn_whole() -> None:
    drives = images(8)
    frames = np.repeat(drives, 10, axis=0)  # ten equal frames of each drive are no more evidence than one
    ids = [f"drive {i // 10}" for i in range(80)]
    blocks, single = bootstrap_interval(frames, groups=ids), bootstrap_interval(frames)
    assert (blocks.n, single.n) == (8, 80)
    assert blocks == bootstrap_interval(10 * drives)
    assert blocks.high - blocks.low > 2 * (single.high - single.low)  # type: ignore[operator]
    mixed = np.random.default_rng(0).permutation(80)[::-1]
    assert bootstrap_interval(frames[mixed], groups=[ids[i] for i in mixed]).n == 8


def test_too_few_to_resample() -> None:
    nothing = Interval(low=None, high=None, level=0.95, n=1, samples=0)
    assert bootstrap_interval(images(1)) == nothing
    assert bootstrap_interval(images(5), groups=["one drive"] * 5) == nothing
    assert bootstrap_interval(np.zeros((0, 4, 4), dtype=np.int64)).n == 0
    void = bootstrap_interval(np.zeros((5, 4, 4), dtype=np.int64))
    assert (void.low, void.high, void.samples) == (None, None, 0)


def test_resamples_without_a_score_are_left_out_and_said() -> None:
    sparse = np.zeros((3, 2, 2), dtype=np.int64)
    sparse[0] = [[5, 1], [1, 5]]
    got = bootstrap_interval(sparse, samples=500)
    assert got.low == got.high == miou(sparse[0])
    assert 0.55 < got.samples / 500 < 0.85  # 1 - (2/3)**3 = 0.70


@pytest.mark.parametrize(
    ("per_image", "options"),
    [
        (np.eye(3, dtype=np.int64), {}),
        (np.ones((2, 3, 4), dtype=np.int64), {}),
        (np.ones((2, 3, 3)), {}),
        (-np.ones((2, 3, 3), dtype=np.int64), {}),
        (np.ones((2, 3, 3), dtype=np.int64), {"level": 95.0}),
        (np.ones((2, 3, 3), dtype=np.int64), {"level": 0.0}),
        (np.ones((2, 3, 3), dtype=np.int64), {"level": 1.0}),
        (np.ones((2, 3, 3), dtype=np.int64), {"samples": 0}),
        (np.ones((2, 3, 3), dtype=np.int64), {"groups": ["a"]}),
    ],
    ids=[
        "summed",
        "not square",
        "floats",
        "negative",
        "level in percent",
        "level 0",
        "level 1",
        "no samples",
        "groups short",
    ],
)
def test_bad_arguments_are_refused(per_image: np.ndarray, options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|groups"):
        bootstrap_interval(per_image, **options)  # type: ignore[arg-type]


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """120 splits of 40 images from one world: 95 % intervals hold its accuracy nearly that often.

    The control counts pixels as if they were independent and is far too sure of itself.
    """
    world = images(20_000, k=3, seed=9)
    truth = scores.pixel_accuracy(world.sum(0))
    assert truth is not None
    held, naive = 0, 0
    for seed in range(120):
        split = np.random.default_rng(seed).choice(world, 40)
        got = bootstrap_interval(split, scores.pixel_accuracy, samples=200, seed=seed)
        point = scores.pixel_accuracy(split.sum(0))
        assert got.low is not None
        assert got.high is not None
        assert point is not None
        held += got.low <= truth <= got.high
        naive += abs(point - truth) <= 1.96 * np.sqrt(point * (1 - point) / split.sum())
    assert held / 120 >= 0.88
    assert naive / 120 < 0.6
