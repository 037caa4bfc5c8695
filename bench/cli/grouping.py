"""Runs -> tables of their parameter groups: rate, weight decay, and from when on each stage learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from bench.cli.console import print_table, say
from bench.cli.sweeping import print_json
from bench.spec import counted

if TYPE_CHECKING:
    from bench.run.grouping import Group
    from bench.spec import RunConfig


def tell_groups(runs: Sequence[tuple[str, RunConfig]], as_json: bool) -> None:
    """Print a table for each distinct recipe among `runs` (name, configuration), or one JSON document."""
    from bench.run.grouping import groupings

    found = groupings([config for _, config in runs])
    if as_json:
        print_json(
            {
                "recipes": [
                    {
                        "runs": [runs[i][0] for i in one.positions],
                        "first_factor": one.first_factor,
                        "groups": [asdict(group) for group in one.groups],
                    }
                    for one in found
                ]
            }
        )
        return
    for number, one in enumerate(found):
        name, config = runs[one.positions[0]]
        more = len(one.positions) - 1
        say(("\n" if number else "") + name + (f" and {more} more" if more else ""))
        header = ("stage", "parameters", "rate", "weight decay", "learns")
        print_table(header, [_row(group) for group in one.groups], right=(1, 2, 3))
        warm = f", warm-up of {counted(config.warmup_steps, 'step')}" if config.warmup_steps else ""
        say(f"schedule {config.scheduler.name}{warm}: the first update takes {one.first_factor:.3g} of these rates")


def _row(group: Group) -> tuple[str, ...]:
    rate = "" if group.lr is None else f"{group.lr:.3g}"
    decay = "" if group.weight_decay is None else f"{group.weight_decay:g}"
    return group.stage, f"{group.parameters:,}", rate, decay, _learns(group.until)


def _learns(until: float | None) -> str:
    if until is None:
        return "never (frozen)"
    return f"after {100 * until:.3g} % of the run" if until else "from the start"
