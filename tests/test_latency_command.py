"""`bench latency`, and the costs of a sweep: what is asked for, what is shown, what a stop leaves, the exit code."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from timing_stand_in import series

from bench import machine, names
from bench.cli import run_command_line
from bench.cli.latency import USUAL
from bench.cli.measuring import measure_all, workloads
from bench.cli.timing_table import rows_of, timing_table, told
from bench.cost.counts import Counts
from bench.plan import CostLeft, costs_left, eager
from bench.run import timing_child
from bench.run.latency import Asked, Finished
from bench.run.place import Place
from bench.spec import Component, CostRequest, LatencyRecord, PlannedRun, RunConfig, Sweep, Timing, Workload
from bench.store import Store

STAND_IN = Path(__file__).with_name("timing_stand_in.py")
Bench = Callable[..., tuple[int, str, str]]
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


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """bench(*words) -> (exit code, stdout, stderr) of one command in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command_line(words)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """What reaches the measurement, which does not happen."""
    found: list[Asked] = []
    monkeypatch.setattr(
        "bench.run.latency.measure_latency", lambda asked, store, stop: (found.append(asked), iter(()))[1]
    )
    return found


# ------------------------------------------------------------------ what is asked for


def test_the_usual_networks_in_the_usual_way(bench: Bench, asked_for: list[Asked]) -> None:
    bench("latency", "--device", "cpu")
    (asked,) = asked_for
    assert [w.model.name for w in asked.workloads] == list(USUAL)
    assert {(w.num_classes, w.size, w.batch, w.precision, w.layout, w.mode) for w in asked.workloads} == {
        (7, (512, 512), 1, "fp32", "nchw", "eager")
    }
    assert (asked.repeats, asked.budget_s, asked.threads, asked.pause_s, asked.energy) == (3, None, 1, 0.0, False)
    assert all(w.model == names.resolve("model", w.model) for w in asked.workloads)


def test_choices_multiply(bench: Bench, asked_for: list[Asked]) -> None:
    words = ("--batch", "1,4,4", "--precision", "fp32,bf16", "--layout", "nhwc", "--mode", "eager,compile")
    bench("latency", "unet_resnet18", "pidnet_s", "unet_resnet18", *words, "--size", "64x96", "--classes", "19")
    found = asked_for[0].workloads
    assert len(found) == len(set(map(str, found))) == 2 * 2 * 2 * 2
    assert {(w.size, w.num_classes, w.layout) for w in found} == {((64, 96), 19, "nhwc")}


def test_a_card_is_timed_eagerly_and_as_a_graph() -> None:
    plain = [Workload(model=Component(name=name), num_classes=7, size=(8, 8)) for name in ("a", "b")]
    assert [(w.model.name, w.mode) for w in workloads(plain, "cuda:0")] == [
        ("a", "eager"),
        ("a", "graph"),
        ("b", "eager"),
        ("b", "graph"),
    ]
    assert workloads(plain, "cpu") == plain


SWEEP = """\
name: tiny
base:
  dataset: {name: landcover, tile_px: 64, train_tiles: 8, val_tiles: 2, test_tiles: 3}
  crop_px: 64
  batch_size: 2
  steps: 3
  source: urban
grid:
  model: [unet_resnet18, {name: pidnet_s, aux: false}]
  loss: [cross_entropy, ohem]
cost: {size: [32, 64], repeats: 2, budget_s: 1}
"""


