"""The process of a run, seen from the sweep: its events as they come, and what it died of."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from bench.executors.log import Log, where
from bench.executors.nursery import DUMP, kill_group

GLANCE_S = 0.2
"""How often a wish to stop is looked for while a run is silent."""

AGAIN_S = 1.0
"""A wish to stop is told again after this long: the first may have come before the run listened."""

DUMP_S = 1.0
"""How long a run that hangs has to print its stacks."""

GONE_S = 5.0
"""How long a killed process is waited for; one that the kernel holds is left to it."""

KERNEL = Path("/proc/vmstat")


@dataclass(frozen=True)
class Loss:
    """What became of a run that could not say so itself."""

    state: Literal["died", "hung", "oom"]
    reason: str


class Child:
    """A process on its way: reads its events, its output and its fate; leaving the block ends it and all it started."""

    def __init__(self, request: bytes, ask: int, events: int, printed: int, fate: int, log: Log) -> None:
        self.log, self.files = log, {"events": events, "printed": printed, "fate": fate}
        self.pid: int | None = None
        self.loss: Loss | None = None
        self.abandoned = False
        self._code: int | str | None = None
        self._rest = {"events": b"", "fate": b""}
        self._waiting, self._kills = selectors.DefaultSelector(), _oom_kills()
        for name, file in self.files.items():
            os.set_blocking(file, False)
            self._waiting.register(file, selectors.EVENT_READ, name)
        with contextlib.suppress(BrokenPipeError), open(ask, "wb") as there:
            there.write(request)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if self.pid is not None and self._code is None:
            kill_group(self.pid)
        self._waiting.close()
        for file in self.files.values():
            os.close(file)

    def events(self, stop: Callable[[], bool], timeout_s: float) -> Iterator[dict[str, Any]]:
        """What it tells, until it ends; `loss` then says how, None if it was stopped before it was there.

        Every event, however small, is a sign of life; after `timeout_s` without one it is ended, its stacks in the log.
        """
        heard, asked, killed, silent = time.monotonic(), 0.0, 0.0, ""
        while self._code is None and not (killed and time.monotonic() > killed + GONE_S):
            for key, _ in self._waiting.select(GLANCE_S):
                for event in self._take(key.data):
                    heard = time.monotonic()
                    yield event
            now = time.monotonic()
            if self.pid is None:
                if stop():
                    return
                heard = now  # still loading
                continue
            if stop() and now > asked + AGAIN_S:
                self._send(signal.SIGTERM)
                asked = now
            if not killed and self._code is None and now > heard + timeout_s:
                silent = self._stacks(f"no progress for {timeout_s:g} s")
                killed = time.monotonic()
                kill_group(self.pid)
        for name in ("printed", "events"):  # all that it told is there by now
            while self._has(name):
                yield from self._take(name)
        self.loss = Loss("hung", silent) if killed else self._judged()

    # -------------------------------------------------------------- listening

    def _has(self, name: str) -> bool:
        """Whether a pipe has something to read now."""
        return any(key.data == name for key, _ in self._waiting.select(0))

    def _take(self, name: str) -> Iterator[dict[str, Any]]:
        """Read from a pipe: events are yielded, output goes to the log, the fate is noted."""
        part = os.read(self.files[name], 1 << 18)
        if not part:
            self._waiting.unregister(self.files[name])
        if name == "printed":
            self.log.write(part)
            return
        *lines, self._rest[name] = (self._rest[name] + part).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):
                told = json.loads(line)
                if name == "events":
                    yield told
                else:
                    self.pid = told.get("pid", self.pid)
                    self._code = told.get("code", told.get("fault", self._code))
        if name == "fate" and not part and self._code is None:
            self._code, self.abandoned = "the process that starts runs has ended", True

    # -------------------------------------------------------------- ending

    def _send(self, number: int) -> None:
        if self.pid is not None and self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _stacks(self, problem: str) -> str:
        """Let it print where all its threads are; returns `problem` and where the main one was."""
        self._send(DUMP)
        until = time.monotonic() + DUMP_S
        while time.monotonic() < until:
            for key, _ in self._waiting.select(GLANCE_S):
                list(self._take(key.data))
        return _and(problem, where(self.log.text()))

    def _judged(self) -> Loss:
        """What a process died of that told of no result."""
        if isinstance(self._code, str):
            return Loss("died", self._code)
        code = self._code or 0
        if code >= 0:
            return Loss("died", _and(f"ended with exit code {code} and without a result", self.log.last_line()))
        known = -code in {*map(int, signal.Signals)}
        killed = f"killed by {signal.Signals(-code).name if known else f'signal {-code}'}"
        if -code == signal.SIGKILL and self._kills is not None and self._kills != _oom_kills():
            return Loss("oom", f"{killed} by the system, because memory ran out")
        return Loss("died", _and(killed, where(self.log.text())))


def _and(what: str, more: str) -> str:
    return f"{what}: {more}" if more else what


def _oom_kills() -> str | None:
    """How often the system has killed for want of memory, where it tells."""
    with contextlib.suppress(OSError):
        return next((line for line in KERNEL.read_text().splitlines() if line.startswith("oom_kill ")), None)
    return None
