"""Where runs happen: `inline` in this process, `process` each in one of its own."""

from __future__ import annotations

from bench.spec import Failure

EXECUTORS = {
    "inline": "bench.executors.inline:inline",
    "process": "bench.executors.process:process",
}

RETRIED = ("failed", "died", "hung", "oom")
"""What may end otherwise at another try; a loss that is not finite and data that is wrong stay so."""


def tries_again(event: object, number: int, retries: int) -> bool:
    """Whether a run whose try `number` (from 1) ended with `event` is started once more."""
    return isinstance(event, Failure) and event.state in RETRIED and number <= retries