def test_the_networks_of_a_sweep_are_taken_as_they_are_configured_there(
    bench: Bench, asked_for: list[Asked], tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    bench("latency", "--from", "tiny.yaml")
    bench("latency", "--from", "tiny.yaml", "--size", "96")
    first, second = asked_for
    assert [(w.model.name, w.model.options.get("aux"), w.size, w.num_classes) for w in first.workloads] == [
        ("unet_resnet18", None, (32, 64), 7),
        ("pidnet_s", False, (32, 64), 7),
    ]
    assert {w.size for w in second.workloads} == {(96, 96)}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("pidnet_x",), 2, ("unknown model 'pidnet_x'", "pidnet_")),
        (("--size", "512x"), 2, ("--size", "'512x' is no size", "512x512")),
        (("--size", "0"), 2, ("--size", "no size")),
        (("--batch", "1,-4"), 2, ("--batch", "1,4,16")),
        (("--precision", "fp8"), 2, ("--precision", "unknown precision 'fp8'", "fp")),
        (("--mode", "eager,"), 2, ("--mode", "unknown mode ''")),
        (("--repeats", "0"), 2, ("--repeats",)),
        (("--device", "cuda:77"), 5, ("there is no cuda:77",)),
        (("--from", "nothere.yaml"), 2, ("nothere.yaml",)),
        (("pidnet_s", "--from", "x.yaml"), 2, ("--from", "leave out one")),
    ],
    ids=lambda v: " ".join(v)[:30] if isinstance(v, tuple) else "",
)
def test_what_cannot_be_asked_for_is_one_line(
    bench: Bench, tmp_path: Path, words: tuple[str, ...], code: int, said: tuple[str, ...]
) -> None:
    got, out, err = bench("latency", *words)
    assert (got, out, err.count("\n")) == (code, "", 1), err
    for word in said:
        assert word in err
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ what it does

WORDS = ("latency", "unet_resnet18", "pidnet_s", "--size", "32", "--device", "cpu")


@pytest.mark.usefixtures("behave")
def test_the_table_of_a_measurement(bench: Bench, tmp_path: Path) -> None:
    code, out, err = bench(*WORDS)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split("  ")[0] == "model"
    assert "12.000 ± " in lines[1]
    assert "(n = 360)" in lines[1]
    assert "[" in lines[1]
    assert "†" not in out
    assert "3 records" in out
    assert "results/costs/stand-in/" in out
    assert "bench compare" in out
    assert "timing 2 workloads in 3 fresh processes on cpu, at most about" in err
    assert len(Store(tmp_path / "results").read().latencies) == 3


@pytest.mark.usefixtures("behave")
def test_json_holds_the_records(bench: Bench, tmp_path: Path) -> None:
    _, out, _ = bench(*WORDS, "--json")
    document = json.loads(out)
    stored = [s.record for s in Store(tmp_path / "results").latencies()]
    assert len(document["records"]) == 3
    assert sorted(r["repeat"] for r in document["records"]) == sorted(r.repeat for r in stored) == [1, 2, 3]
    assert str(tmp_path) not in out


@pytest.mark.parametrize(
    ("behaviour", "said", "records"),
    [
        ("raises in process 2", "process 2/3: unet_resnet18, pidnet_s: ValueError: a bad", 3),
        ("unborn", "process 1/3: died before it began: no interpreter today", 0),
    ],
)
def test_a_lost_process_is_one_line_and_an_exit_code(
    bench: Bench, behave: Behave, tmp_path: Path, behaviour: str, said: str, records: int
) -> None:
    behave(behaviour)
    code, _, err = bench(*WORDS)
    assert (code, err.count(said)) == (1, 1)
    assert "Traceback" not in err.replace("Traceback ...", "")
    assert len(Store(tmp_path / "results").latencies()) == records


@pytest.mark.usefixtures("behave")
def test_a_precision_that_fails_is_told_in_its_row_and_in_the_exit_code(bench: Bench) -> None:
    code, out, err = bench(*WORDS, "--precision", "fp32,fp16")
    assert code == 1
    assert out.count("failed: no fp16 here") == 2
    assert out.count("(n = 360)") == 2
    assert err.count("unet_resnet18, pidnet_s: no fp16 here") == 3


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 75)])
def test_a_signal_stops_at_once_and_keeps_what_is_finished(
    bench: Bench, behave: Behave, tmp_path: Path, name: str, code: int
) -> None:
    behave(f"hangs in process 2 asked to stop by {name}")
    got, out, err = bench(*WORDS)
    assert got == code
    assert "stopped: 1 of 3 processes stored" in err
    assert "(n = 120)" in out
    assert [s.record.repeat for s in Store(tmp_path / "results").latencies()] == [1]


