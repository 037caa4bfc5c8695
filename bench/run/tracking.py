"""Events of runs -> their trackers: JSON lines at once, all others in a thread each, so that no run waits for them."""

from __future__ import annotations

import queue
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from bench import names
from bench.run.events import Phase, Reached, Taken
from bench.spec import BenchError, Component, Evaluation, ExitCode, Failure, PlannedRun, RunRecord
from bench.store import Store
from bench.trackers.tracker import About, Start, Tracker

ALWAYS = Component(name="jsonl")

CLOSE_S = 60.0
"""How long the trackers have, once nothing more comes, for what they have not told yet."""


@dataclass
class Line:
    """One tracker over all runs of a sweep.  What it raises becomes a problem, and it hears no more of that try."""

    name: str
    start: Start
    problems: queue.SimpleQueue[str]
    tries: dict[str, Tracker | None] = field(default_factory=dict)

    def tell(self, about: About, event: Any) -> None:
        """Pass an event on; the first of a try starts a tracker for it."""
        run_id = about.run.run_id
        try:
            if run_id not in self.tries:
                self.tries[run_id] = None  # for the case that it cannot start
                self.tries[run_id] = self.start(about)
            if tracker := self.tries[run_id]:
                _tell(tracker, about, event)
        except (Exception, SystemExit) as fault:
            self.tries[run_id] = None
            self.problems.put(f"{self.name} tells no more of {about.run.name}: {type(fault).__name__}: {fault}")
        if isinstance(event, (RunRecord, Failure)):
            del self.tries[run_id]


def _tell(tracker: Tracker, about: About, event: Any) -> None:
    if isinstance(event, Reached):
        tracker.progress(event.step, event.losses, about.rates(event.lr))
    elif isinstance(event, Evaluation):
        tracker.evaluation(event)
    elif isinstance(event, (RunRecord, Failure)):
        picture = about.folder / "panels.png"
        if isinstance(event, RunRecord) and picture.is_file():
            tracker.picture(picture)
        tracker.ended(event)


class Aside(threading.Thread):
    """A line in a thread of its own.  A tracker that hangs is left behind at the end."""

    def __init__(self, line: Line) -> None:
        super().__init__(name=f"tracker {line.name}", daemon=True)
        self.line = line
        self.todo: queue.SimpleQueue[tuple[About, Any] | None] = queue.SimpleQueue()

    def run(self) -> None:
        while told := self.todo.get():
            self.line.tell(*told)


class Tracking:
    """The trackers of a sweep: `chosen` and JSON lines.

    Raises BenchError for one that does not exist or (code ENVIRONMENT) cannot be loaded.
    """

    def __init__(self, chosen: Sequence[Component], store: Store, sweep: str) -> None:
        self.store, self.sweep = store, sweep
        self.problems: queue.SimpleQueue[str] = queue.SimpleQueue()
        lines = [Line(one.name, _built(one), self.problems) for one in chosen if one.name != ALWAYS.name]
        self.first = Line(ALWAYS.name, _built(ALWAYS), self.problems)
        self.others = [Aside(line) for line in lines]
        self.tries: dict[str, About] = {}
        for one in self.others:
            one.start()

    def event(self, run: PlannedRun, event: Any) -> None:
        """Take in what a run tells.  A try counts from where it begins to train."""
        if isinstance(event, Phase) and event.steps is not None and run.run_id not in self.tries:
            self.tries[run.run_id] = self._about(run, event.steps, event.stages)
        about = self.tries.get(run.run_id)
        if about is not None and not isinstance(event, Taken):
            self.first.tell(about, event)
            for one in self.others:
                one.todo.put((about, event))
        if isinstance(event, (RunRecord, Failure)):
            self.tries.pop(run.run_id, None)
        self._warn()

    def _about(self, run: PlannedRun, steps: int, stages: dict[str, float]) -> About:
        classes = names.dataset_info(run.config.dataset).class_names
        attempt = self.store.attempts(run.run_id) + 1
        return About(run, self.sweep, self.store.run_folder(run.run_id), steps, attempt, classes, stages)

    def _warn(self) -> None:
        """In the thread that shows things."""
        while not self.problems.empty():
            warnings.warn(self.problems.get(), stacklevel=3)

    def close(self) -> None:
        """Wait for what has not been told yet."""
        for one in self.others:
            one.todo.put(None)
        for one in self.others:
            one.join(CLOSE_S)
            if one.is_alive():
                self.problems.put(f"{one.line.name} is still busy after {CLOSE_S:g} s; what it has not told is lost")
        self._warn()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if kind is not KeyboardInterrupt:  # Ctrl-C twice stops at once
            self.close()


def _built(component: Component) -> Start:
    try:
        start: Start = names.build("tracker", component)
        return start
    except ImportError as fault:  # of a plug-in; ours say what to install
        key = f"--tracker {component.name}"
        raise BenchError(str(fault), remedy="install it", key=key, code=ExitCode.ENVIRONMENT) from None
