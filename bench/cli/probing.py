"""The runs of a sweep -> a table of what they will take here, from a few steps of each distinct cell."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.console import is_live, print_table, say
from bench.spec import counted

if TYPE_CHECKING:
    from bench.run.probe import Probe
    from bench.spec import PlannedRun, Sweep
    from bench.store import Store


def probed(
    sweep: Sweep, runs: Sequence[PlannedRun], device: str, store: Store, data_root: Path | None
) -> list[tuple[list[PlannedRun], Probe]]:
    """The runs of each distinct cell, and what one of them will take."""
    from bench.run.place import Place, pick_device
    from bench.run.probe import probe_all

    place = Place(store=store, sweep=sweep.name, device=pick_device(device), data_root=data_root)

    def tell(done: int, total: int) -> None:
        if is_live(sys.stderr) or done == 0:
            say(f"timing a few steps of cell {done + 1} of {total}", sys.stderr)

    found = probe_all([run.config for run in runs], place, tell)
    return [([runs[i] for i in group], probe) for group, probe in found]


def print_probes(found: list[tuple[list[PlannedRun], Probe]]) -> None:
    """A row for each cell, and the sum."""
    rows = []
    for group, probe in found:
        if probe.run_s is None:
            rows.append((group[0].name, str(len(group)), "", "", "", probe.fault))
            continue
        memory = "" if probe.memory_bytes is None else f"{probe.memory_bytes / 2**30:.2f}"
        times = (f"{1e3 * probe.step_s:.1f}", f"{probe.run_s / 60:.1f}")
        rows.append((group[0].name, str(len(group)), *times, memory, ""))
    print_table(("cell", "runs", "ms / step", "minutes / run", "peak GiB", ""), rows, right=(1, 2, 3, 4))
    hours = sum(len(group) * (probe.run_s or 0) for group, probe in found) / 3600
    unfit = sum(bool(probe.fault) for _, probe in found)
    print(
        f"about {hours:.2f} hours one after the other"
        + (f"; without a time: {counted(unfit, 'cell')}" if unfit else "")
    )


def plain(found: list[tuple[list[PlannedRun], Probe]]) -> list[dict[str, Any]]:
    """The same for --json."""
    return [
        {
            "run_ids": [run.run_id for run in group],
            "step_s": probe.step_s,
            "run_s": probe.run_s,
            "memory_bytes": probe.memory_bytes,
            "fault": probe.fault or None,
        }
        for group, probe in found
    ]
