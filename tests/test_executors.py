"""Runs in processes of their own: whatever one dies of is told, and nothing of it is left."""

from __future__ import annotations

import errno
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.executors import child as watching
from bench.executors import nursery as nursery_side
from bench.executors.child import Loss
from bench.executors.inline import inline
from bench.executors.log import HEAD, TAIL, Log, where
from bench.executors.process import Nursery, process
from bench.spec import Failure

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Home:
    """Stands in for the sweep: asks for a way to die by its name, and collects what is told."""

    folder: Path
    told: list[dict[str, Any]] = field(default_factory=list)

    def request(self, run: Any, number: int) -> bytes:
        return json.dumps({"do": run.do, "number": number}).encode()

    def read(self, told: dict[str, Any]) -> Any:
        self.told.append(told)
        return SimpleNamespace(**told)

    def ends(self, event: Any) -> bool:
        return event is not None and event.kind in ("run", "failure")

    def log_file(self, run: Any) -> Path:
        return self.folder / f"{run.do}.txt"

    def lost(self, run: Any, number: int, loss: Loss) -> Any:
        return Failure.model_construct(state=loss.state, reason=loss.reason, tries=number)

    def pids(self) -> list[int]:
        return [told["pid"] for told in self.told if "pid" in told]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery("executor_works:work", "decimal", "no_such_module") as one:
        yield one


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def ask(*ways: str) -> Sequence[Any]:
    return [SimpleNamespace(do=way) for way in ways]


def last(ways: str, nursery: Nursery, home: Home, **words: Any) -> Any:
    *_, (_, event) = process(ask(ways), nursery, home, **words)
    return event


