"""What shows only where parts are built or a store is looked into, told with the line of the sweep file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli import run_command_line
from bench.spec import BenchError, PlannedRun
from bench.store import Store
from bench.sweep import load_sweep, locator, problems

Bench = Callable[..., tuple[int, str, str]]
OTHER = "r-0123456789abcdef"
TOP = """\
name: late
base:
  dataset: {name: landcover, tile_px: 32, train_tiles: 8, val_tiles: 2, test_tiles: 2}
  model: four_convs
  source: urban
  target: rural
  crop_px: 32
  batch_size: 2
  steps: 3
cost: false
"""


@pytest.fixture
def bench(
    four_convs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Bench:
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        code = run_command_line(list(words))
        return (code, *capsys.readouterr())

    return run


def written(base: str = "", rest: str = "") -> Path:
    """A sweep file whose line 3 is `base` and whose last lines, from 11 or 12 on, are `rest`."""
    text = TOP.replace("base:\n", f"base:\n  {base}\n") if base else TOP
    file = Path("late.yaml")
    file.write_text(text + rest, encoding="utf-8")
    return file


STAGES = [
    ("{name: by_stage, frozen: [stem], thaw: 1.5}", "thaw", "share of the run"),
    ("{name: by_stage, thaw: 0.5}", "thaw", "without `frozen`"),
    ("{name: by_stage, first: 0.1, rest: 0.1}", "rest", "keep one"),
    ("{name: by_stage, head: 0}", "head", "above 0"),
]


@pytest.mark.parametrize(("groups", "key", "words"), STAGES)
def test_groups_that_cannot_be_are_told_by_validate(bench: Bench, groups: str, key: str, words: str) -> None:
    code, out, err = bench("validate", str(written(f"groups: {groups}")))
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("bench: error: late.yaml:3:")
    assert f": base.groups.{key}: " in err
    assert words in err


def test_groups_that_can_be_are_let_through(bench: Bench) -> None:
    """Negative control: the same file with numbers that fit."""
    fine = "groups: {name: by_stage, frozen: [stem], thaw: 0.5, first: 0.1}"
    assert bench("validate", str(written(fine))) == (0, "late.yaml: 1 run, no fault\n", "")


NEEDS = [
    (f"init: {OTHER}", "", 3, "base.init"),
    (f"method: {{name: distillation, teacher: {OTHER}}}", "", 3, "base.method.teacher"),
    (f"method: [fda, {{name: distillation, teacher: {OTHER}}}]", "", 3, "base.method.teacher"),
    ("", f"grid:\n  loss: [cross_entropy, dice]\n  init: [null, {OTHER}]\n", 13, "grid.init.1"),
    ("", f"include:\n- {{steps: 4}}\n- {{init: {OTHER}}}\n", 13, "include.1.init"),
]


@pytest.mark.parametrize("words", [("validate",), ("sweep", "--dry-run"), ("sweep", "--executor", "inline")])
@pytest.mark.parametrize(("base", "rest", "line", "key"), NEEDS)
def test_a_run_that_is_not_there_is_told_where_it_is_named(
    bench: Bench, words: tuple[str, ...], base: str, rest: str, line: int, key: str
) -> None:
    code, _, err = bench(words[0], str(written(base, rest)), *words[1:])
    assert (code, err.count("\n")) == (3, 1), err
    assert err.startswith(f"bench: error: late.yaml:{line}:")
    assert f": {key}: {OTHER} has not finished in results; run it first" in err


def test_a_run_of_the_same_file_will_be_there(bench: Bench) -> None:
    first = load_sweep(written()).runs[0].run_id
    code, out, err = bench(
        "validate", str(written(rest=f"include:\n- {{}}\n- {{init: {first}}}\n".replace("{}", "{steps: 3}")))
    )
    assert (code, out, err) == (0, "late.yaml: 2 runs, no fault\n", "")


def test_a_run_whose_weights_are_gone_is_told_as_that(bench: Bench) -> None:
    Path("results/runs").mkdir(parents=True)
    Path(f"results/runs/{OTHER}.json").write_text("{}")
    file = str(written(f"init: {OTHER}"))
    assert "has a record and no weights here; run it again" in bench("validate", file)[2]
    folder = Store(Path("results")).run_folder(OTHER)
    folder.mkdir(parents=True)
    (folder / "chosen.pt").write_bytes(b"")
    assert bench("validate", file)[0] == 0, "what is in it is looked at when parts are built"


def test_a_file_of_weights_is_told_beside_the_line(bench: Bench) -> None:
    code, _, err = bench("sweep", str(written("init: none.pth")), "--dry-run")
    assert (code, err.count("\n")) == (3, 1)
    assert err.startswith("bench: error: late.yaml:3:3: base.init: none.pth: there is no such file of weights")


@pytest.mark.parametrize(
    ("rest", "overrides", "place"),
    [
        ("", [], "late.yaml:3:28: base.groups.thaw: "),
        ("grid: {groups.thaw: [0.5, 0.25]}\n", [], "late.yaml:12:27: grid.groups.thaw.1: "),
        ("", ["groups.thaw=0.25"], "--set groups.thaw: "),
        ("controls: auto\ngrid: {method: [fda]}\n", [], "late.yaml:3:28: base.groups.thaw: "),
    ],
)
def test_the_place_is_that_of_the_run(bench: Bench, rest: str, overrides: list[str], place: str) -> None:
    file = written("groups: {name: by_stage, thaw: 0.75, frozen: [stem]}", rest)
    last = load_sweep(file, overrides=overrides).runs[-1]
    fault = BenchError("thaw is wrong", key="groups.thaw")
    assert str(locator(file, overrides)(fault, last.config)).startswith(place)


def test_lr_find_tells_the_line(bench: Bench) -> None:
    code, _, err = bench("lr-find", str(written("init: none.pth")))
    assert (code, err.count("\n")) == (3, 1)
    assert err.startswith("bench: error: late.yaml:3:3: base.init: none.pth: there is no such file of weights")


@pytest.mark.parametrize("key", ["", "precision", "loss.weight"])
def test_what_the_file_does_not_say_has_no_line(bench: Bench, planned: Callable[..., PlannedRun], key: str) -> None:
    file = written()
    assert problems(file) == []
    told = locator(file)(BenchError("is wrong", key=key), load_sweep(file).runs[0].config)
    assert (told.file, told.line, told.key) == (None, None, key)
