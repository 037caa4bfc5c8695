"""Which rows a folder gives, in which state, and which places they may hold."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_examples import (
    CHANGES,
    NO_COLUMN,
    UNET,
    cells,
    column,
    config,
    failure,
    planned,
    record,
    stored,
    with_images,
)

from bench import scores
from bench.report import places, wording
from bench.report.leaderboard import score
from bench.report.render import STATES, render
from bench.report.results import Cell
from bench.report.rows import ENOUGH_STEPS, State, boards
from bench.report.settings import Differences
from bench.spec import BenchError, Component, Failure, RunConfig, Sweep
from bench.store import Contents

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
    assert "another attempt did not finish (failed: RuntimeError: no such thing)" in text
    assert column(text, "place", "place") == ["not ranked"]


@pytest.mark.parametrize("state", get_args(Failure.model_fields["state"].annotation))
def test_every_failure_is_counted_and_told_in_words(state):
    words = wording.state(state)
    text = render(Contents(failures=(failure(1, state=state, reason="so it was"),)))
    assert column(text, "place", "place") == [f"{words}: so it was"]
    assert column(text, "VERSION", "VERSION") == [f"0 ({words}: so it was)"]
    assert f"\n1 run (0 reference, 1 of this machine): 1 {words}.\n" in text


def test_a_state_that_is_no_word_has_words():
    assert wording.state("data", "no such folder") == "data fault: no such folder"
    assert wording.state("oom") == "out of memory"


def test_every_state_has_its_place_in_the_first_line():
    assert set(get_args(State)) == set(STATES)
    assert set(get_args(Failure.model_fields["state"].annotation)) < set(STATES)


# ------------------------------------------------------------------ settings


def test_every_field_is_changed_once():
    changed = {field for change in CHANGES for field in change}
    assert changed == set(RunConfig.model_fields) - {"dataset", "evaluate_on", "seed"}


def told_apart(contents: Contents, start: str) -> bool:
    """Whether the two rows differ in more than their number and their name."""
    header, _, *rows = cells(render(contents), start)
    places = [i for i, title in enumerate(header) if title not in ("VERSION", "RUNS", "place", "runs")]
    first, second = ([row[i] for i in places] for row in rows)
    return first != second


def finished(*configs: RunConfig) -> Contents:
    """Runs of the same scores."""
    counts = record(1).confusion
    return Contents(runs=tuple(stored(record(n, config=c, confusion=counts)) for n, c in enumerate(configs)))


def waiting(*configs: RunConfig) -> Contents:
    """Runs that have not started."""
    return Contents(sweeps=((Sweep(name="s", runs=tuple(planned(n, c) for n, c in enumerate(configs))), "local"),))


each_change = pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))


@each_change
@pytest.mark.parametrize("start", ["place", "VERSION"])
def test_rows_of_different_settings_never_look_alike(change, start):
    both = config(), config(**change)
    assert told_apart(waiting(*both), start)
    if "steps" not in change:  # however it was asked for, what was done is the same and has a column
        assert told_apart(finished(*both), start)


@each_change
@pytest.mark.parametrize("start", ["place", "VERSION"])
def test_without_the_settings_they_do(change, start, monkeypatch):
    """Negative control: the same check tells what no other column does."""
    monkeypatch.setattr(Differences, "settings", lambda self, own: "")
    silent = NO_COLUMN | {"precision"}
    if start == "place":
        silent |= {"batch_size", "resize_px", "crop_px", "augment", "optimizer"}
    assert told_apart(waiting(config(), config(**change)), start) != (next(iter(change)) in silent)


def test_what_all_rows_of_a_model_share_is_said_once():
    sliding = Component(name="sliding", options={"window_px": 64})
    runs = tuple(stored(record(n, config=config(scoring=sliding, batch_size=n))) for n in (1, 2))
    text = render(Contents(runs=runs))
    assert "\nIn every row: scoring sliding(window_px: 64)\n" in text
    assert "SETTINGS" not in text


def test_a_run_stands_in_every_sweep_that_plans_it_and_once_per_model():
    sweep = Sweep(name="again", runs=(planned(1, config()),))
    text = render(Contents(runs=(stored(record(1)),), sweeps=((sweep, "local"),)))
    assert text.count("#### again") == text.count("#### urban&#95;rural") + text.count("#### urban_rural") == 1
    assert len(cells(text, "VERSION")) == 3
    assert text.startswith("<!--")
    assert "\n1 run (0 reference, 1 of this machine): 1 finished.\n" in text


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


@pytest.mark.parametrize(
    ("facts", "place"),
    [
        ({"steps": 500, "images_seen": 2000}, "1"),
        ({"steps": 499, "images_seen": 1996}, "demonstration"),
        ({"steps": 500, "images_seen": 199}, "demonstration"),
        ({"steps": 500, "images_seen": 200}, "1"),
    ],
    ids=["enough", "few updates", "less than one pass", "one pass"],
)
def test_a_demonstration_is_never_ranked(tmp_path, facts, place):
    best = with_images(1, tmp_path, (0.99, 0.99), source_images=200, **facts)
    whole = with_images(2, tmp_path, (0.5, 0.5), config=config(model=UNET), source_images=200)
    text = render(Contents(runs=(best, whole)))
    assert sorted(column(text, "place", "place")) == sorted([place, "1" if place != "1" else "2"])
    assert f"fewer than {ENOUGH_STEPS} updates" in text


def test_a_pass_is_told_to_the_image(tmp_path):
    rows = [with_images(n, tmp_path, images_seen=seen, source_images=200) for n, seen in ((1, 199), (2, 200))]
    told = column(render(Contents(runs=tuple(rows))), "place", "images seen")
    assert sorted(told) == ["199 (0.995 x 200)", "200 (1 x 200)"]


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
