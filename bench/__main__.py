"""`python -m bench` and the `bench` command."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import warnings
from typing import Any, NoReturn

CTRL_C = 130
"""`bench.spec.ExitCode.CTRL_C`, which may not be loaded yet."""


def main() -> None:
    """Run the command line and leave with its exit code; Ctrl-C, however often, ends with one last line and 130."""
    listen()
    try:
        code = _carried_out()
    except KeyboardInterrupt:  # while everything was loaded
        code = CTRL_C
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if code == CTRL_C:
        with contextlib.suppress(OSError):
            print("bench: interrupted; the same command goes on\n", end="", file=sys.stderr, flush=True)
    signal.signal(signal.SIGINT, lambda *_: os._exit(code))  # should what Python does at its end take long
    sys.exit(code)


def _carried_out() -> int:
    from bench.cli import run_command_line
    from bench.spec import printable

    for stream in (sys.stdout, sys.stderr):  # a terminal that knows no ± gets an escape, not a crash
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.formatwarning = lambda message, *_: f"bench: warning: {printable(str(message), 300)}\n"
    return run_command_line(sys.argv[1:])


def listen() -> None:
    """Asked to end while nothing is under way that would have to be saved, leave; a sweep listens for itself then."""

    def leave(*_: Any) -> NoReturn:
        sys.exit(75)

    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, leave)


if __name__ == "__main__":
    main()
