"""`bench shift`: distances that see the dial that was turned, and help at test time that fits the shift."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.cli import run_command_line
from bench.datasets.appearance import LOW, OCTAVES, SIDE, _spectrum, distances, looks, within
from bench.datasets.landcover import landcover
from bench.models.segmodel import SegModel
from bench.run import remedies as module
from bench.run.attempt import attempt
from bench.run.place import Place
from bench.run.remedies import remedies
from bench.run.training import Run
from bench.spec import BenchError, PlannedRun, RunRecord
from bench.store import Store

Capture = pytest.CaptureFixture[str]


def dialled(**dials: float) -> dict[str, float]:
    """Distances between the two domains with these dials turned, in units of chance."""
    full = {"appearance": 0.0, "label_shift": 0.0, "layout": 0.0, **dials}
    one, other = (
        looks(landcover(None, domain, "train", tile_px=32, train_tiles=80, **full), 80)  # type: ignore[arg-type]
        for domain in ("urban", "rural")
    )
    chance = within(one)
    assert chance is not None
    return {name: value / chance[name] for name, value in distances(one, other).items()}


def test_each_dial_moves_its_own_distance() -> None:
    looking, holding, alike = dialled(appearance=1.0), dialled(label_shift=1.0), dialled()
    assert looking["colours"] > 20 * alike["colours"]
    assert holding["class_shares"] > 20 * alike["class_shares"]
    assert looking["class_shares"] == pytest.approx(alike["class_shares"])
    assert max(alike.values()) < 8


def test_distances_are_nothing_to_oneself_and_alike_both_ways() -> None:
    one, other = (looks(landcover(None, d, "val", tile_px=32, val_tiles=6), 6) for d in ("urban", "rural"))
    assert set(distances(one, one).values()) == {0.0}
    there, back = distances(one, other), distances(other, one)
    assert there == pytest.approx(back)
    assert min(there.values()) > 0
    assert within(one.part(slice(1))) is None


@pytest.mark.parametrize(("waves", "octave"), [((1, 1), 1), ((2, 3), 2), ((4, 7), 3), ((8, 15), 4), ((32, 60), 6)])
def test_noise_of_some_frequencies_is_found_in_its_octave(waves: tuple[int, int], octave: int) -> None:
    rng = np.random.default_rng(0)
    rows = np.minimum(np.arange(SIDE), SIDE - np.arange(SIDE))
    radius = np.floor(np.hypot(rows[:, None], np.arange(SIDE // 2 + 1)))
    spectrum = np.fft.rfft2(rng.normal(size=(SIDE, SIDE))) * ((radius >= waves[0]) & (radius <= waves[1]))
    noise = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    image = np.repeat((128 + 40 * noise / np.abs(noise).max())[..., None], 3, 2).astype(np.uint8)
    louder = _spectrum(image) - _spectrum(np.full_like(image, 128))
    assert louder.shape == (3, OCTAVES)
    assert (louder.argmax(1) == octave).all()
    assert (octave < LOW) == (waves[1] < 8)


def test_images_are_bounded_and_spread() -> None:
    dataset = landcover(None, "urban", "train", tile_px=32, train_tiles=50)
    seen: list[int] = []
    assert len(looks(dataset, 20, tick=lambda: seen.append(1))) == len(seen) == 17
    assert len(looks(dataset, 99)) == 50


# ------------------------------------------------------------------ a run's weights


@pytest.fixture
def done(
    planned: Callable[..., PlannedRun], results: Path, four_convs: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[RunRecord, Place]:
    monkeypatch.setattr(Run, "draw", lambda *_: None)
    place = Place(store=Store(results), sweep="test", workers=1)
    dataset = {"name": "landcover", "tile_px": 32, "train_tiles": 6, "val_tiles": 2, "test_tiles": 3}
    *_, record = attempt(planned(model=four_convs, dataset=dataset, crop_px=(32, 32)), place)
    assert isinstance(record, RunRecord)
    return record, place


def rows(done: tuple[RunRecord, Place]) -> dict[str, module.Remedy]:
    return {row.name: row for row in _remedies(*done)}


def _remedies(record: RunRecord, place: Place) -> list[module.Remedy]:
    return remedies(record, "landcover/urban", "landcover/rural", place, lambda name: None)


def test_what_is_scored_as_it_is_is_the_record(done: tuple[RunRecord, Place]) -> None:
    from bench.scores import miou

    found = rows(done)
    assert found["source as it is"].miou == miou(done[0].confusion["landcover/urban"])
    assert found["target as it is"].miou == miou(done[0].confusion["landcover/rural"])
    assert len(found) == 8
    assert all(row.miou is not None for row in found.values())


class Tinted(SegModel):
    """Right on images of the source's brightness: class 1 where a pixel is brighter than `level`."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = level

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        bright = images.mean(1, keepdim=True) - self.level
        return {"out": torch.cat([-bright, bright, *[bright * 0 - 99] * 5], 1) * 5}


