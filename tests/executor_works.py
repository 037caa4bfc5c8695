"""What children of a nursery are asked to do in tests: every way to die and to hang, with nothing heavy loaded."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from typing import Any, NoReturn


def work(request: bytes, events: int) -> None:
    """Do what the request names; "good" is told at the end by those that come to it."""
    asked = json.loads(request)
    tell(events, kind="began", pid=os.getpid(), number=asked["number"])
    WAYS[asked["do"]](events, asked)
    tell(events, kind="run", what="good")


def tell(events: int, **facts: Any) -> None:
    os.write(events, json.dumps(facts).encode() + b"\n")


def fail(*_: Any) -> NoReturn:
    raise ValueError("no\ngood")


def fail_unpicklably(*_: Any) -> NoReturn:
    class Fault(Exception):
        def __init__(self, one: Any, two: Any) -> None:
            super().__init__("cannot travel")
            self.one = lambda: one

    raise Fault(1, 2)


def send(number: int) -> Any:
    return lambda *_: (os.kill(os.getpid(), number), time.sleep(60))


def crash(*_: Any) -> None:
    ctypes.string_at(0)


def fill_memory(*_: Any) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
    bytearray(2**31)


def no_process_left(*_: Any) -> None:
    """The way of a fork bomb, at its limit: root has none, so it is said by the call itself."""

    def refused() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    os.fork = refused
    os.fork()


def print_much(*_: Any) -> None:
    for _ in range(10):
        sys.stderr.write("x" * (1 << 20))
    sys.stderr.write("\nthe end of much\n")


def print_much_and_die(*_: Any) -> None:
    print_much()
    os._exit(3)


def linger(events: int, asked: Any) -> None:
    """Leave a process behind that heeds no signal but one."""
    code = "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; print(1, flush=True); "
    left = subprocess.Popen([sys.executable, "-c", code + "time.sleep(600)"], stdout=subprocess.PIPE)
    assert left.stdout
    left.stdout.readline()
    tell(events, kind="left", pid=left.pid)


def hang(events: int, asked: Any) -> None:
    linger(events, asked)
    time.sleep(600)


def hang_deaf(events: int, asked: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hang(events, asked)


def hang_in_a_thread(*_: Any) -> None:
    worker = threading.Thread(target=time.sleep, args=(600,))
    worker.start()
    worker.join()


def hang_holding_the_interpreter(*_: Any) -> None:
    while True:
        ctypes.PyDLL(None).sleep(600)


def wait_for_a_wish(events: int, asked: Any) -> None:
    """End in peace once asked to, as a run does that saves first."""
    wish: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: wish.append(number))
    tell(events, kind="ready")
    while not wish:
        time.sleep(0.01)
    tell(events, kind="failure", what="interrupted")
    sys.exit(0)


def wait_for_nothing(events: int, asked: Any) -> None:
    """Heed neither wishes nor keyboards, as a run in the midst of a long step."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    linger(events, asked)
    tell(events, kind="ready")
    time.sleep(600)


def tell_of_itself(events: int, asked: Any) -> None:
    facts = {
        "session": os.getsid(0) == os.getpid(),
        "stdin": os.readlink("/proc/self/fd/0"),
        "files": sorted(int(n) for n in os.listdir("/proc/self/fd"))[:-1],
        "threads": threading.active_count(),
        "ignored": [n.name for n in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_IGN],
        "loaded": "decimal" in sys.modules,
    }
    tell(events, kind="facts", **facts)


def beat(events: int, asked: Any) -> None:
    """Slow, and alive all the time."""
    for _ in range(8):
        time.sleep(0.25)
        tell(events, kind="beat")


def better_the_second_time(events: int, asked: Any) -> None:
    if asked["number"] == 1:
        os._exit(9)


WAYS = {
    "good": lambda *_: None,
    "raises": fail,
    "raises what cannot be pickled": fail_unpicklably,
    "MemoryError": fill_memory,
    "SIGSEGV": crash,
    "SIGKILL": send(signal.SIGKILL),
    "SIGABRT": send(signal.SIGABRT),
    "a signal without a name": send(signal.SIGRTMIN + 3),
    "os._exit(0)": lambda *_: os._exit(0),
    "sys.exit": lambda *_: sys.exit("enough"),
    "10 MB of stderr": print_much_and_die,
    "no process left": no_process_left,
    "prints": print_much,
    "lingers": linger,
    "hangs": hang,
    "hangs, deaf": hang_deaf,
    "hangs in a thread": hang_in_a_thread,
    "hangs with the interpreter": hang_holding_the_interpreter,
    "waits": wait_for_a_wish,
    "heeds nothing": wait_for_nothing,
    "facts": tell_of_itself,
    "beats": beat,
    "second time": better_the_second_time,
}


if __name__ == "__main__":  # a sweep of its own: `executor_works.py <folder> <way>`
    from pathlib import Path
    from types import SimpleNamespace

    from bench.executors.process import Nursery, process

    class Home:
        def request(self, run: Any, number: int) -> bytes:
            return json.dumps({"do": run.do, "number": number}).encode()

        def read(self, told: Any) -> Any:
            print(json.dumps(told), flush=True)

        def ends(self, event: Any) -> bool:
            return False

        def log_file(self, run: Any) -> Path:
            return Path(sys.argv[1]) / "log.txt"

        def lost(self, run: Any, number: int, loss: Any) -> Any:
            return loss

    with Nursery("executor_works:work") as nursery:
        print(json.dumps(nursery.start()), flush=True)
        list(process([SimpleNamespace(do=sys.argv[2])], nursery, Home()))  # type: ignore[list-item, arg-type]
