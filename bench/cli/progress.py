"""Events of runs -> what people watch on stderr: bars in a terminal, a line now and then in a pipe."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bench.cli.console import harmless, is_live, make_console, say
from bench.spec import Domain, Evaluation, Failure, PlannedRun, RunRecord, printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

QUIET_S = 30.0
"""Without a terminal, a run under way is heard of at most this often."""


def outcome(event: RunRecord | Failure) -> str:
    """One line on how a run ended."""
    if isinstance(event, Failure):
        return f"{event.state}: {printable(event.reason, 200)}"
    from bench.scores import miou

    scores = {Domain.parse(domain).name: miou(counts) for domain, counts in event.confusion.items()}
    text = ", ".join(f"{d} {'n/a' if s is None else f'{100 * s:.2f}'}" for d, s in scores.items())
    return f"mIoU (%) {text}; {duration(event.seconds['total'])}"


def duration(seconds: float) -> str:
    """`12 s`, `3 min 05 s`, `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


class Lines:
    """For pipes and logs: a line when a run starts, when it ends, and every QUIET_S in between."""

    def __init__(self, total: int) -> None:
        self.total, self.current, self.said, self.steps = total, "", 0.0, 0
        self.numbers: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        return

    def say(self, text: str) -> None:
        self.said = time.monotonic()
        say(text, sys.stderr)

    def event(self, run: PlannedRun, event: Any) -> None:
        """Take in what a run tells; a further try of the same run begins with its name again."""
        self.number = self.numbers.setdefault(run.run_id, len(self.numbers) + 1)
        head = f"[{self.number}/{self.total}] {run.name}"
        if isinstance(event, (RunRecord, Failure)):
            self.current = ""
            self.say(f"{head}: {outcome(event)}")
            self.ended()
        elif hasattr(event, "done"):
            self.current = ""
            self.say(f"{head}: another sweep {'has run it' if event.done else 'is running it'}")
        else:
            if run.run_id != self.current:
                self.current, self.steps = run.run_id, 0
                self.begin(run, head)
            if getattr(event, "telling", False):
                self.say(f"{head}: {event.what}")
            elif not isinstance(event, Evaluation):
                self.told(event, head)

    def begin(self, run: PlannedRun, head: str) -> None:
        self.say(f"{head} ({run.run_id})")

    def told(self, event: Any, head: str) -> None:
        if hasattr(event, "what"):
            self.steps = event.steps or 0
        elif time.monotonic() - self.said > QUIET_S:
            self.say(f"{head}: step {event.step}/{self.steps}, {_losses(event)}")

    def ended(self) -> None:
        return


class Live(Lines):
    """For terminals: a bar over the sweep and one over the run, finished runs scrolling by above them."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self.bars: Bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=make_console(sys.stderr),
            transient=True,
        )
        self.all: TaskID = self.bars.add_task("runs", total=total, note="")
        self.one: TaskID = self.bars.add_task("", total=None, note="")

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.bars.stop()

    def say(self, text: str) -> None:
        self.bars.console.print(harmless(text), markup=False)

    def begin(self, run: PlannedRun, head: str) -> None:
        self.bars.reset(self.one, description=run.name, total=None, note="")

    def told(self, event: Any, head: str) -> None:
        if hasattr(event, "what"):
            self.bars.update(self.one, total=event.steps, note=event.what)
        else:
            self.bars.update(self.one, completed=event.step, note=_losses(event))

    def ended(self) -> None:
        self.bars.update(self.all, completed=self.number)


def _losses(event: Any) -> str:
    """`segmentation 1.234`: the mean of each loss since the last report."""
    told = {name: [v for v in values if v is not None] for name, values in event.losses.items()}
    return ", ".join(f"{name} {sum(values) / len(values):.3f}" for name, values in told.items() if values)


def display(total: int) -> Lines:
    """The display that fits stderr."""
    return Live(total) if is_live(sys.stderr) else Lines(total)
