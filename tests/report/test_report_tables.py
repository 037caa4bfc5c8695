"""Records built in code -> the text between README's markers."""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from report_examples import (
    CLASSES,
    PIDNET,
    UNET,
    config,
    cost,
    counts,
    example,
    failure,
    planned,
    record,
    run_id,
    stored,
    stored_cost,
    with_images,
)
from report_hostile import PAYLOADS, hostile

from bench import scores
from bench.report import costs, places
from bench.report.leaderboard import score
from bench.report.render import render
from bench.report.results import Cell, Result
from bench.report.rows import boards
from bench.scores import Interval
from bench.spec import BenchError, Component, Measurement, Sweep
from bench.store import Contents, Store

HERE = Path(__file__).parent


def cells(text: str, start: str) -> list[list[str]]:
    """The rows of the first table whose header begins with `start`."""
    lines = text[f"\n{text}".index(f"\n| {start}") :].splitlines()
    table = [line for line in lines[: lines.index("")] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def column(text: str, start: str, name: str) -> list[str]:
    header, _, *rows = cells(text, start)
    return [row[header.index(name)] for row in rows]


# ------------------------------------------------------------------ the whole text


def test_golden_example(tmp_path, monkeypatch):
    """The example folder gives exactly golden/example.md, which a reviewer can open.

    The interval is replaced by mIoU ± 2 points: the golden file then depends on no random generator.
    """

    def two_points(per_image):
        value = scores.miou(np.asarray(per_image).sum(axis=0))
        return Interval(low=value - 0.02, high=value + 0.02, level=0.95, n=len(per_image), samples=1)

    monkeypatch.setattr(scores, "bootstrap_interval", two_points)
    text = render(example(tmp_path))
    golden = HERE / "golden" / "example.md"
    written = tmp_path / "example.md"
    written.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), f"if the change is meant, copy {written.name} over {golden.name}"


def test_empty_folder_says_so():
    assert "No runs yet." in render(Contents())
    assert "|" not in render(Contents())


def test_order_of_files_does_not_matter(tmp_path):
    contents = example(tmp_path)
    wanted = render(contents)
    for seed in range(5):
        mixed = {}
        for field in ("runs", "costs", "sweeps", "failures", "problems"):
            items = list(getattr(contents, field))
            random.Random(seed).shuffle(items)
            mixed[field] = tuple(items)
        assert render(replace(contents, **mixed)) == wanted


SCRIPT = """
import hashlib, sys, tempfile, pathlib
from report_examples import example
from bench.report.render import render
from bench.report import export, page
with tempfile.TemporaryDirectory() as folder:
    contents = example(pathlib.Path(folder))
    text = render(contents) + export.to_json(contents) + export.to_csv(contents) + page.to_html(contents)
print(hashlib.sha256(text.encode()).hexdigest(), *sorted({"torch", "pandas", "altair"} & set(sys.modules)))
"""


def test_same_bytes_in_any_surroundings_and_light_imports():
    """G1 of the promises: locale, time zone and hash seed change nothing; no torch, and nothing else that is heavy."""
    found = set()
    for locale, zone, seed in (("C", "UTC", "0"), ("tr_TR.UTF-8", "Asia/Kathmandu", "1")):
        surroundings = {"LC_ALL": locale, "TZ": zone, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{HERE}{os.pathsep}."}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, **surroundings},
            cwd=HERE.parents[1],
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout.strip())
    assert len(found) == 1
    assert re.fullmatch(r"[0-9a-f]{64}", found.pop())


def test_nothing_unmeasured_is_a_number(tmp_path):
    text = render(example(tmp_path))
    assert not re.search(r"\b(nan|NaN|inf|None|null)\b", text)
    for state in ("failed", "diverged", "out of memory", "interrupted", "planned"):
        (row,) = [r for r in cells(text, "place")[2:] if r[0].startswith(state)]
        header = cells(text, "place")[0]
        for name, cell in zip(header, row, strict=True):
            if name.startswith(("mIoU", "mean", "gap", "steps", "images")):
                assert cell == "", f"{state}: {name} shows {cell}"


# ------------------------------------------------------------------ hostile text


