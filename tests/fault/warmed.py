"""What a child of a warm nursery does in fault tests: a run, a whole sweep, or saving for ever; torch is loaded.

The request is that of `bench.run.child`, or {"words": [...]} for a command; "test" in it says what is to go wrong.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bench import checkpoint, faults
from bench.__main__ import main
from bench.cli import running
from bench.executors import nursery
from bench.executors.process import Nursery
from bench.run import child
from bench.run.training import Run

sys.path.insert(0, str(Path(__file__).parents[1]))
from executor_works import WAYS

WAYS["device assertion"] = lambda *_: (torch.ones(2, device="cuda")[torch.tensor([9]).cuda()], torch.cuda.synchronize())
WAYS["device memory"] = lambda *_: torch.empty(2**44, device="cuda")


def work(request: bytes, events: int) -> None:
    asked = json.loads(request)
    test = asked.get("test", {})
    os.environ.update(test.get("env", {}))
    if not test.get("pictures"):
        Run.draw = lambda *_: None  # type: ignore[method-assign]
    if "way" in test:
        go_wrong(test["way"], test.get("point", "train.step"), test.get("nth", 2))
    if "words" in asked:
        command(asked["words"], asked["cwd"])
    elif "save" in asked:
        save_for_ever(Path(asked["save"]), asked["atomic"])
    else:
        child.work(request, events)


def go_wrong(way: str, point: str, nth: int) -> None:
    """Let the process do `way` when it passes `point` for the nth time."""
    real, passed = faults.at, [0]

    def instead(where: str) -> str | None:
        passed[0] += where == point
        if where == point and passed[0] == nth:
            WAYS[way](2, {})
        return real(where)

    faults.at = instead


def command(words: list[str], folder: str) -> None:
    """A command as its process would carry it out, its runs in processes of their own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    running.Nursery = Forked  # type: ignore[attr-defined]
    for name, number in (("stdout", 1), ("stderr", 2)):  # pipes by now
        setattr(sys, name, open(number, "w", buffering=1, closefd=False))  # noqa: SIM115
    sys.argv = ["bench", *words]
    main()


class Forked(Nursery):
    """A nursery that is forked off and has all that this process has loaded."""

    def launch(self, line: socket.socket) -> subprocess.Popen[bytes]:
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                os.dup2(line.fileno(), 0)
                os.closerange(3, 200)
                nursery.main(["warmed:work"])
            finally:
                os._exit(0)
        return Own(pid)  # type: ignore[return-value]


class Own:
    """As much of a Popen as a Nursery asks for."""

    def __init__(self, pid: int) -> None:
        self.pid, self.code = pid, None

    def poll(self) -> int | None:
        if self.code is None and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.code = 0
        return self.code

    def wait(self, timeout: float | None = None) -> int:
        os.waitpid(self.pid, 0)
        self.code = 0
        return 0

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def save_for_ever(folder: Path, atomic: bool) -> None:
    """Checkpoints of 12 MB one after the other, each told of in `acks` once it is durable."""
    acks = os.open(folder / "acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    weights = torch.zeros(3_000_000)
    save: Callable[..., Any] = checkpoint.save_step if atomic else in_place
    step = max((int(p.stem[5:]) for p in folder.glob("step-*.pt")), default=0)
    while True:
        step += 1
        save(folder, {"step": step, "model": {"w": weights.fill_(step)}}, run_id="r-1", step=step)
        os.write(acks, f"{step}\n".encode())


def in_place(folder: Path, state: dict[str, Any], *, run_id: str, step: int) -> None:
    """The usual way: over the one file there is."""
    torch.save(state, folder / "last.pt")
