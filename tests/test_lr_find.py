"""`bench lr-find` trains a copy of the run: the run itself, its store and all random numbers stay untouched."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import names
from bench.cli import run_command_line
from bench.groups.freezing import resting
from bench.optimizers.rate import set_lr
from bench.run import finding
from bench.run.attempt import attempt
from bench.run.finding import alike, find
from bench.run.parts import Parts, build_parts
from bench.run.place import Place
from bench.run.training import Run
from bench.spec import BenchError, Component, PlannedRun, RunRecord
from bench.store import Store
from bench.train import Progress

Make = Callable[..., PlannedRun]
Capture = pytest.CaptureFixture[str]

FEW = 24


@pytest.fixture
def planned(planned: Make, four_convs: str) -> Make:
    """planned(...) with the smallest network unless another is named."""
    small = {"dataset": {"name": "landcover", "tile_px": 32, "train_tiles": 8, "val_tiles": 2, "test_tiles": 2}}
    return lambda **changes: planned(**{"model": four_convs, "crop_px": (32, 32), **small, **changes})


@pytest.fixture
def place(results: Path) -> Place:
    return Place(store=Store(results), sweep="test", workers=1)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "draw", lambda *_: None)


def finish(planned: PlannedRun, place: Place) -> RunRecord:
    *_, last = attempt(planned, place)
    assert isinstance(last, RunRecord), last
    return last


def contents(folder: Path) -> dict[str, str]:
    """Every file under `folder` but decoded images and what range tests leave, by its digest."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if not {"cache", "lr-find"} & set(path.relative_to(folder).parts)
    }


# ------------------------------------------------------------------ what is trained


def test_it_begins_as_the_run_does_and_the_rates_grow_by_equal_factors(planned: Make, place: Place) -> None:
    run = planned(augment=["flip"], groups={"name": "by_stage", "rest": 0.1})
    record = finish(run, place)
    found = find(run.config, place, steps=FEW)
    assert f"{found.losses[0]:.6g}" == f"{record.history.losses['segmentation'][0]:.6g}"
    assert found.rates[0] == 1e-7
    assert found.rates[-1] == pytest.approx(10)
    factors = [late / early for early, late in zip(found.rates, found.rates[1:], strict=False)]
    assert factors == pytest.approx([1e8 ** (1 / (FEW - 1))] * (FEW - 1))
    assert len(found.losses) == len(found.rates) == len(found.smoothed) == FEW
    assert found.lr == 0.01


def test_it_trains(planned: Make, place: Place) -> None:
    found = find(planned().config, place, lowest=1e-3, highest=1.0, steps=60)
    assert found.suggestions
    assert min(found.smoothed) < found.smoothed[0] - 0.2
    still = find(planned().config, place, lowest=1e-12, highest=1e-11, steps=60)
    assert still.suggestions == {}


def test_groups_keep_their_ratios_and_a_method_s_own_networks_their_rates(planned: Make) -> None:
    head = torch.nn.Parameter(torch.zeros(2))
    stem, other = torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(2))
    groups = [{"params": [stem], "lr_factor": 0.1}, {"params": [head]}]
    mine = names.build("optimizer", Component(name="sgd", options={"lr": 1.0}), groups)
    theirs = names.build("optimizer", Component(name="adam", options={"lr": 2e-4}), [{"params": [other]}])
    parts = replace(build_parts(planned().config, torch.device("cpu")), optimizers=(mine, theirs))
    assert isinstance(parts, Parts)
    rates = [1e-5, 1e-2, 3.0]
    factor = finding._sweep(parts, rates)
    for step, rate in enumerate(rates):
        set_lr(parts.optimizers, factor(step))
        assert [group["lr"] for group in mine.param_groups] == pytest.approx([0.1 * rate, rate])
        assert theirs.param_groups[0]["lr"] == pytest.approx(2e-4)