def structure(text: str) -> list[str]:
    """What a Markdown parser sees, words left out: any markup that came from a record changes it."""
    found = []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
        found.append(token.type)
        found += [f" {c.type}" for c in token.children or [] if c.type not in ("text", "code_inline", "text_special")]
    return found


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_hostile_text_changes_no_structure(payload):
    text, harmless = render(hostile(payload)), render(hostile("harmless"))
    assert structure(text) == structure(harmless)
    bars = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert bars == [line.count("|") for line in harmless.splitlines() if line.startswith("|")]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u200b\u202e\u2028\u2029\ufeff]", text)


def test_without_escaping_the_structure_changes(monkeypatch):
    """Negative control: with `escape` switched off the same check finds most payloads."""
    import bench.report.markdown as markdown

    harmless = structure(render(hostile("harmless")))
    for module in ("costs", "leaderboard", "models", "render"):
        if hasattr(sys.modules[f"bench.report.{module}"], "escape"):
            monkeypatch.setattr(sys.modules[f"bench.report.{module}"], "escape", markdown.Markup)
    monkeypatch.setattr(markdown, "escape", markdown.Markup)
    assert sum(structure(render(hostile(p))) != harmless for p in PAYLOADS) >= 20


# ------------------------------------------------------------------ which rows there are


def test_seeds_are_one_row_with_mean_and_std(tmp_path):
    runs = [with_images(n, tmp_path, (0.6, 0.5), config=config(seed=n)) for n in (1, 2, 3)]
    (board,) = boards(Contents(runs=tuple(runs)))
    (row,) = board.rows
    values = [scores.miou(r.record.confusion["landcover/urban"]) for r in runs]
    cell = row.cells["landcover/urban"]
    assert row.seeds == (1, 2, 3)
    assert cell.value == pytest.approx(np.mean(values))
    assert cell.std == pytest.approx(np.std(values, ddof=1))
    assert score(row, cell) == f"{100 * np.mean(values):.1f} ± {100 * np.std(values, ddof=1):.1f}"


def test_another_setting_is_another_row():
    runs = (stored(record(1)), stored(record(2, config=config(batch_size=8))))
    (board,) = boards(Contents(runs=runs))
    assert len(board.rows) == 2
    assert column(render(Contents(runs=runs)), "place", "settings") == ["batch size 4", "batch size 8"]


def test_only_the_newest_attempt_stands_in_the_table():
    old, new = record(1, right=(0.5, 0.5)), record(1, right=(0.9, 0.9))
    text = render(Contents(runs=(stored(new, attempt=10), stored(old, attempt=2), stored(old))))
    assert column(text, "place", "runs") == ["r-0000000000000001 (attempt 10)".join("``")]
    assert float(column(text, "place", "mIoU (%) urban")[0]) > 80


def test_reference_stands_beside_this_machine():
    text = render(Contents(runs=(stored(record(1)), stored(record(1), "reference"))))
    origins = sorted(cell.partition(";")[0] for cell in column(text, "place", "measured"))
    assert origins == ["reference", "this machine"]


def test_a_planned_run_with_a_reference_record_is_still_planned_here():
    sweep = Sweep(name="urban_rural", runs=(planned(1, config()),))
    shipped = stored(record(1), "reference")
    assert "planned" not in column(render(Contents(runs=(shipped,), sweeps=((sweep, "reference"),))), "place", "place")
    assert "planned" in column(render(Contents(runs=(shipped,), sweeps=((sweep, "local"),))), "place", "place")


def test_a_failure_of_no_plan_is_shown():
    text = render(Contents(failures=(failure(1, state="oom", reason="batch 6"),)))
    assert column(text, "place", "place") == ["out of memory: batch 6"]


def test_a_failed_rerun_is_noted_beside_its_record():
    text = render(Contents(runs=(stored(record(1)),), failures=(failure(1),)))
    assert "another attempt failed" in text
    assert column(text, "place", "place") == ["not ranked"]


