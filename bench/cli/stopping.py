"""Signals -> a wish to stop, read where stopping is safe; and who else is at work on the same results."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from bench.cli.console import say
from bench.spec import BenchError, ExitCode, counted
from bench.store import Store, claimed

MEASURING = "measuring"
"""What is claimed while times are taken."""


class Wish:
    """Whether somebody asked to stop, and with which exit code: set by signals, read between steps."""

    def __init__(self) -> None:
        self.code: int | None = None

    def __call__(self) -> bool:
        return self.code is not None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Ctrl-C, SIGTERM, SIGUSR1 and a closed terminal ask to save and stop; Ctrl-C twice stops at once."""

        def ask(number: int, _: Any) -> None:
            self.code = ExitCode.CTRL_C if number == signal.SIGINT else ExitCode.INTERRUPTED
            signal.signal(signal.SIGINT, signal.default_int_handler)
            text = "bench: saving and stopping (Ctrl-C again stops at once)"
            try:
                say(text, sys.stderr)
            except RuntimeError:  # the signal came while a line was written there, which cannot be done within itself
                os.write(2, f"{text}\n".encode())

        before = {n: signal.signal(n, ask) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def undisturbed(store: Store) -> Iterator[bool]:
    """Whether times can be taken now: another sweep's training or measuring would be in them; if not, that is said."""
    with ExitStack() as opened:
        if lease := store.claim(MEASURING):
            opened.enter_context(lease)
        others = claimed(store.work) - {MEASURING}
        if others or not lease:
            what = f"has {counted(len(others), 'run')} under way" if others else "is measuring"
            say(f"not measured: another command {what} on these results; run it again later", sys.stderr)
        yield bool(lease) and not others


@contextmanager
def alone(store: Store) -> Iterator[Wish]:
    """Listen for who asks to stop.  Raises BenchError while another command trains or measures on these results."""
    with undisturbed(store) as free:
        if not free:
            problem = "another command is at work on these results"
            remedy = "wait for it, or use another --results folder"
            raise BenchError(problem, remedy=remedy, file=store.root, code=ExitCode.STORE)
        wish = Wish()
        with wish.listening():
            yield wish
