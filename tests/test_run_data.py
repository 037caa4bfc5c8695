"""A run on files: decoded once for all runs, looked at again by every one, sampled and scored as asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.datasets.camvid import camvid
from bench.datasets.folders import FolderDataset
from bench.run.attempt import attempt
from bench.run.checking import check
from bench.run.place import Place
from bench.spec import BenchError, PlannedRun, RunRecord
from bench.store import Store

Make = Callable[..., PlannedRun]
FILES: dict[str, Any] = {
    "dataset": "camvid",
    "source": "dusk",
    "evaluate_on": ("day", "dusk"),
    "resize_px": (64, 64),
    "crop_px": (48, 48),
    "steps": 2,
}


@pytest.fixture
def place(results: Path, camvid_root: Path) -> Place:
    return Place(store=Store(results), sweep="test", workers=1, data_root=camvid_root.parent)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    read = FolderDataset.read

    def noted(self: FolderDataset, index: int) -> Any:
        names.append(self.image_name(index))
        return read(self, index)

    monkeypatch.setattr(FolderDataset, "read", noted)
    return names


def last(run: PlannedRun, place: Place) -> Any:
    *_, found = attempt(run, place)
    return found


def test_a_second_run_decodes_nothing_and_records_the_same_data(
    planned: Make, place: Place, decoded: list[str], camvid_root: Path
) -> None:
    first = last(planned(**FILES), place)
    assert isinstance(first, RunRecord), first
    assert len(decoded) == len(set(decoded)) == 2 + 3
    decoded.clear()
    second = last(planned(**FILES, seed=1), replace(place, workers=8))
    assert decoded == []
    assert second.data_digests == first.data_digests
    assert first.data_digests["camvid/dusk:train"] == camvid(camvid_root, "dusk", "train").digest()
    assert (place.store.work / "cache").is_dir()


def test_a_file_that_breaks_between_runs_fails_the_second_with_its_path(
    planned: Make, place: Place, camvid_root: Path
) -> None:
    assert isinstance(last(planned(**FILES), place), RunRecord)
    broken = camvid_root / "test" / "0001TP_99.png"
    broken.write_bytes(broken.read_bytes()[:50])
    failure = last(planned(**FILES, seed=1), place)
    assert not isinstance(failure, RunRecord)
    assert "0001TP_99.png: cannot be " in failure.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"sampler": "class_balanced"},
        {"sampler": {"name": "rare_class", "min_pixels": 10}, "crop_max_share": 0.2},
        {"scoring": {"name": "sliding", "window_px": [32, 40], "stride_px": [16, 20], "flips": True}},
        {"scoring": {"name": "views", "scales": [0.5, 1.0]}},
    ],
    ids=lambda changes: "+".join(changes),
)
@pytest.mark.parametrize("domain", ["urban", "dusk"])
def test_samplers_and_scorings_decide_the_numbers(
    planned: Make, place: Place, changes: dict[str, Any], domain: str
) -> None:
    fields = FILES if domain == "dusk" else {"crop_px": (48, 48), "steps": 2}
    plain, other = planned(**fields), planned(**fields, **changes)
    assert other.run_id != plain.run_id
    assert planned(**fields, sampler="uniform", scoring="whole", crop_max_share=None).run_id == plain.run_id
    check([other.config], place)
    found, usual = last(other, place), last(plain, place)
    assert isinstance(found, RunRecord), found
    if "scoring" in changes:
        assert found.history.losses == usual.history.losses
    elif domain == "urban":  # dusk has but two images here
        assert found.history.losses != usual.history.losses
    assert {d: sum(map(sum, c)) for d, c in found.confusion.items()} == {
        d: sum(map(sum, c)) for d, c in usual.confusion.items()
    }
    assert (
        found.config.model_dump(mode="json")[next(iter(changes))]
        == other.config.model_dump(mode="json")[next(iter(changes))]
    )


def test_what_cannot_work_shows_before_anything_runs(planned: Make, place: Place) -> None:
    for changes, words in (
        ({"scoring": {"name": "sliding", "stride_px": [600, 1]}}, "does not fit windows"),
        ({"sampler": {"name": "rare_class", "temperature": -1}}, r"sampler\.temperature"),
    ):
        with pytest.raises(BenchError, match=words):
            check([planned(**changes).config], place)
