"""Multiply-adds of training: exact for a network by hand, every pass of a method in it, stages found by halving."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from bench.run import macs
from bench.run.macs import added_up, training_macs
from bench.spec import PlannedRun

Make = Callable[..., PlannedRun]
WIDTH, CLASSES, PIXELS = 8, 7, 32 * 32


@pytest.fixture
def planned(planned: Make, four_convs: str) -> Make:
    return lambda **changes: planned(**{"model": four_convs, "target": "rural", **changes})


def forward_by_hand() -> int:
    """Four convolutions at half of 64 x 64."""
    return PIXELS * (WIDTH * 3 * 9 + 2 * WIDTH * WIDTH * 9 + CLASSES * WIDTH)


def test_backward_is_twice_a_forward_without_the_gradient_of_the_images(planned: Make) -> None:
    first = PIXELS * WIDTH * 3 * 9
    step = 2 * (3 * forward_by_hand() - first)
    assert training_macs(planned(batch_size=2).config, (64, 64), 5) == 5 * step
    assert training_macs(planned(batch_size=2).config, (64, 64), 5) != 5 * 2 * 3 * forward_by_hand()  # control


@pytest.mark.parametrize(
    ("method", "forwards", "backwards"),
    [("source_only", 1, 1), ("oracle", 1, 1), ("minent", 2, 2), ("dacs", 3, 2), ("mic", 4, 3)],
)
def test_each_pass_of_a_method_counts(planned: Make, method: str, forwards: int, backwards: int) -> None:
    found = training_macs(planned(method=method, batch_size=1).config, (64, 64), 1)
    backward = 2 * forward_by_hand() - PIXELS * WIDTH * 3 * 9
    assert found == forwards * forward_by_hand() + backwards * backward


def test_what_cannot_be_rehearsed_has_no_figure(planned: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(macs, "step", lambda *_: torch.zeros(1, device="meta").item())
    assert training_macs(planned().config, (64, 64), 3) is None


@pytest.mark.parametrize("switch", [0, 1, 57, 99, 100])
def test_a_stage_that_begins_in_between_is_found(switch: int) -> None:
    asked: list[int] = []

    def of_step(number: int) -> int:
        asked.append(number)
        return 10 if number < switch else 25

    assert added_up(of_step, 100) == switch * 10 + (100 - switch) * 25
    assert len(asked) <= 10
    assert added_up(of_step, 1) == (10 if switch else 25)