def gone(pid: int) -> bool:
    """Whether a process is no more; one that only waits to be buried counts as gone."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


DEATHS = {
    "raises": "ended with exit code 1 and without a result: good",
    "raises what cannot be pickled": "ended with exit code 1 and without a result: executor_works.fail_unpicklably",
    "MemoryError": "ended with exit code 1 and without a result: MemoryError",
    "SIGSEGV": "killed by SIGSEGV: string_at (",
    "SIGKILL": "killed by SIGKILL",
    "SIGABRT": "killed by SIGABRT: <lambda> (executor_works.py:",
    "a signal without a name": "killed by signal ",
    "os._exit(0)": "ended with exit code 0 and without a result",
    "sys.exit": "ended with exit code 1 and without a result",
    "10 MB of stderr": "ended with exit code 3 and without a result: the end of much",
    "no process left": "BlockingIOError: [Errno 11] Resource temporarily unavailable",
}


def test_whatever_a_run_dies_of_is_told_and_the_others_go_on(nursery: Nursery, home: Home) -> None:
    ways = ["good", *DEATHS, "good"]
    ended = [(run.do, event) for run, event in process(ask(*ways), nursery, home) if not hasattr(event, "pid")]
    assert [way for way, _ in ended] == ways
    for way, event in ended[1:-1]:
        assert (event.state, DEATHS[way] in event.reason) == ("died", True), (way, event.reason)
    assert [event.what for _, event in (ended[0], ended[-1])] == ["good", "good"]
    assert all(map(gone, home.pids()))


HANGS = ("hangs", "hangs, deaf", "hangs in a thread", "hangs with the interpreter")


@pytest.mark.parametrize("way", HANGS)
def test_a_run_that_hangs_is_ended_with_all_it_started_and_says_where(nursery: Nursery, home: Home, way: str) -> None:
    event = last(way, nursery, home, step_timeout_s=0.5)
    assert event.state == "hung"
    assert event.reason.startswith("no progress for 0.5 s: ")
    assert "(executor_works.py:" in event.reason
    log = home.log_file(SimpleNamespace(do=way)).read_text()
    assert log.count("most recent call first") >= (2 if "thread" in way else 1)
    assert home.pids()
    assert all(map(gone, home.pids()))


def test_a_run_that_tells_of_itself_now_and_then_does_not_hang(nursery: Nursery, home: Home) -> None:
    assert last("beats", nursery, home, step_timeout_s=1.5).what == "good"


def test_what_a_run_leaves_behind_is_ended(nursery: Nursery, home: Home) -> None:
    assert last("lingers", nursery, home).what == "good"
    assert len(home.pids()) == 2
    assert all(map(gone, home.pids()))


def test_what_lingers_would_be_seen(nursery: Nursery, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "kill_group", lambda pid: None)
    events = process(ask("hangs"), nursery, home)
    with closing(events):
        assert next(e for _, e in events if e.kind == "left")
    assert not any(Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z" for pid in home.pids())
    for pid in home.pids():
        os.kill(pid, signal.SIGKILL)


def test_a_wish_to_stop_reaches_the_run_and_no_other_is_started(nursery: Nursery, home: Home) -> None:
    wish: list[bool] = []
    seen = []
    for run, event in process(ask("waits", "good"), nursery, home, stop=lambda: bool(wish)):
        seen.append((run.do, event.kind))
        if event.kind == "ready":
            wish.append(True)
    assert seen == [("waits", "began"), ("waits", "ready"), ("waits", "failure")]
    assert list(process(ask("good"), nursery, home, stop=lambda: True)) == []


def test_leaving_ends_the_run_at_once(nursery: Nursery, home: Home) -> None:
    with closing(process(ask("heeds nothing"), nursery, home)) as events:
        assert next(e for _, e in events if e.kind == "ready")
    assert len(home.pids()) == 2
    assert all(map(gone, home.pids()))


def test_a_child_has_a_session_and_only_the_files_that_are_its_own(nursery: Nursery, home: Home) -> None:
    last("facts", nursery, home)
    found = next(told for told in home.told if told["kind"] == "facts")
    assert (found["session"], found["stdin"], found["threads"], found["loaded"]) == (True, "/dev/null", 1, True)
    assert found["ignored"] == ["SIGINT", "SIGHUP"]
    assert len(found["files"]) <= 5, found


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_tries_are_counted_and_bounded(nursery: Nursery, home: Home, retries: int) -> None:
    event = last("os._exit(0)", nursery, home, retries=retries)
    assert (event.state, event.tries) == ("died", retries + 1)
    assert [told["number"] for told in home.told] == list(range(1, retries + 2))
    log = home.log_file(SimpleNamespace(do="os._exit(0)")).read_text()
    assert log.count("-- ended with exit code 0") == retries + 1
    assert last("second time", nursery, home, retries=1).what == "good"


def test_only_what_may_end_otherwise_is_tried_again() -> None:
    for state, tries in (("failed", 3), ("oom", 3), ("diverged", 1), ("data", 1), ("interrupted", 1)):
        failure = Failure.model_construct(state=state)
        runs: Any = ask("one")
        events = list(inline(runs, lambda run, number, one=failure: iter([one]), retries=2))  # type: ignore[misc]
        assert len(events) == tries, state


def test_the_first_failure_stops_all_when_asked(nursery: Nursery, home: Home) -> None:
    ended = list(process(ask("os._exit(0)", "good"), nursery, home, stop_at_failure=True))
    assert {run.do for run, _ in ended} == {"os._exit(0)"}


def test_much_output_is_kept_in_part(nursery: Nursery, home: Home) -> None:
    assert last("prints", nursery, home).what == "good"
    log = (home.folder / "prints.txt").read_bytes()
    assert len(log) < HEAD + TAIL + 100
    assert b"bytes left out here" in log
    assert log.endswith(b"\nthe end of much\n")


@pytest.mark.parametrize("size", [0, 1, HEAD - 1, HEAD, HEAD + 1, HEAD + TAIL, HEAD + TAIL + 1, 3 * HEAD])
def test_a_log_keeps_its_beginning_and_its_end(tmp_path: Path, size: int) -> None:
    content = bytes(i % 251 for i in range(size))
    with Log(tmp_path / "log", anew=True) as log:
        for start in range(0, size, 99_999):
            log.write(content[start : start + 99_999])
    kept = (tmp_path / "log").read_bytes()
    if size <= HEAD + TAIL:
        assert kept.replace(b"\n-- 0 bytes left out here --\n", b"") == content
    else:
        assert kept.startswith(content[:HEAD] + b"\n-- ")
        assert kept.endswith(b" bytes left out here --\n" + content[-TAIL:])


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Log(tmp_path / "file" / "log", anew=True) as log:
        log.write(b"one\ntwo\n")
    assert log.last_line() == "two"


def test_a_killed_nursery_is_told_of_and_replaced(nursery: Nursery, home: Home) -> None:
    with closing(process(ask("hangs", "good"), nursery, home)) as events:
        kinds = []
        for _, event in events:
            kinds.append(event.kind)
            if event.kind == "failure":
                assert event.reason == "the process that starts runs has ended"
            if kinds[-1] == "left":
                assert nursery.own
                nursery.own.kill()
    assert kinds == ["began", "left", "failure", "began", "run"]
    leader, left = home.pids()[:2]
    assert gone(leader)
    os.kill(left, signal.SIGKILL)  # its own child is the one thing that nobody could end


def test_a_process_that_cannot_be_had_is_told(nursery: Nursery, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nursery's side, in this process: the system refuses a further process."""

    def refused() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    ours, theirs = socket.socketpair()
    with ours, theirs, selectors.DefaultSelector() as waiting, monkeypatch.context() as patched:
        patched.setattr(os, "fork", refused)
        pipes = [os.pipe() for _ in range(4)]
        socket.send_fds(ours, [b"+"], [pipes[0][0], *(write for _, write in pipes[1:])])
        assert nursery_side._born(theirs, "no:where", {}, waiting, (-1, -1))
        told = json.loads(os.read(pipes[3][0], 1000))
        for pair in pipes:
            for file in pair:
                os.close(file)
    assert told == {"fault": "no process could be started (Resource temporarily unavailable)"}
    with Log(home.folder / "log", anew=True) as log:
        child = nursery.child(b"{}", log)
        child._code = told["fault"]
        assert child._judged() == Loss("died", told["fault"])
        child.__exit__(None, None, None)


