"""BENCH_FAULT=<point>:<nth>:<action> -> this process fails there on purpose: how tests reach every moment of a run.

Several are separated by commas.  `nth` counts from 1 within a process; `3+` means from the third time on.  Actions: the
name of a signal (kill, term, segv, int, stop, ...), `hang`, `exit` (at once, code 0), `raise:<exception>`,
`raise:OSError:<errno name>`, `raise:OOM`, and `nan`, which `at` gives back for the caller to act on.
Honoured with BENCH_TESTING=1 only; without it, BENCH_FAULT is an error.
"""

from __future__ import annotations

import builtins
import collections
import errno
import os
import signal
import sys
import time
from typing import NoReturn

from bench.spec import BenchError, ExitCode

_passed: collections.Counter[tuple[int, str]] = collections.Counter()
"""(process, point) -> how often it was passed."""


def at(point: str) -> str | None:
    """Pass `point` of the program: nothing happens unless a test asked for a fault here.

    Returns "nan" where a number that is not finite is asked for.  Raises what BENCH_FAULT says, or BenchError when
    BENCH_FAULT cannot be understood or is set outside a test.
    """
    setting = os.environ.get("BENCH_FAULT")
    if not setting:
        return None
    if os.environ.get("BENCH_TESTING") != "1":
        _refuse("is set, and faults belong into tests", "unset it")
    key = os.getpid(), point
    _passed[key] += 1
    for one in setting.split(","):
        where, nth, action = (*one.split(":", 2), "", "")[:3]
        if not nth.removesuffix("+").isdigit() or not action:
            _refuse(f"'{one}' is no <point>:<nth>:<action>", "write e.g. store.written:1:kill")
        count = int(nth.removesuffix("+"))
        if where == point and (_passed[key] == count or (nth.endswith("+") and _passed[key] > count)):
            return _act(action, point)
    return None


def _refuse(problem: str, remedy: str) -> NoReturn:
    raise BenchError(problem, remedy=remedy, key="BENCH_FAULT", code=ExitCode.ENVIRONMENT)


def _act(action: str, point: str) -> str | None:
    kind, _, detail = action.partition(":")
    if action == "nan":
        return "nan"
    if action == "exit":
        os._exit(0)
    if action == "hang":
        print(f"fault: hangs at {point}", file=sys.stderr, flush=True)  # a test may wait for it
        while True:
            time.sleep(3600)
    if kind == "raise":
        raise _exception(detail, point)
    number = getattr(signal, f"SIG{action.upper()}", None)
    if not isinstance(number, signal.Signals):
        _refuse(f"has the unknown action '{action}'", "see bench/faults.py")
    os.kill(os.getpid(), number)
    return None


def _exception(detail: str, point: str) -> BaseException:
    name, _, code = detail.partition(":")
    if name == "OOM":  # as the device's allocator raises it; without torch loaded, as Python does
        return getattr(sys.modules.get("torch"), "OutOfMemoryError", MemoryError)(f"fault at {point}")
    kind = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, BaseException)) or (code and not hasattr(errno, code)):
        _refuse(f"has the unknown exception '{detail}'", "name a builtin one, with an errno after it if need be")
    if code:
        number = getattr(errno, code)
        return kind(number, os.strerror(number))
    return kind(f"fault at {point}")
