"""Planned runs -> their events, each run in a process of its own: whatever it dies of, the others go on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from bench.executors import tries_again
from bench.executors.child import Child, Loss
from bench.executors.log import Log
from bench.spec import Failure, PlannedRun

CLOSE_S = 2.0
"""How long a nursery has to end its children; one that is still loading has none and is killed."""


class Home(Protocol):
    """What a run in another process needs of the one that started it; see `bench.run.apart`."""

    def request(self, run: PlannedRun, number: int) -> bytes:
        """What the child is to do."""

    def read(self, told: dict[str, Any]) -> Any:
        """An event that the child told, or None where there is nothing to pass on.  Raises what the child raised."""

    def ends(self, event: Any) -> bool:
        """Whether `event` is a run's last."""

    def log_file(self, run: PlannedRun) -> Path:
        """Where what the child prints is kept."""

    def lost(self, run: PlannedRun, number: int, loss: Loss) -> Any:
        """The last event of a run whose process is gone: what it has left in the store, or a stored Failure."""


def process(
    runs: Sequence[PlannedRun],
    nursery: Nursery,
    home: Home,
    *,
    stop: Callable[[], bool] = lambda: False,
    stop_at_failure: bool = False,
    retries: int = 0,
    step_timeout_s: float = 600.0,
) -> Generator[tuple[PlannedRun, Any], None, None]:
    """Run one after the other, each in a child of `nursery`; yields and stops as `inline` does.

    Once `stop()` is true the run under way is asked to save and end.  One that is silent for `step_timeout_s` is ended
    with all that it started.  Closing this generator ends the child at once.
    """
    for run in runs:
        number, again, event = 0, True, None
        while again:
            if stop():
                return
            number += 1
            for event in _one(run, number, nursery, home, stop, step_timeout_s):
                yield run, event
            again = tries_again(event, number, retries)
        if isinstance(event, Failure) and (stop_at_failure or event.state == "interrupted"):
            return


def _one(
    run: PlannedRun, number: int, nursery: Nursery, home: Home, stop: Callable[[], bool], timeout_s: float
) -> Iterator[Any]:
    """One try of a run: its events and, unless it was stopped before its process was there, a last one."""
    with Log(home.log_file(run), anew=number == 1) as log, nursery.child(home.request(run, number), log) as child:
        event = None
        for told in child.events(stop, timeout_s):
            event = home.read(told)
            if event is not None:
                yield event
        if child.abandoned:
            nursery.close()  # the next child finds another
        if child.loss and not home.ends(event):
            log.write(f"-- {child.loss.reason}\n".encode())
            yield home.lost(run, number, child.loss)


class Nursery:
    """The process that children come from; it is there from the first `start` to the end of the block."""

    def __init__(self, work: str, *loads: str) -> None:
        self.words = (work, *loads)
        self.own: subprocess.Popen[bytes] | None = None
        self.line: socket.socket | None = None

    def start(self) -> None:
        """Begin to load, unless that has happened; a nursery that has died is replaced."""
        if self.own is not None and self.own.poll() is None:
            return
        self.close()
        self.line, theirs = socket.socketpair()
        with theirs:
            self.own = self.launch(theirs)

    def launch(self, line: socket.socket) -> subprocess.Popen[bytes]:
        """A nursery that listens at the other end of `line`."""
        return subprocess.Popen(
            [sys.executable, "-P", *_flags(), "-m", "bench.executors.nursery", *self.words],
            stdin=line.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("BENCH_DEBUG") == "1" else subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folder or os.getcwd() for folder in sys.path)},
            start_new_session=True,
        )

    def child(self, request: bytes, log: Log) -> Child:
        """A new process that works on `request`."""
        pipes = [os.pipe() for _ in range(4)]
        (asked, ask), (events, told), (printed, prints), (fate, tells) = pipes
        try:
            self._send([asked, told, prints, tells])
        except OSError:
            self.close()  # it has died since the last child
            self._send([asked, told, prints, tells])
        finally:
            for file in (asked, told, prints, tells):
                os.close(file)
        return Child(request, ask, events, printed, fate, log)

    def _send(self, files: list[int]) -> None:
        self.start()
        assert self.line is not None
        socket.send_fds(self.line, [b"+"], files)

    def close(self) -> None:
        """End the nursery, and with it all children."""
        if self.line is not None:
            self.line.close()
        if self.own is not None:
            try:
                self.own.wait(CLOSE_S)
            except subprocess.TimeoutExpired:
                self.own.kill()
                self.own.wait()
        self.line = self.own = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _flags() -> list[str]:
    return [word for option in sys.warnoptions for word in ("-W", option)]
