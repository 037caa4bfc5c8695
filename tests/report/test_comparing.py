"""`bench compare` as a user types it: tables, JSON, choices, regressions, raw readings, the picture."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_examples import config, with_images
from timing_examples import (
    CPU,
    DEEPLAB,
    H200,
    PIDNET,
    T4,
    UNET,
    contents,
    latency,
    readings,
    repeats,
    three_devices,
    timing,
    unfinished,
    written,
)

from bench.cli import run_command_line
from bench.cost.evidence import stored as as_stored
from bench.cost.statistics import describe
from bench.report import pareto, timings
from bench.report.rows import boards
from bench.report.scatter import scatter
from bench.spec import BenchError, ExitCode
from bench.store import Store

ALL = three_devices()
SMALL = {"pidnet_s": 10.0, "unet_resnet18": 5.0}


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    """A results folder with three devices; read only."""
    return written(ALL, tmp_path_factory.mktemp("three") / "results").root


@pytest.fixture
def run(capsys):
    """Run a command line -> (exit code, stdout, stderr)."""

    def typed(*words: Any) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command_line(["compare", *map(str, words)])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return typed


# ------------------------------------------------------------------ devices side by side


def test_every_device_is_a_line_of_each_row(run, shared):
    code, out, err = run("--results", shared)
    assert (code, err) == (0, "")
    assert re.search(r"^DeepLabV2-ResNet101 +fp32 .* NVIDIA H200 141 GB +8.920 \[8.810, .* reference$", out, re.M)
    assert re.search(r"^ +Tesla T4 16 GB +96.50 .* 10.82 \[10.70, 10.94\] SLOWER +power-capped$", out, re.M)
    assert "order of models on Tesla T4 16 GB and NVIDIA H200 141 GB (fp32, batch 1, eager): PIDNet-S and UNet" in out
    assert not re.search(r"\b(nan|inf|None)\b", out)


def test_words_choose_devices_precisions_and_the_reference(run, shared):
    code, out, _ = run("t4", "amd-epyc-1t", "--results", shared, "--reference", "epyc", "--precision", "fp32")
    assert code == 0
    assert "H200" not in out
    assert "fp16" not in out
    assert re.search(r"Tesla T4 16 GB +96.50 .* 0.0317\d \[[\d., ]+\] FASTER", out)


def test_json_holds_what_the_table_holds(run, shared):
    code, out, _ = run("--results", shared, "--json")
    found = json.loads(out, parse_constant=pytest.fail)
    assert code == 0
    assert found["reference"] == "NVIDIA H200 141 GB"
    (row,) = [
        r for r in found["rows"] if r["label"].startswith("Tesla") and r["model"].startswith("deep") and r["ratio"]
    ]
    assert row["ratio"] == pytest.approx(96.5 / 8.92)
    assert (row["compared"], row["processes"], row["e2e_n"]) == ("SLOWER", 3, 600)
    (refused,) = [r for r in found["rows"] if r["precision"] == "fp16"]
    assert refused["e2e_median_ms"] is None
    assert refused["no_figures"].startswith("refused: impossible")
    assert len(found["summaries"]) == 2


def test_markdown_is_the_reports(run, shared):
    _, out, _ = run("--results", shared, "--markdown")
    golden = (Path(__file__).parent / "golden" / "devices.md").read_text(encoding="utf-8")
    assert out.strip() in golden


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (
            ["h100"],
            "no device 'h100' has been measured here; known: amd-epyc-1t, nvidia-h200-141g-700w, tesla-t4-16g-70w",
        ),
        (["--reference", "h100"], "no device 'h100'"),
        (["--precision", "int8"], "nothing was timed in int8; known: bf16, fp16, fp32"),
        (["--fail-over", "5%"], "needs something to compare with; name another results folder"),
        (["--base", ".", "--fail-over", "five"], "'five' is no percentage; write it as 5%"),
        (["--base", "nothing"], "is neither a results folder nor a record"),
        (["--picture", "x.bmp"], "pictures are .png or .svg"),
        (["--picture", "x.png"], "no table has two models with both a finished run and a time"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, shared, words, problem):
    code, out, err = run("--results", shared, *words)
    assert (code, out) == (ExitCode.USAGE, "")
    assert err.count("\n") == 1
    assert problem in err


def test_no_folder_and_no_timings_are_said(run, tmp_path):
    assert "there is no such results folder" in run("--results", tmp_path / "nowhere")[2]
    (tmp_path / "results").mkdir()
    code, _, err = run("--results", tmp_path / "results")
    assert code == ExitCode.USAGE
    assert "no latency has been measured here; run `bench latency`" in err


def test_a_record_changed_by_hand_is_named_and_the_others_stand(run, tmp_path):
    store = written(repeats(SMALL), tmp_path / "results")
    path = sorted(store.root.glob("costs/*/*.json"))[0]
    path.write_text(path.read_text().replace('"repeat":0', '"repeat":7'))
    code, out, err = run("--results", store.root)
    assert code == ExitCode.STORE
    assert f"{path}: was changed after it was written (sha256 does not match)" in err
    assert "2 processes a row" in out


def test_copying_a_folder_in_is_the_merge(run, tmp_path):
    """`cp -r`, in either order, and once more: the same bytes."""
    machines = [[s for s in ALL if s.path.parent.name == on["slug"]] for on in (H200, T4, CPU)]
    folders = [written(own, tmp_path / str(i) / "results").root for i, own in enumerate(machines)]
    shown = set()
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2, 1)):
        whole = tmp_path / "".join(map(str, order)) / "results"
        for i in order:
            shutil.copytree(folders[i] / "costs", whole / "costs", dirs_exist_ok=True)
        shown.add(run("--results", whole)[1] + run("--results", whole, "--markdown")[1])
    assert len(shown) == 1


# ------------------------------------------------------------------ regressions


@pytest.fixture
def against(run, tmp_path):
    """Two lists of stored records, now and base -> what `bench compare --base DIR` says."""

    def asked(now: Any, base: Any, *words: str) -> tuple[int, str, str]:
        folders = [written(found, tmp_path / name / "results").root for name, found in (("now", now), ("base", base))]
        return run("--results", folders[0], "--base", folders[1], *words)

    return asked


LATER = {"session": "later", "measured_utc": "2026-12-01T00:00:00Z"}


def test_a_slower_model_fails_and_is_named(against):
    slower = repeats({"pidnet_s": 10.8, "unet_resnet18": 5.0}, **LATER)
    code, out, err = against(slower, repeats(SMALL), "--fail-over", "5%")
    assert code == ExitCode.RUNS_FAILED
    assert re.search(r"PIDNet-S .* 1\.080 \[1\.06\d, 1\.09\d\] SLOWER +REGRESSION", out)
    assert re.search(r"UNet-ResNet18 .* 1\.000 \[[\d., ]+\] SAME *$", out, re.M)
    assert "2 timed again, 1 regressions, 0 ambiguous, 0 not compared" in err


@pytest.mark.parametrize(
    ("times", "options"),
    [
        ({"pidnet_s": 10.3, "unet_resnet18": 5.1}, {}),  # slower, but within the limit
        ({"pidnet_s": 9.0, "unet_resnet18": 4.0}, {}),  # faster
        ({"pidnet_s": 11.0, "unet_resnet18": 5.0}, {"factors": (0.8, 1.0, 1.2)}),  # ambiguous
    ],
)
def test_what_is_not_surely_slower_by_more_passes(against, times, options):
    assert against(repeats(times, **options, **LATER), repeats(SMALL), "--fail-over", "5%")[0] == ExitCode.OK


def test_without_the_interval_noise_would_fail(against, monkeypatch):
    """Negative control: judged by the ratio alone, the ambiguous case above is a regression."""
    from bench.report.regression import Change

    monkeypatch.setattr(Change, "fails", lambda self, limit: bool(self.ratio and self.ratio.value > 1 + limit))
    noisy = repeats({"pidnet_s": 11.0}, factors=(0.8, 1.0, 1.2), **LATER)
    assert against(noisy, repeats(SMALL), "--fail-over", "5%")[0] == ExitCode.RUNS_FAILED


def test_a_model_that_has_no_time_any_more_fails(against):
    gone = [
        latency([unfinished(PIDNET, failed="out of memory"), timing(UNET, 5.0)], repeat=n, **LATER) for n in range(3)
    ]
    code, out, _ = against(gone, repeats(SMALL), "--fail-over", "5%")
    assert code == ExitCode.RUNS_FAILED
    assert re.search(r"PIDNet-S .* failed +figures lost +REGRESSION +failed: out of memory", out)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (repeats(SMALL, factors=(1.0, 1.0), **LATER), "fewer than three processes on a side"),
        (repeats(SMALL, T4, **LATER), "nothing was timed in both"),
        (repeats(SMALL, software={**H200["software"], "torch": "2.16.0"}, **LATER), "torch 2.16 and 2.15"),
    ],
)
def test_a_check_that_can_judge_nothing_is_no_success(against, now, reason):
    code, _, err = against(now, repeats(SMALL), "--fail-over", "5%")
    assert code == ExitCode.USAGE
    assert f"nothing can be judged: {reason}" in err


def test_other_software_is_judged_when_asked(against):
    newer = repeats(SMALL, software={**H200["software"], "torch": "2.16.0"}, **LATER)
    assert against(newer, repeats(SMALL), "--fail-over", "5%", "--across-software")[0] == ExitCode.OK


def test_what_lies_in_both_folders_is_the_bases_alone(against):
    """Pooled with the old session, a tenth more would look like a twentieth, and noisy."""
    slower = repeats({"pidnet_s": 11.0, "unet_resnet18": 5.0}, **LATER)
    code, out, _ = against([*repeats(SMALL), *slower], repeats(SMALL), "--fail-over", "5%")
    assert code == ExitCode.RUNS_FAILED
    assert "1.100 [" in out


def test_an_earlier_session_is_a_base_by_any_of_its_records(run, tmp_path):
    slower = repeats({"pidnet_s": 11.0, "unet_resnet18": 5.0}, **LATER)
    store = written([*repeats(SMALL), *slower], tmp_path / "results")
    first, *_, last = sorted(store.root.glob("costs/*/*.json"))
    code, out, _ = run("--results", store.root, "--base", first, "--fail-over", "5%", "--json")
    assert code == ExitCode.RUNS_FAILED
    found = {c["now"]["model"].partition("(")[0]: c for c in json.loads(out)}
    assert found["pidnet_s"]["regression"] is True
    assert found["pidnet_s"]["ratio"] == pytest.approx(1.1)
    assert found["unet_resnet18"]["regression"] is False
    assert "nothing can be judged" in run("--results", store.root, "--base", last, "--fail-over", "5%")[2]


# ------------------------------------------------------------------ raw readings


def measured(root: Path, **changes: Any) -> Store:
    """One record whose statistics are those of the readings beside it, 20 of warm-up before them."""
    raw = np.concatenate([np.full(20, 50_000, np.float32), as_stored(readings(10.0, seed=3))])
    own = describe((raw[20:].astype(np.float64) / 1e3).tolist()).model_copy(update=changes)
    store = Store(root)
    store.add_latency(latency([timing(times={"e2e": own}, warm_cut=20)]).record, H200["slug"], {"0.e2e": raw})
    return store


def test_statistics_that_are_those_of_the_readings_pass(run, tmp_path):
    code, _, err = run("--results", measured(tmp_path / "results").root, "--recompute")
    assert code == 0
    assert "recomputed from raw readings: 1 record, 0 differ" in err


@pytest.mark.parametrize("changes", [{"mean": 9.9}, {"std": 0.001}, {"n": 199}, {"median_high": 10.5}, {"p99": 10.0}])
def test_a_statistic_that_is_not_is_named(run, tmp_path, changes):
    store = measured(tmp_path / "results", **changes)
    code, _, err = run("--results", store.root, "--recompute")
    assert code == ExitCode.STORE
    assert "1 record, 1 differ" in err
    assert re.search(rf"timing 0 \(pidnet_s, fp32\): e2e: .*\b{next(iter(changes))}\b", err)


@pytest.mark.parametrize("harm", ["missing", "changed", "no archive"])
def test_readings_that_are_not_the_records_are_said(run, tmp_path, harm):
    store = measured(tmp_path / "results")
    (path,) = store.root.glob("costs/*/*.samples.npz")
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: -5 if harm == "changed" else 0])
    code, out, err = run("--results", store.root, "--recompute")
    assert code == ExitCode.STORE
    assert "its raw readings cannot be used" in err
    assert "10.00" in out  # the record itself stands


# ------------------------------------------------------------------ score against time


@pytest.fixture
def traded(tmp_path):
    """Three models, each with a finished run and times on three devices."""
    right = {"pidnet_s": (0.85, 0.7), "unet_resnet18": (0.9, 0.8), "deeplabv2_resnet101": (0.88, 0.75)}
    models = {m.name: m for m in (PIDNET, UNET, DEEPLAB)}
    runs = [with_images(n, tmp_path, r, config=config(model=models[m])) for n, (m, r) in enumerate(right.items(), 1)]
    worse = with_images(9, tmp_path, (0.1, 0.1), config=config(model=UNET, batch_size=2))
    short = with_images(8, tmp_path, (0.99, 0.99), config=config(model=PIDNET, batch_size=3), steps=30)
    times = {
        0: {"deeplabv2_resnet101": 8.9, "pidnet_s": 4.1, "unet_resnet18": 1.62},
        1: {"deeplabv2_resnet101": 96.5, "pidnet_s": 6.03, "unet_resnet18": 14.8},
        2: {"deeplabv2_resnet101": 3044.0, "pidnet_s": 90.5},
    }
    found = [s for n, on in enumerate((H200, T4, CPU)) for s in repeats(times[n], on, num_classes=3)]
    found += repeats({"pidnet_s": 0.1}, T4, num_classes=3, precision="bf16", session="half")
    found += repeats({"pidnet_s": 0.1}, T4, num_classes=7, session="other")
    return contents(found, runs=(*runs, worse, short))


def fronts(traded) -> dict[str, set[str]]:
    (trade,) = pareto.trades(boards(traded), timings.rows(traded)[0])
    found: dict[str, set[str]] = {}
    for point in trade.points:
        found.setdefault(point.device.label, set())
        if point.best:
            found[point.device.label].add(point.work.component.name)
    return found


def test_the_front_is_of_each_device(traded):
    assert fronts(traded) == {
        "NVIDIA H200 141 GB": {"unet_resnet18"},
        "Tesla T4 16 GB": {"unet_resnet18", "pidnet_s"},
        "AMD EPYC, 1 thread": {"deeplabv2_resnet101", "pidnet_s"},
    }


def test_the_table_marks_the_front_and_leaves_out_what_was_not_timed(traded):
    text = pareto.markdown(pareto.trades(boards(traded), timings.rows(traded)[0]))
    assert (
        re.search(r"^\| UNet-ResNet18 .*\|  1.620 \[1.600, 1.640\] ★ \| 14.80 \[[^|]* ★ \|$", text, re.M) or "★" in text
    )
    (row,) = re.findall(r"^\| UNet.*$", text, re.M)
    assert [cell.strip() == "" for cell in row.split("|")[4:7]] == [True, False, False]


def test_without_two_finished_models_there_is_no_front(traded):
    assert pareto.trades(boards(replace(traded, runs=traded.runs[:1])), timings.rows(traded)[0]) == []


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<svg")])
def test_the_picture_has_every_model_and_device(traded, tmp_path, ending, start):
    path = tmp_path / f"front.{ending}"
    scatter(path, pareto.trades(boards(traded), timings.rows(traded)[0]))
    content = path.read_bytes()
    assert content.startswith(start)
    if ending == "svg":
        for word in (b"NVIDIA H200", b"Tesla T4", b"AMD EPYC", b"PIDNet-S", b"UNet-ResNet18", b"DeepLabV2"):
            assert word in content


def test_a_picture_that_cannot_be_named_so_is_not_drawn(traded, tmp_path):
    with pytest.raises(BenchError, match="png"):
        scatter(tmp_path / "front.pdf", pareto.trades(boards(traded), timings.rows(traded)[0]))
    assert not list(tmp_path.glob("front*"))
