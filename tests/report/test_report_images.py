"""Counts per image -> intervals; files that do not fit their record give none."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_examples import (
    column,
    counts,
    record,
    with_images,
)

from bench import scores
from bench.report.render import render
from bench.report.results import Result
from bench.store import Contents, Store


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
