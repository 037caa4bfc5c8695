"""The sections of a sweep file: which keys there are, what one left out says, and what can be wrong with each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweep_stand_ins.plug import stand_ins  # noqa: F401

from bench.spec import Component, CostRequest
from bench.sweep import sections as module
from bench.sweep.document import read
from bench.sweep.sections import COMPONENTS, FIELDS, KEYS, Reader, Sections, TooMany


def reader(tmp_path: Path, text: str) -> Reader:
    file = tmp_path / "stem.yaml"
    file.write_text(text, encoding="utf-8")
    return Reader(read(file))


def sections(tmp_path: Path, text: str) -> Sections:
    reading = reader(tmp_path, text)
    found = reading.sections()
    assert reading.faults == []
    return found


def faults(tmp_path: Path, text: str) -> list[str]:
    """`line key: problem; remedy` of each."""
    reading = reader(tmp_path, text)
    reading.sections()
    return [f"{f.line} {f.key}: {f.problem}; {f.remedy}" for f in reading.faults]


def plain(points: Any) -> Any:
    """Settings as (key, value, place), whatever they stand in."""
    if isinstance(points, tuple):
        return [plain(point) for point in points]
    return (points.key, points.value, ".".join(map(str, points.where)))


# ------------------------------------------------------------------ what there is


def test_the_keys_of_a_file_are_these() -> None:
    words = "name about base grid zip include exclude seeds controls cost trackers"
    assert words.split() == list(KEYS)
    assert set(KEYS) & set(FIELDS) == set()
    assert "seed" not in FIELDS
    assert {"model", "steps", "augment"} <= set(FIELDS)
    assert " ".join(COMPONENTS) == "model dataset method loss optimizer groups scheduler sampler scoring"


def test_a_file_of_a_name_alone_has_these_defaults(tmp_path: Path) -> None:
    found = sections(tmp_path, "name: x\n")
    assert (found.name, found.about, found.base, found.axes, found.include) == ("x", "", (), (), ())
    assert (found.exclude, found.extra, found.trackers) == ((), (), ())
    assert (found.cost, found.controls, found.product) == (CostRequest(), False, True)
    assert plain(found.seeds) == [[("seed", 0, "seeds.0")]]


WHOLE = """\
# Why?
name: whole-1.2_x
base: {steps: 3, optimizer.lr: 0.5}
grid:
  model: [unet, pidnet_s]
  batch_size: [1]
zip:
  crop_px: [32, [48, 64]]
  steps: [1, 2]