def sweep(tmp_path: Path, way: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """A sweep in a process of its own, and what it told of its run once that is under way."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "executor_works.py"), str(tmp_path), way],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    found: dict[str, Any] = {}
    for line in process.stdout:
        told = json.loads(line) or {}
        found[told.get("kind", "start")] = told
        if {"began", "left"} <= found.keys():
            break
    return process, found


@pytest.mark.parametrize("way", ["hangs", "hangs with the interpreter"])
def test_a_killed_sweep_takes_all_its_processes_along(tmp_path: Path, way: str) -> None:
    if way == "hangs":
        process, found = sweep(tmp_path, way)
        pids = [found["began"]["pid"], found["left"]["pid"]]
    else:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "executor_works.py"), str(tmp_path), way],
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        process.stdout.readline()
        pids = [json.loads(process.stdout.readline())["pid"]]
    process.kill()
    process.communicate()
    assert all(map(gone, pids))


STACK = """\
Fatal Python error: Segmentation fault

Thread 0x00007f0000000002 (most recent call first):
  File "/somewhere/threading.py", line 3 in wait

Current thread 0x00007f0000000001 (most recent call first):
  File "/somewhere/PIL/Image.py", line 10 in load
  File "/somewhere/bench/cache/decoding.py", line 51 in read
  File "/somewhere/bench/executors/nursery.py", line 120 in _live
"""


def test_where_a_stack_stands() -> None:
    assert where(STACK) == "load (Image.py:10) < read (decoding.py:51)"
    hung = STACK.replace("Current thread", "Thread").replace("Fatal Python error: Segmentation fault\n\n", "")
    assert where(hung) == "load (Image.py:10) < read (decoding.py:51)"  # the main thread comes last
    assert where("nothing of the kind") == ""


def test_memory_that_ran_out_shows_in_what_the_system_counts(
    nursery: Nursery, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = tmp_path / "vmstat"
    counted.write_text("nr_free_pages 1\noom_kill 3\n")
    monkeypatch.setattr(watching, "KERNEL", counted)
    events = process(ask("SIGKILL"), nursery, home)
    next(events)
    counted.write_text("nr_free_pages 1\noom_kill 4\n")
    (_, event), *_ = events
    assert (event.state, event.reason) == ("oom", "killed by SIGKILL by the system, because memory ran out")


Bad = Callable[[str], None]


@pytest.fixture
def executor_variable(monkeypatch: pytest.MonkeyPatch) -> Bad:
    return lambda value: monkeypatch.setenv("BENCH_EXECUTOR", value)


def test_the_executor_is_chosen_by_option_or_variable(executor_variable: Bad, tmp_path: Path) -> None:
    from bench.cli.sweeping import _executor
    from bench.spec import BenchError

    executor_variable("")
    assert _executor("") == "process"
    executor_variable("inline")
    assert (_executor(""), _executor("process")) == ("inline", "process")
    executor_variable("ray")
    with pytest.raises(BenchError, match="BENCH_EXECUTOR: unknown executor 'ray'; choose process or inline"):
        _executor("")