@pytest.mark.usefixtures("behave")
def test_no_second_measurement_at_once(bench: Bench, tmp_path: Path) -> None:
    from bench.cli.stopping import alone

    with alone(Store(tmp_path / "results")):
        code, _, err = bench(*WORDS)
    assert code == 4
    assert "at work on these results" in err


# ------------------------------------------------------------------ the table


def finished(*timings: Timing, repeats: int = 3, device: str = "a card") -> list[Finished]:
    """Processes that all gave these timings."""
    common = {"session": "s", "repeats": repeats, "timings": timings, "canaries": {}, "threads": 1, "device": device}
    rest = {"machine": {}, "software": {"torch": "2.15.0"}, "commit": None, "dirty": None}
    return [
        Finished(
            n, LatencyRecord(repeat=n, **common, **rest, measured_utc=f"2026-11-20T12:00:0{n}Z"), Path("c/x/y.json")
        )
        for n in range(1, repeats + 1)
    ]


def timing(name: str, middle: float, /, times: dict[str, float] | None = None, **changes: Any) -> Timing:
    at = {k: changes.pop(k) for k in ("batch", "mode", "precision") if k in changes}
    workload = Workload(model=Component(name=name), num_classes=7, size=(64, 64), **at)
    known = {} if "failed" in changes else {"e2e": middle, **(times or {})}
    series_of = {name: series(value) for name, value in known.items()}
    usual = {"macs": 5, "params": 1, "weight_bytes": 4, "times": series_of, "converged": True, "verdict": "ok"}
    return Timing.model_validate({"workload": workload, **usual, **changes})


def shown(*timings: Timing) -> list[dict[str, str]]:
    header, rows, _ = timing_table(rows_of(finished(*timings)))
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_a_graph_stands_in_the_row_of_its_eager_twin() -> None:
    eager_one = timing("m", 8.0, {"device": 4.0, "enqueue": 7.0})
    (row,) = shown(eager_one, timing("m", 3.0, {"device": 2.5}, mode="graph"))
    assert (row["median [95 %]"], row["device"], row["graph"]) == ("8.000 [8.000, 8.000]", "4.000", "2.500")
    assert row["reported as"] == "7.000"
    (alone,) = shown(timing("m", 3.0, {"device": 2.5}, mode="graph"))
    assert (alone["device"], "graph" in alone) == ("2.500", False)


def test_a_graph_that_failed_or_cannot_be_is_told_beside_its_eager_twin() -> None:
    failed = timing("m", 1.0, mode="graph", failed="no capture")
    (row,) = shown(timing("m", 8.0, {"device": 4.0}), failed)
    assert ("graph" in row, row["flags"]) == (False, "graph failed: no capture")


def test_columns_are_those_in_which_rows_differ() -> None:
    rows = shown(timing("m", 8.0), timing("m", 9.0, batch=4, memory_bytes={"inference": 3 * 2**20}))
    assert [row["batch"] for row in rows] == ["1", "4"]
    assert [row["images/s"] for row in rows] == ["125.0", "444.4"]
    assert [row["memory (MiB)"] for row in rows] == ["", "3"]
    assert not {"mode", "precision", "layout", "device", "graph", "reported as"} & set(rows[0])


def test_energy_stands_where_it_was_asked_for() -> None:
    told_j = {"gross_j": 2.5, "net_j": 1.5, "flag": "only 20 calls"}
    first, second = shown(
        timing("m", 8.0, energy=told_j), timing("n", 8.0, energy={"gross_j": None, "reason": "untold"})
    )
    assert (first["J/image (net)"], first["flags"]) == ("2.500 (1.500)", "energy: only 20 calls")
    assert (second["J/image (net)"], second["flags"]) == ("", "energy: untold")