def test_what_rests_at_the_start_of_the_run_rests_all_along(
    planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = {"name": "by_stage", "frozen": ["stem"], "thaw": 0.01}
    built, asleep = build_parts, []

    def watched(*args: Any) -> Parts:
        parts = built(*args)
        stem = resting(parts.model).parameters
        step = parts.method.after_step
        monkeypatch.setattr(
            parts.method, "after_step", lambda model: (step(model), asleep.append(not stem[0].requires_grad))
        )
        return parts

    monkeypatch.setattr(finding, "build_parts", watched)
    find(planned(groups=groups).config, place, steps=FEW)
    assert asleep == [True] * FEW


METHODS = ["adabn", "adaptsegnet", "dacs", "fda", "oracle", "self_training", "tent"]
LOSSES = ["ohem", [{"name": "cross_entropy"}, {"name": "dice", "weight": 0.5}]]


@pytest.mark.parametrize(
    "fields",
    [*({"method": method, "target": "rural"} for method in METHODS), *({"loss": loss} for loss in LOSSES)],
    ids=str,
)
def test_it_works_with_methods_and_losses(planned: Make, place: Place, fields: dict[str, Any]) -> None:
    if isinstance(fields.get("loss"), list):
        parts = [{"name": p["name"], "options": {k: v for k, v in p.items() if k != "name"}} for p in fields["loss"]]
        fields = {"loss": {"name": "combined", "options": {"parts": parts}}}
    found = find(planned(**fields).config, place, lowest=1e-5, highest=1e-1, steps=20)
    assert len(found.losses) == 20


def test_the_supervised_loss_is_looked_at_or_the_sum_where_there_is_none() -> None:
    both = {"segmentation": (1.0,), "adversarial": (0.5,)}
    assert finding._looked_at(Progress(1, both, 1.0)) == 1.0
    assert finding._looked_at(Progress(1, {"one": (1.0,), "two": (0.5,), "late": (None,)}, 1.0)) == 1.5


@pytest.mark.parametrize("fields", [{"accumulate": 2}, {"ema": 0.9}, {"precision": "bf16", "channels_last": True}])
def test_it_works_with_other_recipes(planned: Make, place: Place, fields: dict[str, Any]) -> None:
    assert len(find(planned(**fields).config, place, highest=1e-1, steps=20).losses) == 20


# ------------------------------------------------------------------ what stays untouched


def interrupted(run: PlannedRun, place: Place, after: int) -> None:
    wish: list[bool] = []
    for event in attempt(run, replace(place, stop=lambda: bool(wish))):
        if getattr(event, "step", None) == after:
            wish.append(True)


def test_a_run_that_waits_to_go_on_goes_on_to_the_same_numbers(planned: Make, place: Place, tmp_path: Path) -> None:
    run = planned(steps=6, evaluate_every=2, augment=["flip"])
    whole = finish(run, replace(place, store=Store(tmp_path / "other" / "results")))
    interrupted(run, place, 3)
    before = contents(place.store.work.parent)
    assert any(name.endswith(".pt") for name in before)
    find(run.config, place, steps=FEW)
    assert contents(place.store.work.parent) == before
    assert finish(run, place).confusion == whole.confusion


def test_random_numbers_are_drawn_as_if_nothing_had_been(
    planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = planned().config
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    find(config, place, steps=20)
    assert torch.equal(torch.rand(3), wanted)
    monkeypatch.setattr(finding, "_generators_kept", lambda device: contextlib.nullcontext())
    torch.manual_seed(7)
    find(config, place, steps=20)
    assert not torch.equal(torch.rand(3), wanted), "without the guard the same check fails"


def test_twice_is_the_same(planned: Make, place: Place) -> None:
    config = planned(augment=["flip"]).config
    assert find(config, place, steps=20) == find(config, place, steps=20)
    assert find(config, place, steps=20) != find(config.model_copy(update={"seed": 1}), place, steps=20)


# ------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lowest": 0.0}, "0 to 10 is no range"),
        ({"lowest": 1.0, "highest": 0.1}, "1 to 0.1 is no range"),
        ({"highest": float("inf")}, "is no range"),
        ({"lowest": float("nan")}, "is no range"),
        ({"steps": 3}, "3 steps are too few; choose 20 or more"),
        ({"lowest": 1e3, "highest": 1e5, "steps": 40}, "breaks away after [0-9] steps, at a rate of"),
    ],
)
def test_a_range_that_is_none_is_refused(planned: Make, place: Place, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BenchError) as caught:
        find(planned(optimizer={"name": "sgd", "lr": 0.1}).config, place, **options)
    assert re.search(words, str(caught.value))


