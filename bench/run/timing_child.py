"""A request -> a process that serves it, listened to until it is done, dies, falls silent or is no longer wanted."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench.run.timing_process import TIMINGS, Request
from bench.spec import BenchError, ExitCode, printable

COMMAND = (sys.executable, "-P", "-m", "bench.run.timing_process")
SILENT_S = 900.0
"""A process that says nothing for this long hangs (compiling one network may take minutes)."""
EXIT_S = 60.0
LOOK_S = 0.2
"""How often it is asked whether to stop."""


@dataclass
class Died(Exception):
    """The process ended without its readings; `killed` where a signal ended it (memory that ran out, above all)."""

    reason: str
    killed: bool = False


class Stopped(Exception):
    """Somebody asked to stop; the process is gone and left nothing."""


def attend(request: Request, *, stop: Callable[[], bool], silent_s: float = SILENT_S) -> Iterator[dict[str, Any]]:
    """What the process says, word by word, until its readings lie in `request.folder`.

    Leaving the iteration early ends the process.  Raises Died, Stopped, or the BenchError it refused with.
    """
    errors = Path(request.folder) / "stderr"
    with errors.open("wb") as stderr:
        # A session of its own: Ctrl-C reaches this process alone, which then decides.
        child = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)},
            start_new_session=True,
            text=True,
        )
    assert child.stdin is not None
    assert child.stdout is not None
    heard: queue.Queue[str | None] = queue.Queue()
    listener = threading.Thread(target=_listen, args=(child.stdout, heard), daemon=True)
    listener.start()
    try:
        _ask(child.stdin, request)
        yield from _words(heard, stop, silent_s)
        code = child.wait(EXIT_S)
    except subprocess.TimeoutExpired:
        raise Died(f"did not end within {EXIT_S:.0f} s of its last word") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # with those it may have started, such as compilers
        child.wait()
        listener.join()
        child.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
    if code or not (Path(request.folder) / TIMINGS).exists():
        raise Died(_reason(code, errors), killed=code < 0)


def _listen(stdout: IO[str], heard: queue.Queue[str | None]) -> None:
    for line in stdout:
        heard.put(line)
    heard.put(None)


def _ask(stdin: IO[str], request: Request) -> None:
    """Hand over the request; stdin stays open: its end is how the process learns that nobody waits any more."""
    with contextlib.suppress(BrokenPipeError):  # dead already: its exit code says why
        stdin.write(request.model_dump_json() + "\n")
        stdin.flush()


def _words(heard: queue.Queue[str | None], stop: Callable[[], bool], silent_s: float) -> Iterator[dict[str, Any]]:
    last = time.monotonic()
    while True:
        if stop():
            raise Stopped
        try:
            line = heard.get(timeout=LOOK_S)
        except queue.Empty:
            if time.monotonic() - last > silent_s:
                raise Died(f"no word for {silent_s:.0f} s; ended") from None
            continue
        if line is None:
            return
        last = time.monotonic()
        word = json.loads(line)
        if refused := word.get("refused"):
            raise BenchError(refused.pop("problem"), **{**refused, "code": ExitCode(refused["code"])})
        yield word


def _reason(code: int, errors: Path) -> str:
    """How it died, in words: a signal's name, or the last line it wrote on stderr."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"killed by {name}" + (" (memory ran out?)" if name == "SIGKILL" else "")
    with errors.open("rb") as file:
        file.seek(max(0, errors.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return printable(said[-1] if said else f"exit code {code}", 300)