def test_a_figure_that_cannot_be_is_words_and_a_shaky_one_has_a_dagger() -> None:
    refused = timing("m", 5.0, verdict="impossible", refused="faster than the card")
    shaky = timing("n", 8.0, converged=False, not_converged="drift")
    first, second = shown(refused, shaky)
    assert (first["median [95 %]"], first["verdict"]) == ("", "refused: faster than the card")
    assert (second["median [95 %]"][-1], "not converged: drift" in second["flags"]) == ("†", True)
    assert told(finished(refused))[0] == "m on a card: refused: faster than the card"
    assert told(finished(shaky))[0].startswith("n on a card: 8.000 ± ")


# ------------------------------------------------------------------ the costs of a sweep


def a_sweep(**cost: Any) -> Sweep:
    runs = []
    for model in ("unet_resnet18", {"name": "pidnet_s", "pretrained": None}):
        for source in ("urban", "rural"):
            asked = {"model": model, "dataset": "landcover", "source": source, "evaluate_on": ("rural",), "steps": 3}
            config = names.resolve_config(RunConfig.model_validate(asked))
            runs.append(PlannedRun(name="x", run_id=names.id_of(config), config=config))
    request = CostRequest(**{"size": (32, 32), "repeats": 2, **cost})
    return Sweep(name="s", runs=tuple(runs), cost=request)


