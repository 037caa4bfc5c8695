"""A configuration -> the multiply-adds of all its training steps, forward and backward, counted on nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch.utils.flop_counter import FlopCounterMode

from bench.groups.freezing import thaw
from bench.run.rehearsal import on_nothing, step
from bench.spec import RunConfig, Size
from bench.store import Store


def training_macs(
    config: RunConfig, size: Size, steps: int, made: int | None = None, store: Store | None = None
) -> int | None:
    """Multiply-adds of convolutions and matrix products in the updates on crops of `size`: `made` of `steps`, or all.

    Runs that it learns from are in `store`.  None where a step cannot be made on tensors without memory.

    Every forward and backward pass of every network counts as it is: the first layer has no gradient of its input, a
    teacher no backward pass, a stage that rests no gradient of its weights.  What a method does between updates or when
    it is scored (passes over the whole target) is left out.  A method that changes its ways in the course of a run, or
    a stage that begins to learn, is counted before and after.
    """
    try:
        parts, batch = on_nothing(config, size, images=config.batch_size, steps=steps, store=store)
        parts.model.autocast_dtype = None  # counts do not depend on precision

        def of_step(number: int) -> int:
            thaw(parts.model, number / steps)
            with FlopCounterMode(display=False) as counter:
                step(parts, replace(batch, step=number))
            return int(counter.get_total_flops()) // 2

        return added_up(of_step, made or steps) * config.accumulate
    except Exception:  # a count is no reason to fail: whatever cannot be rehearsed has no figure
        return None


def added_up(of_step: Callable[[int], int], steps: int) -> int:
    """The sum of `of_step(0)` .. `of_step(steps - 1)`, asked for few of them.

    Between two steps that are alike all are taken to be; where they differ, the middle is looked at.
    """
    first = of_step(0)
    if steps == 1:
        return first
    return first + _after(of_step, 0, first, steps - 1, of_step(steps - 1))


def _after(of_step: Callable[[int], int], low: int, at_low: int, high: int, at_high: int) -> int:
    """The sum over `low` + 1 .. `high`."""
    if at_low == at_high or high - low == 1:
        return (high - low) * at_high
    middle = (low + high) // 2
    at_middle = of_step(middle)
    return _after(of_step, low, at_low, middle, at_middle) + _after(of_step, middle, at_middle, high, at_high)