def test_a_run_stands_in_every_sweep_that_plans_it_and_once_per_model():
    sweep = Sweep(name="again", runs=(planned(1, config()),))
    text = render(Contents(runs=(stored(record(1)),), sweeps=((sweep, "local"),)))
    assert text.count("#### again") == text.count("#### urban&#95;rural") + text.count("#### urban_rural") == 1
    assert len(cells(text, "VERSION")) == 3
    assert text.startswith("<!--")
    assert "\n1 runs (0 reference, 1 of this machine): 1 finished.\n" in text


def test_synthetic_data_is_called_so():
    real = record(2, synthetic=False, config=config(dataset=Component(name="camvid")))
    text = render(Contents(runs=(stored(record(1)), stored(real))))
    titles = [line for line in text.splitlines() if line.startswith(("#### urban", "Dataset:"))]
    assert len(titles) == 4
    assert all(("(synthetic data)" in line) == ("landcover" in line) for line in titles if "camvid" not in line)
    assert not any("synthetic" in line for line in titles if "camvid" in line)


def test_planned_runs_on_synthetic_data_are_called_so(monkeypatch):
    from bench import names

    monkeypatch.setattr(names, "dataset_info", lambda name: type("Info", (), {"synthetic": name == "landcover"})())
    sweep = Sweep(name="s", runs=(planned(1, config()),))
    assert "#### s: landcover (synthetic data)" in render(Contents(sweeps=((sweep, "local"),)))


def test_unreadable_files_are_named_without_their_folder():
    text = render(Contents(problems=(BenchError("is no record", file=Path("some/where/r-bad.json")),)))
    assert "- `r-bad.json`: is no record" in text
    assert "where" not in text.replace("[low, high]", "")


# ------------------------------------------------------------------ ranking


def test_a_demonstration_is_never_ranked(tmp_path):
    best = with_images(1, tmp_path, (0.99, 0.99), images_seen=199, source_images=200)
    whole = with_images(2, tmp_path, (0.5, 0.5), config=config(model=UNET), images_seen=200, source_images=200)
    text = render(Contents(runs=(best, whole)))
    assert column(text, "place", "place") == ["1", "demonstration"]
    assert column(text, "place", "images seen") == ["200 (1 x 200)", "199 (0.995 x 200)"]


def test_intervals_that_overlap_share_places(tmp_path):
    near = [with_images(n, tmp_path, (0.8, 0.8), config=config(batch_size=n)) for n in (1, 2)]
    far = with_images(3, tmp_path, (0.3, 0.3), config=config(batch_size=3))
    assert column(render(Contents(runs=(*near, far))), "place", "place") == ["1 to 2", "1 to 2", "3"]


bounds = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted), min_size=1, max_size=8)


def _ranges(intervals, place) -> list[tuple[int, int]]:
    known = [Cell(value=(low + high) / 2, low=low, high=high) for low, high in intervals]
    written = [place(cell, known).split(" to ") for cell in known]
    return [(int(w[0]), int(w[-1])) for w in written]


def _tells_apart_wrongly(intervals, ranges) -> bool:
    pairs = [
        (a, b, ra, rb) for a, ra in zip(intervals, ranges, strict=True) for b, rb in zip(intervals, ranges, strict=True)
    ]
    return any(a[0] <= b[1] and b[0] <= a[1] and not (ra[0] <= rb[1] and rb[0] <= ra[1]) for a, b, ra, rb in pairs)


@given(bounds)
def test_overlapping_intervals_always_share_a_place(intervals):
    assert not _tells_apart_wrongly(intervals, _ranges(intervals, places._place))


def test_ranking_by_the_mean_alone_is_caught():
    """Negative control: plain places by the mean tell overlapping intervals apart."""

    def by_mean(own, known):
        return str(1 + sum(other.value > own.value for other in known))

    intervals = [[0, 10], [1, 11]]
    assert _tells_apart_wrongly(intervals, _ranges(intervals, by_mean))


def test_other_labels_stand_in_another_table():
    runs = (stored(record(1)), stored(record(2, config=config(model=UNET), images_scored={"landcover/urban": 9})))
    first, second = boards(Contents(runs=runs))
    assert len(first.rows) == len(second.rows) == 1
    assert "scored on labels that differ" in second.notes[0]