def test_a_network_that_does_not_fit_is_told_of(planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(finding, "build_parts", full)
    with pytest.raises(BenchError, match="does not fit into memory at batch size 2"):
        find(planned().config, place)


def test_an_optimizer_without_a_rate_is_refused(planned: Make, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    config = planned().config
    monkeypatch.setattr(names, "options", lambda kind, name: {"momentum": None})
    with pytest.raises(BenchError, match="optimizer 'sgd' has no option `lr`"):
        find(config, place)


def test_runs_that_differ_in_what_does_not_matter_share_a_test(planned: Make) -> None:
    fields: list[dict[str, Any]] = [
        {},
        {"seed": 1},
        {"optimizer": {"name": "sgd", "lr": 0.5}},
        {"scheduler": "cosine", "warmup_steps": 2, "evaluate_every": 2, "choose": "source_val"},
        {"optimizer": "adam"},
        {"batch_size": 3},
        {"steps": 5},
    ]
    assert alike([planned(**changes).config for changes in fields]) == [[0, 1, 2, 3], [4], [5], [6]]


# ------------------------------------------------------------------ the verb

SWEEP = """\
name: rates
base:
  model: four_convs
  dataset: {name: landcover, tile_px: 32, train_tiles: 4, val_tiles: 2, test_tiles: 3}
  source: urban
  crop_px: 32
  batch_size: 2
  steps: 30
grid: {optimizer.lr: [0.1, 0.01], loss: [cross_entropy, ohem]}
cost: false
"""


@pytest.fixture
def sweep(tmp_path: Path, four_convs: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "rates.yaml"
    path.write_text(SWEEP)
    return path


def test_the_verb_shows_a_table_and_leaves_pictures(sweep: Path, capsys: Capture) -> None:
    assert run_command_line(["lr-find", str(sweep), "--steps", "40", "--from", "1e-4", "--to", "1"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert re.fullmatch("run +runs +lr now +valley +steepest +minimum/10 +loss broke away at", out[0])
    assert len([line for line in out if line.startswith("four_convs")]) == 2
    assert any("valley: the middle of the longest fall" in line for line in out)
    pictures = sorted(Path(".bench/lr-find").glob("*.png"))
    assert len(pictures) == 2
    assert all(picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for picture in pictures)
    assert not Path("results").exists()


def test_json_has_all_that_the_picture_shows(sweep: Path, capsys: Capture) -> None:
    words = ["lr-find", str(sweep), "-k", "ohem", "--steps", "30", "--from", "1e-4", "--to", "1", "--json", "-o", "out"]
    assert run_command_line(words) == 0
    (test,) = json.loads(capsys.readouterr().out)["tests"]
    assert len(test["run_ids"]) == 2
    assert len(test["rates"]) == len(test["losses"]) == len(test["smoothed"])
    if test["suggestion"]:
        assert test["suggestion"] == {"rule": "valley", "lr": test["suggestions"]["valley"]}
    assert Path(test["picture"]).parent == Path("out")
    assert json.loads(Path(test["picture"]).with_suffix(".json").read_text()) == test


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "1", "--to", "0.1"), "--from: 1 to 0.1 is no range; choose 0 < --from < --to < 1e6"),
        (("--steps", "5"), "--steps: 5 steps are too few; choose 20 or more"),
        (("-k", "nothing"), "nothing"),
        (("--from", "1e4", "--to", "1e5", "-k", "0.1 and ohem"), "breaks away after"),
    ],
)
def test_faults_are_one_line(sweep: Path, capsys: Capture, words: tuple[str, ...], said: str) -> None:
    assert run_command_line(["lr-find", str(sweep), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bench: error:")
    assert said in line
    assert not list(Path().rglob("*.png"))


def test_one_test_that_fails_does_not_stop_the_others(
    sweep: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = finding._losses

    def some(config: Any, *args: Any) -> Any:
        return ([], True) if config.loss.name == "ohem" else whole(config, *args)

    monkeypatch.setattr(finding, "_losses", some)
    assert run_command_line(["lr-find", str(sweep), "--steps", "20"]) == 2
    out, err = capsys.readouterr()
    assert "ohem" in err
    assert "breaks away after 0 steps" in err
    assert "cross_entropy" in out
