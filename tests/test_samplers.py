"""Samplers: how often each class and image comes, and that nothing but the pass decides it."""

from __future__ import annotations

import numpy as np
import pytest

from bench import names
from bench.samplers.class_balanced import class_balanced
from bench.samplers.rare_class import rare_class
from bench.samplers.shown import class_first
from bench.samplers.uniform import uniform
from bench.spec import BenchError, Component, ExitCode

COUNTS = np.array(
    [
        [9000, 1000, 0, 0],  # class 2 is in images 1 and 3 alone, class 3 in none
        [5000, 0, 4000, 0],
        [8000, 2000, 0, 0],
        [9900, 0, 10, 0],
        [0, 0, 0, 0],  # nothing but void
    ]
)


def passes(sampler: object, n: int = 4000) -> np.ndarray:
    return np.stack([sampler(np.random.default_rng(seed)) for seed in range(n // 5)])  # type: ignore[operator]


def shares(drawn: np.ndarray) -> np.ndarray:
    return np.bincount(drawn.ravel(), minlength=5) / drawn.size


def test_uniform_shows_every_image_once_a_pass() -> None:
    drawn = passes(uniform(COUNTS), 100)
    assert all(sorted(one) == [0, 1, 2, 3, 4] for one in drawn.tolist())
    assert len(set(map(tuple, drawn.tolist()))) > 1
    assert drawn[3].tolist() == np.random.default_rng(3).permutation(5).tolist()  # the order that runs have always had


@pytest.mark.parametrize("name", ["class_balanced", "rare_class", "uniform"])
def test_a_pass_depends_on_its_generator_alone(name: str) -> None:
    one, other = (names.build("sampler", Component(name=name), COUNTS) for _ in range(2))
    other(np.random.default_rng(1))
    np.random.seed(5)
    first, again = one(np.random.default_rng(7)), other(np.random.default_rng(7))
    assert first.dtype == np.int64
    assert first.tolist() == again.tolist()
    assert any(one(np.random.default_rng(seed)).tolist() != first.tolist() for seed in range(20))


def test_every_class_is_drawn_equally_often() -> None:
    """A third each for classes 0, 1 and 2; images 0 to 3 show them in 4, 2 and 2 images."""
    want = [1 / 12 + 1 / 6, 1 / 12 + 1 / 6, 1 / 12 + 1 / 6, 1 / 12 + 1 / 6, 0]
    assert shares(passes(class_balanced(COUNTS))) == pytest.approx(want, abs=0.03)
    assert shares(passes(uniform(COUNTS))) != pytest.approx(want, abs=0.03)


def test_an_image_needs_more_than_min_pixels_of_the_class() -> None:
    drawn = shares(passes(class_balanced(COUNTS, min_pixels=10)))
    assert drawn[3] == pytest.approx(1 / 12, abs=0.02)  # for class 0 alone
    assert shares(passes(class_balanced(COUNTS, min_pixels=9)))[3] == pytest.approx(1 / 4, abs=0.03)


def test_a_class_hardly_shown_is_looked_for_wherever_it_is() -> None:
    drawn = shares(passes(class_balanced(COUNTS, min_pixels=8500)))
    assert drawn[1] == pytest.approx(1 / 6, abs=0.03)  # half of class 2, none of class 0
    assert drawn[4] == 0


@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0])
def test_rare_classes_come_by_softmax_of_their_rareness(temperature: float) -> None:
    part = COUNTS.sum(0)[:3] / COUNTS.sum()
    chances = np.exp((1 - part) / temperature)
    chances /= chances.sum()
    want = np.zeros(5)
    for k in range(3):
        shows = COUNTS[:, k] > 0
        want += chances[k] * shows / shows.sum()
    drawn = shares(passes(rare_class(COUNTS, temperature=temperature, min_pixels=0)))
    assert drawn == pytest.approx(want, abs=0.03)
    common = np.exp(part / temperature) / np.exp(part / temperature).sum()
    assert common != pytest.approx(chances, abs=0.03)  # the fault of a lost minus would show


def test_a_tiny_temperature_overflows_nothing() -> None:
    with np.errstate(all="raise", under="ignore"):
        drawn = passes(rare_class(COUNTS, temperature=1e-6), 200)
    assert set(drawn.ravel()) == {0, 2}  # class 1 is the rarest that is shown


def test_a_draw_at_the_very_end_belongs_to_a_class() -> None:
    class Last:
        def random(self, shape: tuple[int, ...]) -> np.ndarray:
            return np.full(shape, np.nextafter(1.0, 0.0))

    drawn = class_first(COUNTS, np.full(4, 0.1), 0)(Last())  # type: ignore[arg-type]
    assert drawn.tolist() == [3] * 5


def test_what_cannot_work_is_told() -> None:
    with pytest.raises(BenchError, match="no image of the source shows any class") as caught:
        class_balanced(np.zeros((3, 4), np.int64))
    assert caught.value.code is ExitCode.DATA
    with pytest.raises(BenchError, match=r"sampler\.temperature: 0 is out of range"):
        rare_class(COUNTS, temperature=0)
    for build in (class_balanced, rare_class):
        with pytest.raises(BenchError, match=r"sampler\.min_pixels: -1 is out of range"):
            build(COUNTS, min_pixels=-1)