def test_a_missing_domain_is_not_measured_and_not_ranked():
    whole, part = record(1), record(2, config=config(model=UNET), right=(0.9,))
    text = render(Contents(runs=(stored(whole), stored(part))))
    assert sorted(column(text, "place", "mIoU (%) rural"))[-1] == "not measured"
    assert text.count("#### urban_rural") == 1


@pytest.mark.parametrize(
    "confusion",
    [((1, 2), (3, 4)), ((0, 0, 0),) * 3, ((-1, 0, 0),) * 3, (), ((1, 2, 3), (1, 2), (1,))],
    ids=["other classes", "no pixel", "negative", "empty", "ragged"],
)
def test_counts_that_cannot_be_are_not_measured(confusion):
    broken = record(1).model_copy(
        update={"confusion": dict.fromkeys(("landcover/urban", "landcover/rural"), confusion)}
    )
    text = render(Contents(runs=(stored(broken),)))
    assert column(text, "place", "mIoU (%) urban") == ["not measured"]
    assert "<details>" not in text


def test_absent_classes_are_counted_and_named():
    two = ((50, 10, 0), (5, 60, 0), (0, 0, 0))
    found = record(1).model_copy(update={"confusion": dict.fromkeys(("landcover/urban", "landcover/rural"), two)})
    text = render(Contents(runs=(stored(found),)))
    assert column(text, "place", "mIoU (%) urban")[0].endswith("(2 of 3 classes)")
    assert column(text, "runs", "2 water") == ["absent", "absent"]


# ------------------------------------------------------------------ counts per image


def test_interval_is_the_bootstrap_of_the_stored_counts(tmp_path):
    found = with_images(1, tmp_path)
    cell = Result(found).cell("landcover/urban")
    wanted = scores.bootstrap_interval(counts(0.9, 1))
    assert (cell.low, cell.high) == (wanted.low, wanted.high)
    assert cell.low < cell.value < cell.high


def test_the_store_and_the_report_agree_on_the_file(tmp_path):
    store = Store(tmp_path / "results")
    own = record(1)
    store.add_run(own, {"landcover/urban": counts(0.9, 1), "landcover/rural": counts(0.7, 1)})
    (found,) = store.read().runs
    assert Result(found).cell("landcover/rural").low is not None
    store.add_run(own, {"landcover/urban": counts(0.9, 1), "landcover/rural": counts(0.7, 1)})
    assert all(Result(r).cell("landcover/rural").low is not None for r in store.read().runs)