include: [{steps: 9, seed_: 1}, {batch_size: 3}]
exclude: [{seed: 1, steps: 3}, {seed: 2}]
seeds: [4, 0]
controls: auto
cost: {size: 64}
trackers: [board, {name: other, port: 3}]
"""


def test_every_section_is_read_with_the_place_of_each_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "resolve", lambda kind, component: (kind, component))
    monkeypatch.setattr(module, "FIELDS", (*FIELDS, "seed_"))
    found = sections(tmp_path, WHOLE)
    assert (found.name, found.about) == ("whole-1.2_x", "Why?")
    assert plain(found.base) == [("steps", 3, "base.steps"), ("optimizer.lr", 0.5, "base.optimizer.lr")]
    assert [setting.head for setting in found.base] == ["steps", "optimizer"]
    assert plain(found.axes) == [
        [[("model", "unet", "grid.model.0")], [("model", "pidnet_s", "grid.model.1")]],
        [[("batch_size", 1, "grid.batch_size.0")]],
        [
            [("crop_px", 32, "zip.crop_px.0"), ("steps", 1, "zip.steps.0")],
            [("crop_px", [48, 64], "zip.crop_px.1"), ("steps", 2, "zip.steps.1")],
        ],
    ]
    assert plain(found.include) == [
        [("steps", 9, "include.0.steps"), ("seed_", 1, "include.0.seed_")],
        [("batch_size", 3, "include.1.batch_size")],
    ]
    assert plain(found.exclude) == [
        [("steps", 3, "exclude.0.steps"), ("seed", 1, "exclude.0.seed")],
        [("seed", 2, "exclude.1.seed")],
    ]
    assert plain(found.seeds) == [[("seed", 4, "seeds.0")], [("seed", 0, "seeds.1")]]
    assert found.controls is True
    assert found.cost == CostRequest(size=(64, 64))
    told: list[Any] = list(found.trackers)
    assert told == [("tracker", Component(name="board")), ("tracker", Component(name="other", options={"port": 3}))]


@pytest.mark.parametrize(
    ("rest", "product"),
    [("", True), ("include: []", False), ("include: []\ngrid: {}", True), ("include: []\nzip: {}", True)],
)
def test_listed_cells_alone_are_no_product(tmp_path: Path, rest: str, product: bool) -> None:
    assert sections(tmp_path, f"name: x\n{rest}\n").product is product


@pytest.mark.parametrize(
    ("line", "cost"),
    [
        ("true", CostRequest()),
        ("false", None),
        ("{}", CostRequest()),
        ("{size: 64}", CostRequest(size=(64, 64))),
        ("{size: [64, 96]}", CostRequest(size=(64, 96))),
        ("{repeats: 5, budget_s: 2}", CostRequest(repeats=5, budget_s=2)),
    ],
)
def test_cost_is_asked_for_or_not(tmp_path: Path, line: str, cost: CostRequest | None) -> None:
    assert sections(tmp_path, f"name: x\ncost: {line}\n").cost == cost


def test_an_own_about_stands_before_the_comment_and_on_one_line(tmp_path: Path) -> None:
    assert sections(tmp_path, "# Why?\nname: x\nabout: |\n  Be-\n  cause  \u202e\n").about == "Be- cause \\u202e"


def test_controls_may_be_said_to_be_none(tmp_path: Path) -> None:
    assert sections(tmp_path, "name: x\ncontrols: none\n").controls is False


@pytest.mark.parametrize("name", ["a", "0", "a" * 64, "a.b_c-1"])
def test_a_name_is_small_letters_digits_and_three_signs(tmp_path: Path, name: str) -> None:
    assert sections(tmp_path, f"name: '{name}'\n").name == name


def test_the_first_and_the_last_seed(tmp_path: Path) -> None:
    assert [p[0].value for p in sections(tmp_path, "name: x\nseeds: [0, 4294967295]\n").seeds] == [0, 4294967295]


def test_settings_are_equal_only_to_themselves(tmp_path: Path) -> None:
    one, other = (sections(tmp_path, "name: x\nbase: {steps: 3}\n").base[0] for _ in range(2))
    assert one == one
    assert one != other


# ------------------------------------------------------------------ what is wrong

RULE = "write at most 64 small letters, digits and . _ -, beginning with a letter or digit"
MAPPING = "is not a mapping; write `key: value` pairs, or leave the section out"
SEED = "is no seed; write whole numbers from 0 to 4294967295"
TRACKER = "is no tracker; write its name, or `{name: wandb, ...}`"
LENGTHS = "give zipped lists one length"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("base: {}", ["1 name: a sweep needs a `name`; write `name: stem`"]),
        ("name:", [f"1 name: nothing is no name for a sweep; {RULE}"]),
        ("name: 3", [f"1 name: 3 is no name for a sweep; {RULE}"]),
        ("name: ''", [f"1 name: '' is no name for a sweep; {RULE}"]),
        ("name: -a", [f"1 name: '-a' is no name for a sweep; {RULE}"]),
        ("name: A", [f"1 name: 'A' is no name for a sweep; {RULE}"]),
        ("name: " + "a" * 65, [f"1 name: '{'a' * 39}...{'a' * 9}' is no name for a sweep; {RULE}"]),
        ("name: x\nabout: 3", ["2 about: 3 is not text; write a sentence"]),
        ("name: x\nsteps: 3", ["2 steps: unknown key 'steps'; write it under `base`"]),
        ("name: x\noptimizer.lr: 3", ["2 optimizer.lr: unknown key 'optimizer.lr'; write it under `base`"]),
        ("name: x\nseedz: 3", ["2 seedz: unknown key 'seedz'; did you mean seeds?"]),
        ("name: x\nbase: 3", [f"2 base: 3 {MAPPING}"]),
        ("name: x\nbase: [1]", [f"2 base: a list of 1 {MAPPING}"]),
        ("name: x\nbase:", [f"2 base: nothing {MAPPING}"]),
        ("name: x\nbase: {stpes: 3}", ["2 base.stpes: unknown key 'stpes'; did you mean steps?"]),
        (
            "name: x\nbase: {seed: 3}",
            ["2 base.seed: a seed is no part of a configuration; write `seeds: [0, 1]` at the top level"],
        ),
        ("name: x\nbase: {grid: 3}", ["2 base.grid: unknown key 'grid'; write it at the top level of the file"]),
        ("name: x\nbase: {steps.a: 3}", ["2 base.steps.a: `steps` has no options; write the whole value of `steps`"]),
        ("name: x\nbase: {loss.: 3}", ["2 base.loss.: `loss.` names no option; write `loss.option`"]),
        ("name: x\nbase: {loss.a.b: 3}", ["2 base.loss.a.b: `loss.a.b` names no option; write `loss.option`"]),
        ("name: x\ngrid: 3", [f"2 grid: 3 {MAPPING}"]),
        ("name: x\ngrid: {steps: 3}", ["2 grid.steps: 3 is not a list; write the values as `[one, two]`"]),
        (
            "name: x\ngrid: {steps: []}",
            ["2 grid.steps: an axis without values makes no runs; give it values, or remove it"],
        ),
        ("name: x\nzip: {stpes: [1]}", ["2 zip.stpes: unknown key 'stpes'; did you mean steps?"]),
        ("name: x\nzip: 3", [f"2 zip: 3 {MAPPING}"]),
        ("name: x\nzip: {steps: x}", ["2 zip.steps: 'x' is not a list; write the values as `[one, two]`"]),
        (
            "name: x\nzip:\n  steps: [1, 2]\n  batch_size: [1]\n  epochs: [1, 2, 3]",
            [
                f"4 zip.batch_size: 1 values, but `steps` has 2; {LENGTHS}",
                f"5 zip.epochs: 3 values, but `steps` has 2; {LENGTHS}",
            ],
        ),
        (
            "name: x\ngrid: {steps: [1]}\nzip: {steps: [1]}",
            ["3 zip.steps: `steps` is an axis of `grid` too; keep one of them"],
        ),
        ("name: x\ngrid: [1]\nzip: {steps: [1]}", [f"2 grid: a list of 1 {MAPPING}"]),
        ("name: x\ninclude: x", ["2 include: 'x' is not a list; write a list of `{key: value}`"]),
        ("name: x\nexclude: {a: 1}", ["2 exclude: a mapping is not a list; write a list of `{key: value}`"]),
        ("name: x\ninclude: [{steps: 1}, {}]", ["2 include.1: an empty entry; write `{key: value}`"]),
        ("name: x\nexclude: [{}]", ["2 exclude.0: an empty entry; write `{key: value}`"]),
        ("name: x\ninclude: [{steps: 1}, 5]", [f"2 include.1: 5 {MAPPING}"]),
        ("name: x\nexclude: [seed]", [f"2 exclude.0: 'seed' {MAPPING}"]),
        (
            "name: x\ninclude: [{seed: 1}]",
            ["2 include.0.seed: a seed is no part of a configuration; write `seeds: [0, 1]` at the top level"],
        ),
        ("name: x\nseeds: 3", ["2 seeds: 3 is no list of seeds; write `seeds: [0, 1]`"]),
        ("name: x\nseeds: []", ["2 seeds: [] is no list of seeds; write `seeds: [0, 1]`"]),
        ("name: x\nseeds: {a: 1}", ["2 seeds: a mapping is no list of seeds; write `seeds: [0, 1]`"]),
        (
            "name: x\nseeds:\n  - x\n  - true\n  - -1\n  - 4294967296\n  - 1.5\n  - 3\n  - 3",
            [
                f"3 seeds.0: 'x' {SEED}",
                f"4 seeds.1: true {SEED}",
                f"5 seeds.2: -1 {SEED}",
                f"6 seeds.3: 4294967296 {SEED}",
                f"7 seeds.4: 1.5 {SEED}",
                "9 seeds.6: seed 3 a second time; keep one",
            ],
        ),
        ("name: x\ncontrols: yes", ["2 controls: 'yes' adds nothing; write `controls: auto`, or leave it out"]),
        ("name: x\ntrackers: board", ["2 trackers: 'board' is not a list; write `trackers: [tensorboard]`"]),
        ("name: x\ntrackers: [board, board]", ["2 trackers.1: 'board' a second time; keep one"]),
        ("name: x\ntrackers: [{name: board, port: 1}, board]", ["2 trackers.1: 'board' a second time; keep one"]),
        ("name: x\ntrackers: [bored]", ["2 trackers.0: unknown tracker 'bored'; did you mean board?"]),
        (
            "name: x\ntrackers:\n  - {name: board,\n     prt: 3}",
            ["4 trackers.0.prt: unknown option 'prt' of tracker 'board'; did you mean port?"],
        ),
        ("name: x\ncost: 64", ["2 cost: 64 is no request; write `cost: false` or `cost: {size: 512}`"]),
        ("name: x\ncost: [1]", ["2 cost: a list of 1 is no request; write `cost: false` or `cost: {size: 512}`"]),
        ("name: x\ncost:\n  sise: 3", ["3 cost.sise: unknown key 'sise'; did you mean size?"]),
        (
            "name: x\ncost:\n  repeats: many",
            ["3 cost.repeats: 'many' is not a whole number; write digits alone, such as 4"],
        ),
        ("name: x\ncost:\n  size: [64]", ["3 cost.size: a list of 1 is too short; write `[one, two]`"]),
        ("name: x\ncost:\n  size: true", ["3 cost.size: true is not a list; write `[one, two]`"]),
        (
            "name: x\ncost:\n  size: [64, 0]",
            ["3 cost.size.1: 0 is no value for it; input should be greater than or equal to 1"],
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_place(tmp_path: Path, text: str, wanted: list[str]) -> None:
    assert faults(tmp_path, text + "\n") == wanted


def test_each_entry_that_is_no_tracker_is_told(tmp_path: Path) -> None:
    found = faults(tmp_path, "name: x\ntrackers: [3, {port: 3}, {name: 3}, [board]]\n")
    assert [line.partition(":")[0] for line in found] == [f"2 trackers.{i}" for i in range(4)]
    assert all(TRACKER in line for line in found)


def test_what_can_be_read_is_read_beside_what_cannot(tmp_path: Path) -> None:
    reading = reader(
        tmp_path,
        "name: x\nbase: {stpes: 3, steps: 4}\ngrid: {steps: 3, batch_size: [1]}\nseeds: [x, 5]\n"
        "include: [{}, {steps: 1}]\ntrackers: [3, board]\ncost: 3\n",
    )
    found = reading.sections()
    assert plain(found.base) == [("steps", 4, "base.steps")]
    assert plain(found.axes) == [[[("batch_size", 1, "grid.batch_size.0")]]]
    assert plain(found.seeds) == [[("seed", 5, "seeds.1")]]
    assert plain(found.include) == [[("steps", 1, "include.1.steps")]]
    assert [tracker.name for tracker in found.trackers] == ["board"]
    assert found.cost is None
    assert len(reading.faults) == 6


@pytest.mark.parametrize("seeds", ["3", "[]", "[x]"])
def test_seeds_that_cannot_be_read_are_seed_nought(tmp_path: Path, seeds: str) -> None:
    assert plain(reader(tmp_path, f"name: x\nseeds: {seeds}\n").sections().seeds) == [[("seed", 0, "seeds.0")]]


def test_the_same_fault_is_told_once_and_the_hundredth_is_the_last(tmp_path: Path) -> None:
    assert module.MAX_FAULTS == 100
    reading = reader(tmp_path, "name: x\nbase: {" + ", ".join(f"k{i}: 1" for i in range(99)) + "}\n")
    reading.sections()
    assert len(reading.faults) == 99
    reading.fault(("base", "k3"), reading.faults[3].problem)
    assert len(reading.faults) == 99
    reading = reader(tmp_path, "name: x\nbase: {" + ", ".join(f"k{i}: 1" for i in range(101)) + "}\n")
    with pytest.raises(TooMany):
        reading.sections()
    assert len(reading.faults) == 100


def test_a_fault_without_a_remedy_has_none(tmp_path: Path) -> None:
    reading = reader(tmp_path, "name: x\n")
    reading.fault(("name",), "wrong")
    assert str(reading.faults[0]).endswith("name: wrong")
