"""The journal: every step once, thin curves, ties to the first, and through a checkpoint unchanged."""

from __future__ import annotations

import itertools
import math

import pytest

from bench.journal import POINTS, Journal
from bench.spec import Evaluation
from bench.train import Progress


def told(journal: Journal, first: int, values: list[float]) -> int | None:
    progress = Progress(first + len(values), {"segmentation": tuple(values)}, 1.0)
    return journal.note(progress, [0.1 * (first + i) for i in range(len(values))])


def test_short_runs_keep_every_step() -> None:
    journal = Journal()
    assert told(journal, 0, [3.0, 2.0]) is None
    assert told(journal, 2, [1.0]) is None
    history = journal.history()
    assert (history.steps, history.losses, history.lr) == ((1, 2, 3), {"segmentation": (3, 2, 1)}, (0.0, 0.1, 0.2))


@pytest.mark.parametrize("steps", [1, POINTS, POINTS + 1, 2 * POINTS + 3, 7 * POINTS])
def test_long_curves_are_means_over_the_steps_between_points(steps: int) -> None:
    journal = Journal()
    told(journal, 0, [float(i) for i in range(steps)])
    history = journal.history()
    assert len(history.steps) <= POINTS
    assert history.steps[-1] == steps
    edges = [0, *history.steps]
    expected = [(a + b - 1) / 2 for a, b in itertools.pairwise(edges)]
    assert history.losses["segmentation"] == pytest.approx(expected, rel=1e-5)


def test_the_first_bad_step_is_named() -> None:
    journal = Journal()
    told(journal, 0, [1.0, 1.0])
    assert told(journal, 2, [1.0, math.nan, math.inf]) == 4
    assert journal.history().losses["segmentation"][-1] is None


@pytest.mark.parametrize(
    "scores", [(0.1, 0.3, 0.3, 0.2), (math.nan, 0.1, 0.3, None, 0.3), (0.3,), (None, 0.3, math.nan)]
)
def test_the_best_is_the_first_of_the_highest(scores: tuple[float | None, ...]) -> None:
    journal = Journal()
    for step, score in enumerate(scores):
        journal.better(score, step)
    assert journal.best == (0.3, scores.index(0.3))


def test_no_score_is_never_the_best() -> None:
    journal = Journal()
    assert not journal.better(None, 1)
    assert not journal.better(math.nan, 2)
    assert journal.best is None


def test_it_goes_through_a_checkpoint() -> None:
    journal = Journal()
    told(journal, 0, [3.0, 2.0])
    journal.better(0.4, 2)
    journal.evaluations.append(Evaluation(step=2, split="val", confusion={"d/a": ((1, 0), (0, 1))}))
    journal.seconds["train"] = 3.0
    other = Journal()
    other.seconds["prepare"] = 2.0  # spent before the checkpoint was found
    other.restore(journal.state(), 2)
    assert (other.seconds["train"], other.seconds["prepare"]) == (3.0, 2.0)
    assert (other.history(), other.best, other.evaluations) == (journal.history(), (0.4, 2), journal.evaluations)
    assert other.resumed_at == [2]


def test_time_is_added_up_also_when_the_block_fails() -> None:
    journal = Journal()
    with pytest.raises(ZeroDivisionError), journal.timed("train"):
        1 / 0  # noqa: B018
    assert journal.seconds["train"] > 0