def spoil(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "flipped":
        path.write_bytes(path.read_bytes()[:-1] + b"x")


@pytest.mark.parametrize("how", ["flipped", "gone", "other name", "other counts", "bomb", "no zip"])
def test_images_that_do_not_fit_give_no_interval(tmp_path, how):
    found = with_images(1, tmp_path)
    path = found.path.with_suffix(".images.npz")
    spoil(path, how)
    update = {}
    if how == "other name":
        update = {"images_file": "../../etc/passwd"}
    elif how in ("other counts", "bomb", "no zip"):
        array = np.zeros((10**6, 3, 3), dtype=np.int64) if how == "bomb" else counts(0.1, 5)
        np.savez_compressed(path, **{"landcover.urban": array, "landcover.rural": array})
        if how == "no zip":
            path.write_bytes(b"no zip at all")
        update = {"images_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    found = replace(found, record=found.record.model_copy(update=update))
    result = Result(found)
    assert result.cell("landcover/urban").low is None
    assert (result.problem == "") == (how == "gone")
    text = render(Contents(runs=(found,)))
    assert column(text, "place", "place") == ["not ranked"]
    assert (how == "gone") != ("is not used" in text)


# ------------------------------------------------------------------ costs and the table per model


def test_published_total_is_the_product_of_the_records_own_numbers():
    deeplab = cost(
        model=Component(name="deeplabv2_resnet101"), fvcore_total_training_graph=185_015_155_456, macs=184_519_925_760
    )
    text = costs.markdown([stored_cost(cost()), stored_cost(deeplab)])
    assert "PIDNet-S 6 x 6.317 G = 37.902 G" in text
    assert "DeepLabV2-ResNet101 6 x 185.015 G = 1.11 T" in text


@pytest.mark.parametrize(
    "changes",
    [{"input_shape": (1, 3, 256, 512)}, {"num_classes": 19}, {"fvcore_total_training_graph": None}, {"model": UNET}],
)
def test_published_total_is_not_claimed_elsewhere(changes):
    assert "Published totals" not in costs.markdown([stored_cost(cost(**changes))])


def test_flop_are_twice_the_macs_per_image_and_latency_names_its_device():
    text = costs.markdown([stored_cost(cost())])
    assert column(text, "model", "GMAC per image") == ["5.893"]
    assert column(text, "model", "GFLOP = 2 x GMAC") == ["11.786"]
    assert column(text, "model", "fvcore G") == ["5.933"]
    assert column(text, "model", "latency (ms), mean ± std") == ["10.000 ± 1.000 (n = 3)"]
    assert "Example CPU" in column(text, "model", "measured")[0]


def test_latency_in_other_units_is_converted_and_what_is_no_reading_is_not_shown():
    seconds = cost(latency=Measurement(unit="s", values=(0.010, 0.012)))
    assert "11.000 ± 1.414 (n = 2)" in costs.markdown([stored_cost(seconds)])
    for values, unit in (((1.0,), "parsec"), ((), "ms"), ((-1.0,), "ms"), ((1e308, 1e308), "ms")):
        text = costs.markdown([stored_cost(cost(latency=Measurement(unit=unit, values=values)))])
        assert column(text, "model", "latency (ms), mean ± std") == [""]
        assert not re.search(r"\b(nan|inf)\b", text)


def test_one_reading_has_no_standard_deviation():
    text = render(
        Contents(costs=(stored_cost(cost(latency=Measurement(unit="ms", values=(3.0,)))),), runs=(stored(record(1)),))
    )
    assert column(text, "model", "latency (ms), mean ± std") == ["3.000 (n = 1)"]
    assert "Standard deviation of inference time: not defined for one reading" in text


def test_a_refused_latency_is_words():
    refused = cost(latency=None, latency_refused="faster than the card can multiply")
    text = costs.markdown([stored_cost(refused)])
    assert column(text, "model", "median (ms)") == [""]
    assert "refused: faster than the card can multiply" in column(text, "model", "remarks")[0]


def test_the_newest_measurement_per_device_is_shown():
    old, new = cost(latency=Measurement(unit="ms", values=(99.0, 99.0))), cost(measured_utc="2026-12-01T00:00:00Z")
    text = costs.markdown([stored_cost(new), stored_cost(old), stored_cost(cost(device="Example GPU"))])
    assert column(text, "model", "median (ms)") == ["10.000", "10.000"]


def test_the_models_table_has_the_columns_the_field_uses():
    text = render(Contents(runs=(stored(record(1)),), costs=(stored_cost(cost()),)))
    assert cells(text, "VERSION")[0] == [
        *("VERSION", "DATA AUG", "SRC DOMAIN", "BATCH SIZE", "CRITERION", "OPTIMIZER", "SCHEDULER", "EPOCHS"),
        *("mIoU (%) (urban)", "mIoU (%) (rural)", "RUNS"),
    ]
    for line in ("Model parameters: 7624167 deployed", "FLOPs: 11.786 GFLOP", "Mean inference time: 10.000 ms"):
        assert f"\n{line}" in text
    assert "Standard deviation of inference time: 1.000 ms" in text
    assert column(text, "VERSION", "OPTIMIZER") == ["sgd(lr: 0.01, momentum: 0.9, weight_decay: 0.0005)"]


def test_unmeasured_costs_are_words():
    text = render(Contents(runs=(stored(record(1)),)))
    assert "Parameters, FLOPs and inference time: not measured." in text
    assert "### Costs" not in text


def test_examples_are_what_they_say():
    """The other tests rest on these: ids differ, classes fit, the model's label is known."""
    assert run_id(1) != run_id(2)
    assert len(CLASSES) == len(record(1).confusion["landcover/urban"])
    assert "PIDNet-S" in render(Contents(runs=(stored(record(1, config=config(model=PIDNET))),)))
