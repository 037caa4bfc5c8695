"""`python -m bench` and the `bench` command."""

from __future__ import annotations

import io
import signal
import sys
import warnings
from typing import Any, NoReturn


def main() -> None:
    """Run the command line and leave with its exit code."""
    listen()
    from bench.cli import run_command_line
    from bench.spec import printable

    for stream in (sys.stdout, sys.stderr):  # a terminal that knows no ± gets an escape, not a crash
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.formatwarning = lambda message, *_: f"bench: warning: {printable(str(message), 300)}\n"
    sys.exit(run_command_line(sys.argv[1:]))


def listen() -> None:
    """Asked to end while nothing is under way that would have to be saved, leave; a sweep listens for itself then."""

    def leave(*_: Any) -> NoReturn:
        sys.exit(75)

    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, leave)


if __name__ == "__main__":
    main()
