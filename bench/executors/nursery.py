"""A process that has loaded torch once -> a fresh process for each run, in milliseconds.

`python -P -m bench.executors.nursery <module:function> <module> ...` loads the modules and waits at stdin, a socket; of
a later `<module:function>` it calls the function, too.
Every byte that comes brings four file descriptors for a new process: its request, to be read to the end; its events;
what it prints; and its fate, where the nursery writes `{"pid": n}` and, at the end, `{"code": n}`.

Nothing is pickled and no socket has a name.  When the other side of stdin has gone, in whatever way, all children are
killed with all that they started, and the nursery ends; when the nursery is killed, the system kills its children.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from typing import NoReturn

DUMP = signal.SIGQUIT
"""A child that gets this signal prints the stacks of all its threads, even where Python itself is stuck."""

UNMOVED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""What a terminal or a cluster sends to all processes at once: only the sweep decides what it means."""


def main(words: list[str]) -> None:
    """Load what runs need, then give birth until the parent has gone."""
    for number in UNMOVED:
        signal.signal(number, signal.SIG_IGN)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # its threads would be there at a fork, and not in the child
    for module, _, function in (word.partition(":") for word in words[1:]):
        with contextlib.suppress(Exception):  # a child will say what is wrong
            loaded = importlib.import_module(module)
            if function:
                getattr(loaded, function)()
    del os.environ["OPENBLAS_NUM_THREADS"]
    parent, children = socket.socket(fileno=os.dup(0)), dict[int, int]()
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as waiting:
        waiting.register(parent, selectors.EVENT_READ)
        waiting.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fd == woken:
                    os.read(woken, 4096)
                elif not _born(parent, words[0], children, waiting, (woken, wake)):
                    for pid in children:
                        kill_group(pid)
                    return
            _reap(children)


def kill_group(pid: int) -> None:
    """End a child and all that it started, at once."""
    for kill in (os.killpg, os.kill):  # the group is there once the child has made it
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _born(
    parent: socket.socket, work: str, children: dict[int, int], waiting: selectors.BaseSelector, own: tuple[int, int]
) -> bool:
    """One child more, if a byte asks for it; false when there is nobody left to ask."""
    try:
        byte, files, _, _ = socket.recv_fds(parent, 1, 4)
    except OSError:
        return False
    if not byte:
        return False
    request, events, printed, fate = files
    nursery = os.getpid()
    try:
        pid = os.fork()
    except OSError as fault:
        _tell(fate, fault=f"no process could be started ({fault.strerror})")
        os.close(fate)
    else:
        if pid == 0:
            waiting.close()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for file in (fate, parent.detach(), *own, *children.values()):
                os.close(file)
            _live(work, request, events, printed, nursery)
        children[pid] = fate
        _tell(fate, pid=pid)
    for file in (request, events, printed):
        os.close(file)
    return True


def _live(work: str, request: int, events: int, printed: int, nursery: int) -> NoReturn:
    """A child from its first moment to its last: `work` gets the request and the file that takes events."""
    code = 1
    try:
        os.setsid()
        with contextlib.suppress(OSError, AttributeError):  # Linux: die with the nursery
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() != nursery:
            os._exit(1)
        for file in (1, 2):
            os.dup2(printed, file)
        os.close(printed)
        os.close(0)
        os.open(os.devnull, os.O_RDONLY)  # takes the number that is free, 0
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        faulthandler.enable()
        faulthandler.register(DUMP, all_threads=True)
        asked = b""
        while part := os.read(request, 1 << 16):
            asked += part
        os.close(request)
        module, _, name = work.partition(":")
        getattr(importlib.import_module(module), name)(asked, events)
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 0xFF)


def _reap(children: dict[int, int]) -> None:
    """Tell of the children that have ended, after ending what they have left behind."""
    for pid in list(children):
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None:
            kill_group(pid)  # not reaped yet, so the number is nobody else's
            fate, status = children.pop(pid), os.waitpid(pid, 0)[1]
            _tell(fate, code=os.waitstatus_to_exitcode(status))
            os.close(fate)


def _tell(fate: int, **facts: object) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(fate, json.dumps(facts).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