def measured(sweep: Sweep, results: Path) -> list[Any]:
    place = Place(store=Store(results), sweep="s")
    return list(measure_all(sweep, costs_left(sweep, "cpu", place.store), place))


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The networks that were counted; their records are stored without counting."""
    from bench.run import costs

    found: list[str] = []
    fake = type("Fake", (), {"macs": 5, "winograd_macs": 2, "fvcore": None, "fvcore_refused": "no time"})
    monkeypatch.setattr(costs.counts, "count", lambda network, shape: found.append(type(network).__name__) or fake)
    return found


@pytest.mark.usefixtures("behave", "counting")
def test_a_sweep_counts_and_times_each_network_once(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = costs_left(a_sweep(), "cpu", Store(results))
    assert [(c.model.name, c.num_classes, c.to_count, c.to_time) for c in left] == [
        ("unet_resnet18", 7, True, True),
        ("pidnet_s", 7, True, True),
    ]
    assert measured(a_sweep(), results) == left
    err = capsys.readouterr().err
    assert "[1/2] unet_resnet18 at 32x32: " in err
    assert "unet_resnet18 on " in err
    contents = Store(results).read()
    assert [len(s.record.timings) for s in contents.latencies] == [2, 2]
    assert sorted(s.record.model.name for s in contents.costs) == ["pidnet_s", "unet_resnet18"]
    assert all(s.record.latency is None for s in contents.costs)
    assert costs_left(a_sweep(), "cpu", Store(results)) == []
    assert [(c.to_count, c.to_time) for c in costs_left(a_sweep(repeats=3), "cpu", Store(results))] == [
        (False, True)
    ] * 2
    assert [c.to_count for c in costs_left(a_sweep(size=(32, 64)), "cpu", Store(results))] == [True, True]


@pytest.mark.usefixtures("behave", "counting")
def test_what_another_torch_or_protocol_timed_is_timed_again(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(a_sweep(), results)
    for place, value in (("bench.plan.costs.PROTOCOL", 99), ("bench.machine.version", lambda package: "0.1")):
        with monkeypatch.context() as patch:
            patch.setattr(place, value)
            assert [c.to_time for c in costs_left(a_sweep(), "cpu", Store(results))] == [True, True]


@pytest.mark.usefixtures("counting")
def test_counts_alone_where_no_latency_is_wanted(results: Path, behave: Behave) -> None:
    behave("unborn")
    assert len(measured(a_sweep(latency=False), results)) == 2
    assert costs_left(a_sweep(latency=False), "cpu", Store(results)) == []
    assert Store(results).latencies() == ()


@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize("behaviour", ["killed", "unborn", "refuses"])
def test_networks_that_cannot_be_timed_are_said_and_tried_again(
    results: Path, behave: Behave, capsys: pytest.CaptureFixture[str], behaviour: str
) -> None:
    behave(behaviour)
    assert measured(a_sweep(), results) == [None, None]
    assert {"killed": "killed by SIGKILL", "unborn": "no interpreter", "refuses": "not timed: a canary died"}[
        behaviour
    ] in capsys.readouterr().err
    assert [(c.to_count, c.to_time) for c in costs_left(a_sweep(), "cpu", Store(results))] == [(False, True)] * 2


@pytest.mark.usefixtures("behave")
def test_a_network_that_cannot_be_counted_is_said_and_the_other_one_stands(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(model: Component, *_: Any) -> Any:
        if model.name == "pidnet_s":
            raise ValueError("too\nsmall")
        return type("Record", (), {"params_deployed": 1, "macs": 1})

    monkeypatch.setattr("bench.run.costs.count", count)
    found = measured(a_sweep(), results)
    assert [c and c.model.name for c in found] == ["unet_resnet18", None]
    assert "[2/2] pidnet_s at 32x32: not counted: too small" in capsys.readouterr().err
    (timed,) = {len(s.record.timings) for s in Store(results).latencies()}
    assert timed == 1


@pytest.mark.usefixtures("behave", "counting")
def test_a_stop_leaves_the_rest_to_the_next_time(results: Path) -> None:
    place = Place(store=Store(results), sweep="s", stop=lambda: True)
    left = costs_left(a_sweep(), "cpu", place.store)
    assert list(measure_all(a_sweep(), left, place)) == []
    assert costs_left(a_sweep(), "cpu", place.store) == left


def test_where_weights_come_from_changes_no_cost() -> None:
    trained = Component(name="pidnet_s", options={"aux": True, "pretrained": "imagenet"})
    assert eager(trained, 7, CostRequest()).model.options == {"aux": True, "pretrained": None}
    assert CostLeft(trained, 7, True, False).model is trained


# ------------------------------------------------------------------ what people watch


@pytest.mark.usefixtures("behave")
def test_a_terminal_gets_a_bar_and_the_same_lines(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.cli.timing_progress.is_live", lambda stream: True)
    code, out, err = bench(*WORDS, "--precision", "fp32,fp16")
    assert (code, out.count("(n = 360)")) == (1, 2)
    assert "process 3/3: stored" in err
    assert "process 2/3: unet_resnet18, pidnet_s: no fp16 here" in err


def test_the_time_it_takes_at_most() -> None:
    from bench.cli.timing_progress import START_S, at_most_s
    from bench.cost.stopping import CPU_LIMITS, GPU_LIMITS

    two = tuple(Workload(model=Component(name=name), num_classes=7, size=(8, 8)) for name in "ab")
    assert at_most_s(Asked(workloads=two)) == 3 * (2 * CPU_LIMITS.cap_s + START_S)
    assert at_most_s(Asked(workloads=two, device="cuda:0", repeats=1)) == 2 * GPU_LIMITS.cap_s + START_S
    assert at_most_s(Asked(workloads=two, device="cuda", budget_s=1.0, repeats=1, energy=True)) == 2 * 31 + START_S
    assert at_most_s(Asked(workloads=two, budget_s=1.0, repeats=2, pause_s=30.0)) == 2 * (2 + START_S) + 30


def test_a_process_under_way_is_heard_of_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.cli import timing_progress
    from bench.run.latency import Beat

    lines = timing_progress.TimingLines(Asked(workloads=()))
    for quiet_s, said in ((1e9, ""), (-1.0, "process 2/3: 50%, at work\n")):
        monkeypatch.setattr(timing_progress, "QUIET_S", quiet_s)
        lines.event(Beat(2, "at work", 0.5))
        assert capsys.readouterr().err == said