def test_the_help_that_fits_the_shift_closes_the_gap(
    done: tuple[RunRecord, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Source and target show the same, the target darker: colours close the gap, class shares do not."""
    from bench.cache import Split

    halves = torch.zeros(4, 3, 16, 16, dtype=torch.uint8)
    labels = torch.zeros(4, 16, 16, dtype=torch.uint8)
    labels[:, :, 8:] = 1
    counts = torch.stack([(labels == k).flatten(1).sum(1) for k in range(7)], 1).numpy()

    def read(config: object, domain: str, split: str, place: object) -> Split:
        low, high = (100, 200) if domain.endswith("urban") else (20, 60)
        images = torch.where(labels[:, None] == 1, high, low).to(torch.uint8).expand_as(halves).contiguous()
        return Split(images, labels, tuple("abcd"), "", counts)

    monkeypatch.setattr(module, "read", read)
    monkeypatch.setattr(module, "chosen", lambda record, place: Tinted(0.45).eval())
    found = rows(done)
    assert found["source as it is"].miou == 1.0
    assert (found["target as it is"].miou or 0) < 0.5
    assert found["colours of the source"].closes == pytest.approx(1.0)
    assert found["true class shares of the target"].closes == pytest.approx(0.0, abs=1e-6)
    assert "batch normalisation" in found["statistics of BN from the target"].why_not


def test_weights_that_are_gone_are_told(done: tuple[RunRecord, Place]) -> None:
    record, place = done
    (place.store.run_folder(record.run_id) / "chosen.pt").unlink()
    with pytest.raises(BenchError, match=r"weights of tiny are not there; run it again"):
        rows((record, replace(place)))


# ------------------------------------------------------------------ the command


def told(*words: str) -> int:
    return run_command_line(["shift", *words])


def test_the_command(done: tuple[RunRecord, Place], results: Path, tmp_path: Path, capsys: Capture) -> None:
    run, where = done[0].run_id, ["landcover", "--source", "urban", "--target", "rural", "--results", str(results)]
    assert told(*where, "--run", run, "--json", "--picture", str(tmp_path / "shares.png")) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["distances"]["between"]) == {"class_shares", "colours", "low_frequencies", "high_frequencies"}
    assert len(found["remedies"]) == 8
    assert (tmp_path / "shares.png").read_bytes()[:4] == b"\x89PNG"
    assert told(*where, "--run", run) == 0
    assert "colours of the source" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--source", "urban", "--target", "moon"], "no domain 'moon'; choose one of: urban, rural"),
        (["--source", "urban", "--target", "urban"], "urban is both"),
        (["--source", "urban", "--target", "rural", "--run", "r-0"], "no record of run 'r-0'"),
    ],
)
def test_what_cannot_be_is_one_line(words: list[str], said: str, results: Path, capsys: Capture) -> None:
    assert told("landcover", *words, "--results", str(results)) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
