"""Which cells an entry of `exclude` takes away: by resolved values, by name alone, or as written."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweep_stand_ins.plug import stand_ins  # noqa: F401

from bench.sweep.cells import cells
from bench.sweep.check import check
from bench.sweep.document import read
from bench.sweep.exclusion import Exclusion
from bench.sweep.sections import Reader

BASE = "name: x\nbase: {model: unet, dataset: land, source: urban, steps: 5, crop_px: 32}\n"


def removed(tmp_path: Path, entries: str, text: str, resolved: bool = True) -> tuple[list[bool], list[str]]:
    """For each cell whether it goes; and the entries that took none."""
    file = tmp_path / "exclude.yaml"
    file.write_text(f"{BASE}exclude: {entries}\n{text}\n")
    found = Reader(read(file)).sections()
    exclusion = Exclusion(found.exclude)
    gone = [exclusion.removes(cell, check(cell)[0] if resolved else None) for cell in cells(found)]
    return gone, [".".join(map(str, where)) for where in exclusion.idle]


GRID = "grid: {loss: [cross_entropy, ohem, {name: ohem, threshold: 0.5}]}"


@pytest.mark.parametrize(
    ("entry", "gone"),
    [
        ("{loss: ohem}", [False, True, True]),
        ("{loss: [ohem]}", [False, True, True]),
        ("{loss: {name: ohem}}", [False, True, True]),
        ("{loss: {threshold: 0.5}}", [False, False, True]),
        ("{loss: {name: ohem, threshold: 0.9}}", [False, True, False]),
        ("{loss: {name: cross_entropy, threshold: 0.9}}", [False, False, False]),
        ("{loss.threshold: 0.5}", [False, False, True]),
        ("{loss.threshold: 0.9}", [False, True, False]),
        ("{loss.min_kept: 4096}", [False, True, True]),
        ("{loss.other: null}", [False, False, False]),
        ("{loss: ohem, seed: 0}", [False, True, True]),
        ("{loss: ohem, seed: 1}", [False, False, False]),
        ("{loss: ohem, steps: 6}", [False, False, False]),
        ("{source: urban}", [True, True, True]),
        ("{source: land/urban}", [True, True, True]),
        ("{source: rural}", [False, False, False]),
        ("{source: street/urban}", [False, False, False]),
        ("{evaluate_on: [urban, land/rural]}", [True, True, True]),
        ("{evaluate_on: [rural, urban]}", [False, False, False]),
        ("{evaluate_on: [urban]}", [False, False, False]),
        ("{evaluate_on: urban}", [False, False, False]),
        ("{target: null}", [True, True, True]),
        ("{target: urban}", [False, False, False]),
        ("{crop_px: 32}", [True, True, True]),
        ("{crop_px: [32, 32]}", [True, True, True]),
        ("{crop_px: [32, 33]}", [False, False, False]),
        ("{crop_px: {a: 1}}", [False, False, False]),
        ("{evaluate_every: 0}", [True, True, True]),
        ("{evaluate_every: false}", [False, False, False]),
        ("{compile: false}", [True, True, True]),
        ("{compile: 0}", [False, False, False]),
        ("{steps: 5.0}", [True, True, True]),
        ("{steps: [5]}", [False, False, False]),
    ],
)
def test_an_entry_takes_the_cells_that_agree_with_all_of_it(tmp_path: Path, entry: str, gone: list[bool]) -> None:
    assert removed(tmp_path, f"[{entry}]", GRID) == (gone, [] if any(gone) else ["exclude.0"])


@pytest.mark.parametrize("key", ["source", "target"])
def test_a_domain_is_the_same_with_its_dataset_and_without(tmp_path: Path, key: str) -> None:
    text = f"grid: {{{key}: [rural, aerial/north, land/urban]}}"
    for entry, gone in (("rural", [True, False, False]), ("aerial/north", [False, True, False])):
        assert removed(tmp_path, f"[{{{key}: {entry}}}]", text)[0] == gone
    for entry in ("urban", "land/urban"):
        assert removed(tmp_path, f"[{{{key}: {entry}}}]", text)[0] == [False, False, True]


def test_any_entry_takes_a_cell_and_those_that_took_none_are_named(tmp_path: Path) -> None:
    gone, idle = removed(tmp_path, "[{loss: {threshold: 0.9}}, {steps: 6}, {loss.threshold: 0.5}, {seed: 3}]", GRID)
    assert gone == [False, True, True]
    assert idle == ["exclude.1", "exclude.3"]


def test_what_is_included_stays_and_leaves_an_entry_idle(tmp_path: Path) -> None:
    assert removed(tmp_path, "[{steps: 6}]", "include: [{steps: 6}]") == ([False], ["exclude.0"])
    assert removed(tmp_path, "[{steps: 6}]", "grid: {steps: [6]}\ninclude: [{steps: 6}]") == ([True, False], [])
    assert removed(tmp_path, "[]", GRID) == ([False] * 3, [])


@pytest.mark.parametrize(
    ("entry", "gone"),
    [
        ("{loss: ohem}", [False, True, True]),
        ("{loss.threshold: 0.5}", [False, False, True]),
        ("{loss.min_kept: 4096}", [False, False, False]),  # a default that nobody has looked up
        ("{source: land/urban}", [True, True, True]),
        ("{source: street/urban}", [False, False, False]),
    ],
)
def test_a_cell_that_cannot_be_resolved_is_taken_as_written(tmp_path: Path, entry: str, gone: list[bool]) -> None:
    assert removed(tmp_path, f"[{entry}]", GRID, resolved=False)[0] == gone


@pytest.mark.parametrize("dataset", ["5", "[land]", "null", "{tile_px: 3}"])
def test_a_cell_of_no_dataset_has_domains_all_the_same(tmp_path: Path, dataset: str) -> None:
    gone, _ = removed(tmp_path, "[{source: urban}]", f"grid: {{dataset: [{dataset}], source: [urban, rural]}}")
    assert gone == [True, False]
