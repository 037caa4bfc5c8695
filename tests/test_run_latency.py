"""Fresh processes: each one's readings are stored whole or not at all, and one that dies takes nothing with it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench import machine, names
from bench.cost.counts import Counts
from bench.cost.session import Session
from bench.run import timing_child, timing_process
from bench.run.latency import Asked, Beat, Event, Finished, Lost, measure_latency
from bench.run.timing_child import Died, attend
from bench.run.timing_process import Request, limits
from bench.spec import BenchError, Component, ExitCode, Timing, Workload
from bench.store import Store

STAND_IN = Path(__file__).with_name("timing_stand_in.py")
UNET = Workload(model=names.resolve("model", Component(name="unet_resnet18")), num_classes=3, size=(32, 32))


def workload(**changes: Any) -> Workload:
    return UNET.model_copy(update=changes)


Behave = Callable[[str], None]


@pytest.fixture
def behave(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Behave:
    """behave("killed") -> processes of a measurement are stand-ins that do so, and counting takes no time."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    nine = Counts(macs=9, winograd_macs=9, products=(), fvcore=None, fvcore_refused="")
    monkeypatch.setattr("bench.run.latency.count", lambda network, image: nine)

    def choose(behaviour: str) -> None:
        words = (behaviour, machine.device_label("cpu"), str(machine.version("torch")))
        monkeypatch.setattr(timing_child, "COMMAND", (sys.executable, str(STAND_IN), *words))

    choose("well")
    return choose


def measure(results: Path, *workloads: Workload, **changes: Any) -> list[Event]:
    asked = Asked(workloads=workloads or (UNET,), **{"repeats": 2, **changes})
    return list(measure_latency(asked, Store(results)))


def finished(events: list[Event]) -> list[Finished]:
    return [event for event in events if isinstance(event, Finished)]


@pytest.mark.usefixtures("behave")
def test_every_process_leaves_a_record_with_its_readings(results: Path) -> None:
    events = measure(results, UNET, workload(batch=4), repeats=3)
    records = [event.record for event in finished(events)]
    stored = Store(results).read()
    assert stored.problems == ()
    assert sorted((s.record.repeat, s.path) for s in stored.latencies) == [(e.repeat, e.path) for e in finished(events)]
    assert [(r.repeat, r.repeats, r.conditions["seed"]) for r in records] == [(1, 3, 1), (2, 3, 2), (3, 3, 3)]
    assert len({r.session for r in records}) == 1
    assert [t.times["e2e"].median for t in records[1].timings] == [12.0, 42.0]
    assert (records[0].device, records[0].threads) == (machine.device_label("cpu"), 1)
    with np.load(finished(events)[0].path.with_suffix(".samples.npz")) as samples:
        assert sorted(samples) == ["0.e2e", "1.e2e"]
    assert events[0] == Beat(1, "canaries", 0.25)


