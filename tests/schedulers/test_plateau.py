"""`plateau` lowers the rate at the evaluations at which torch's own does, and knows nothing but the scores so far."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.schedulers.plateau import Plateau, plateau

examples = settings(derandomize=True, deadline=None, max_examples=150)


def torchs(scores: list[float], factor: float, patience: int, floor: float, min_gain: float) -> list[float]:
    """The rates of ReduceLROnPlateau after each score."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, "max", factor, patience, threshold=min_gain, threshold_mode="abs", min_lr=floor, eps=0.0
    )
    rates = []
    for score in scores:
        schedule.step(score)
        rates.append(float(optimizer.param_groups[0]["lr"]))
    return rates


def ours(scores: list[float], *options: float) -> list[float]:
    shape = Plateau(*options)  # type: ignore[arg-type]
    return [shape.after(scores[: n + 1]) for n in range(len(scores))]


@given(
    st.lists(st.integers(0, 20).map(lambda n: n / 20), max_size=30),
    st.sampled_from([0.1, 0.5]),
    st.integers(0, 4),
    st.sampled_from([0.0, 0.2]),
    st.sampled_from([0.0, 0.1, 0.025]),
)
@examples
def test_it_is_torch_s(scores: list[float], factor: float, patience: int, floor: float, min_gain: float) -> None:
    options = (factor, patience, floor, min_gain)
    assert ours(scores, *options) == torchs(scores, *options)


def test_one_evaluation_more_or_less_of_patience_is_told_apart() -> None:
    scores = [0.5, 0.4, 0.4, 0.4, 0.4]
    assert ours(scores, 0.1, 2, 0.0, 0.0) == [1, 1, 1, 0.1, 0.1] == torchs(scores, 0.1, 2, 0.0, 0.0)
    assert ours(scores, 0.1, 3, 0.0, 0.0) != torchs(scores, 0.1, 2, 0.0, 0.0)


def test_no_scores_is_one_and_an_evaluation_without_a_score_is_no_rise() -> None:
    shape = plateau(patience=1, factor=0.5)
    assert isinstance(shape, Plateau)
    assert shape.after([]) == shape(0.7) == 1.0
    assert [shape.after([0.3, None, None][:n]) for n in (1, 2, 3)] == [1.0, 1.0, 0.5]


@given(st.lists(st.floats(0, 1), max_size=40))
@examples
def test_it_only_falls_and_never_below_its_floor(scores: list[float]) -> None:
    rates = ours(scores, 0.3, 1, 0.01, 0.0)
    assert all(late <= early for early, late in pairwise(rates))
    assert all(rate >= 0.01 for rate in rates)
    with pytest.raises(AssertionError):
        assert all(rate >= 0.01 for rate in ours([0.5] * 30, 0.3, 1, 0.0, 0.0))
