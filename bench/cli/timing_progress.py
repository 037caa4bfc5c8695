"""Events of a measurement -> what people watch on stderr: a bar in a terminal, a line now and then in a pipe."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bench.cli.console import harmless, is_live, make_console, say
from bench.cli.progress import QUIET_S, duration
from bench.spec import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from bench.run.latency import Asked, Beat, Event

START_S, ENERGY_S = 8.0, 30.0
"""What a fresh process takes before it times anything, and the energy of a workload."""


def at_most_s(asked: Asked) -> float:
    """Upper bound of how long a measurement takes, as long as no workload needs more than its cap."""
    from bench.cost.stopping import CPU_LIMITS, GPU_LIMITS

    usual = GPU_LIMITS if asked.device.startswith("cuda") else CPU_LIMITS
    energy_s = ENERGY_S if asked.energy and asked.device.startswith("cuda") else 0.0
    each = len(asked.workloads) * ((asked.budget_s or usual.cap_s) + energy_s) + START_S
    return asked.repeats * each + (asked.repeats - 1) * asked.pause_s


class TimingLines:
    """For pipes and logs: a line for each process, and every QUIET_S in between."""

    def __init__(self, asked: Asked) -> None:
        self.asked, self.said = asked, 0.0

    def __enter__(self) -> Self:
        networks, processes = len(self.asked.workloads), self.asked.repeats
        what = f"timing {networks} workload{'s' * (networks > 1)} in {processes} fresh process{'es' * (processes > 1)}"
        self.say(f"{what} on {self.asked.device}, at most about {duration(at_most_s(self.asked))}")
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        return

    def say(self, text: str) -> None:
        self.said = time.monotonic()
        say(text, sys.stderr)

    def event(self, event: Event) -> None:
        from bench.run.latency import Beat, Finished

        place = f"process {event.repeat}/{self.asked.repeats}"
        if isinstance(event, Beat):
            self.beat(event, place)
            return
        if isinstance(event, Finished):
            failed = [t for t in event.record.timings if t.failed]
            for reason in dict.fromkeys(t.failed for t in failed):
                models = ", ".join(dict.fromkeys(t.workload.model.name for t in failed if t.failed == reason))
                self.say(f"{place}: {models}: {printable(str(reason), 200)}")
            if len(failed) < len(event.record.timings):
                self.say(f"{place}: stored")
        else:
            self.say(f"{place}: died before it began: {printable(event.reason, 200)}")

    def beat(self, event: Beat, place: str) -> None:
        if time.monotonic() - self.said > QUIET_S:
            self.say(f"{place}: {event.fraction:.0%}, {event.what}")


class TimingBar(TimingLines):
    """For terminals: one bar over all processes, with an estimate of the time left."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self.bars: Bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=make_console(sys.stderr),
            transient=True,
            speed_estimate_period=600.0,
        )
        self.task: TaskID = self.bars.add_task("timing", total=asked.repeats, note="")

    def __enter__(self) -> Self:
        super().__enter__()
        self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.bars.stop()

    def say(self, text: str) -> None:
        self.bars.console.print(harmless(text), markup=False)

    def event(self, event: Event) -> None:
        super().event(event)
        self.bars.update(self.task, completed=event.repeat - 1 + getattr(event, "fraction", 1.0))

    def beat(self, event: Beat, place: str) -> None:
        self.bars.update(self.task, note=f"{place}: {event.what}")


def timing_display(asked: Asked) -> TimingLines:
    """The display that fits stderr."""
    return TimingBar(asked) if is_live(sys.stderr) else TimingLines(asked)