@pytest.mark.usefixtures("behave")
def test_multiply_adds_reach_the_process_and_two_sessions_are_two(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(network: nn.Module, image: tuple[int, ...]) -> Counts:
        assert not network.training
        return Counts(macs=sum(image), winograd_macs=1, products=(), fvcore=None, fvcore_refused="")

    monkeypatch.setattr("bench.run.latency.count", counted)
    first, second = (finished(measure(results, repeats=1))[0].record for _ in range(2))
    assert first.timings[0].macs == 1 + 3 + 32 + 32
    assert first.session != second.session


@pytest.mark.usefixtures("behave")
def test_a_network_that_no_counter_knows_is_timed_all_the_same(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(network: nn.Module, image: tuple[int, ...]) -> Counts:
        raise BenchError("no counter knows it")

    monkeypatch.setattr("bench.run.latency.count", unknown)
    (timing,) = finished(measure(results, repeats=1))[0].record.timings
    assert (timing.macs, "e2e" in timing.times) == (None, True)


def test_memory_that_runs_out_at_a_large_batch_leaves_the_smaller_ones(results: Path, behave: Behave) -> None:
    behave("killed at batch 16")
    (event, _) = finished(measure(results, *(workload(batch=n) for n in (1, 16, 4))))
    told = {t.workload.batch: (t.failed, t.params > 0, "e2e" in t.times) for t in event.record.timings}
    assert told[16] == ("killed by SIGKILL (memory ran out?)", True, False)
    assert [told[n] for n in (1, 4)] == [(None, True, True)] * 2
    with np.load(event.path.with_suffix(".samples.npz")) as samples:
        keys = {f"{i}.e2e" for i, t in enumerate(event.record.timings) if t.times}
        assert set(samples) == keys


def test_a_process_that_dies_is_a_recorded_failure_and_the_others_stand(results: Path, behave: Behave) -> None:
    behave("raises in process 2")
    one, two, three = (event.record.timings for event in finished(measure(results, repeats=3)))
    assert [t[0].failed for t in (one, two, three)] == [None, "ValueError: a bad\\tkernel", None]
    assert (two[0].times, two[0].params) == ({}, 14_328_499)
    assert len(Store(results).read().latencies) == 3


def test_processes_that_die_in_the_same_second_are_all_recorded(results: Path, behave: Behave) -> None:
    behave("killed")
    assert len({event.path for event in finished(measure(results, repeats=3))}) == 3
    assert len(Store(results).read().latencies) == 3


def test_a_process_that_dies_before_it_can_say_where_it_is_leaves_no_record(results: Path, behave: Behave) -> None:
    behave("unborn")
    assert measure(results) == [Lost(1, "no interpreter today"), Lost(2, "no interpreter today")]
    assert Store(results).read().latencies == ()


def test_a_workload_that_failed_in_its_process_is_told_with_its_counts(results: Path, behave: Behave) -> None:
    record = finished(measure(results, UNET, workload(precision="fp16")))[0].record
    plain, half = record.timings
    assert (half.failed, half.params, half.weight_bytes) == ("no fp16 here", 14_328_499, half.weight_bytes)
    assert half.macs == plain.macs


def test_a_device_that_refuses_every_figure_ends_the_measurement(results: Path, behave: Behave) -> None:
    behave("refuses")
    with pytest.raises(BenchError, match="a canary died; get air") as caught:
        measure(results)
    assert caught.value.code == ExitCode.ENVIRONMENT
    assert Store(results).read().latencies == ()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_wish_to_stop_ends_the_process_and_keeps_what_is_finished(
    results: Path, behave: Behave, tmp_path: Path
) -> None:
    behave("hangs in process 2")
    note, asked = tmp_path / "bench-test-pid", Asked(workloads=(UNET,), repeats=3)
    events = list(measure_latency(asked, Store(results), stop=note.exists))
    assert {type(event) for event in events if event.repeat > 1} <= {Beat}
    assert [s.record.repeat for s in Store(results).read().latencies] == [1]
    assert gone(int(note.read_text()))


def test_leaving_early_ends_the_process(results: Path, behave: Behave, tmp_path: Path) -> None:
    behave("hangs in process 1")
    events = measure_latency(Asked(workloads=(UNET,)), Store(results))
    assert next(events) == Beat(1, "canaries", 0.25)
    events.close()  # type: ignore[attr-defined]
    assert gone(int((tmp_path / "bench-test-pid").read_text()))


def request_for(folder: Path, **changes: Any) -> Request:
    fields = {"workloads": (UNET,), "macs": (7,), "winograd_macs": (5,), "device": "cpu", "threads": 1, "seed": 1}
    return Request(**{**fields, "budget_s": None, "energy": False, "folder": str(folder), **changes})


def test_a_silent_process_is_ended(behave: Behave, tmp_path: Path) -> None:
    behave("hangs in process 1")
    with pytest.raises(Died, match="no word for"):
        list(attend(request_for(tmp_path), stop=lambda: False, silent_s=0.1))


def test_a_process_that_ends_well_without_readings_has_died(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(timing_child, "COMMAND", (sys.executable, "-c", "pass"))
    with pytest.raises(Died, match="exit code 0"):
        list(attend(request_for(tmp_path), stop=lambda: False))


# ------------------------------------------------------------------ inside the process


class Small(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images


def test_a_process_hands_everything_to_the_session_and_leaves_what_it_gives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: dict[str, Any] = {}

    def session(workloads: Any, build: Any, **options: Any) -> Session:
        seen.update(options, network=build(workloads[0]))
        options["tell"]("unet", 0.5)
        timing = Timing(workload=UNET, macs=options["macs"](UNET), params=1, weight_bytes=4)
        return Session((timing,), {"0.e2e": np.array([1.5], np.float32)}, {"a": 1}, {"b": 2})

    monkeypatch.setattr("bench.cost.session.measure_session", session)
    told: list[dict[str, Any]] = []
    timing_process.serve(request_for(tmp_path, budget_s=3.0, seed=5), lambda **said: told.append(said))
    assert told[0]["facts"]["label"] == machine.device_label("cpu")
    assert told[1:] == [{"what": "unet", "fraction": 0.5}]
    assert not seen["network"].training
    assert (seen["seed"], seen["threads"], seen["device"]) == (5, 1, torch.device("cpu"))
    assert (seen["limits"].cap_s, seen["winograd_macs"](UNET)) == (3.0, 5)
    left = json.loads((tmp_path / "timings.json").read_text())
    assert (left["timings"][0]["macs"], left["canaries"], left["conditions"]) == (7, {"a": 1}, {"b": 2})
    with np.load(tmp_path / "samples.npz") as samples:
        assert samples["0.e2e"].tolist() == [1.5]


def test_a_budget_changes_the_cap_alone() -> None:
    from bench.cost.stopping import CPU_LIMITS, GPU_LIMITS

    assert limits("cpu", None) is None
    for device, usual in (("cpu", CPU_LIMITS), ("cuda:1", GPU_LIMITS)):
        found = limits(device, 2.5)
        assert found is not None
        assert {**vars(usual), "cap_s": 2.5} == vars(found)


NOISY = """
import sys
from bench.run import timing_process as t
from bench.spec import BenchError
def serve(request, tell):
    print("noise")
    tell(what="at work", fraction=0.5)
    {then}
t.serve = serve
{before}
t.main()
"""


def start(folder: Path, then: str, before: str = "") -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", NOISY.format(then=then, before=before)],
        cwd=STAND_IN.parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    child.stdin.write(request_for(folder).model_dump_json() + "\n")
    child.stdin.flush()
    return child


def test_what_others_print_is_no_word_and_a_refusal_is_one(tmp_path: Path) -> None:
    with start(tmp_path, "raise BenchError('too hot', remedy='wait', code=5)") as child:
        assert child.stdout is not None
        assert child.stderr is not None
        out, err = child.stdout.read(), child.stderr.read()
    assert [json.loads(line) for line in out.splitlines()] == [
        {"what": "at work", "fraction": 0.5},
        {"refused": {"problem": "too hot", "remedy": "wait", "key": "", "code": 5}},
    ]
    assert (child.returncode, err) == (0, "noise\n")


@pytest.mark.parametrize("watching", [True, False])
def test_a_process_ends_with_its_parent(tmp_path: Path, watching: bool) -> None:
    """Without the watch over stdin it goes on: the negative control."""
    before = "" if watching else "t._leave_with_parent = lambda: None"
    then = f"import time; time.sleep({600 if watching else 1}); tell(what='done', fraction=1.0)"
    with start(tmp_path, then, before) as child:
        assert child.stdin is not None
        assert isinstance(child.stdout, io.TextIOWrapper)
        assert "at work" in child.stdout.readline()
        assert child.poll() is None
        child.stdin.close()
        rest = child.stdout.read()
        code = child.wait()
    assert (code, "done" in rest) == ((1, False) if watching else (0, True))
