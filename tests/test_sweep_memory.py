"""What a sweep remembers of its cells changes nothing: the same runs as one cell at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sweep_stand_ins.plug import stand_ins  # noqa: F401

import bench.sweep.check
import bench.sweep.load
from bench import names
from bench.spec import BenchError, RunConfig, Spelling, Sweep, canonical_json
from bench.sweep import load_sweep, problems

BASE: dict[str, Any] = {"model": "pidnet_s", "dataset": "land", "source": "urban", "steps": 5}
AXES: dict[str, list[Any]] = {
    "augment": [[], ["flip"], [{"name": "flip", "p": 0.25}]],
    "batch_size": [1, 2, "3"],
    "crop_px": [32, [48, 64]],
    "dataset": ["land", "aerial", {"name": "land", "tile_px": 32}],
    "epochs": [None, 2],
    "evaluate_every": [0, 1],
    "choose": ["last", "source_val"],
    "evaluate_on": [None, ["urban"], ["rural", "urban"], ["urban", "land/urban"]],
    "loss": ["ohem", {"name": "ohem", "threshold": 0.5}],
    "optimizer.lr": [0.1, 1, "off"],
    "optimizer": ["sgd", {"name": "sgd", "lr": 0.5}],
    "source": ["urban", "rural", "land/rural", "aerial/north", "north"],
    "steps": [3, None],
    "target": [None, "rural"],
}
GRIDS = st.dictionaries(st.sampled_from(sorted(AXES)), st.integers(1, 5), max_size=4).map(
    lambda sizes: {key: AXES[key][:n] for key, n in sizes.items()}
)


def told(file: Path) -> tuple[Sweep | None, list[str]]:
    found = list(map(str, problems(file)))
    return (None if found else load_sweep(file)), found


def one_by_one(file: Path) -> tuple[Sweep | None, list[str]]:
    """The same with nothing remembered from cell to cell."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.sweep.load, "Checker", lambda: bench.sweep.check.check)
        patch.setattr(names, "id_reader", lambda: names.id_of)
        return told(file)


def written(folder: Path, grid: dict[str, list[Any]], **sections: Any) -> Path:
    file = folder / "memory.yaml"
    file.write_text(yaml.safe_dump({"name": "x", "base": BASE, "grid": grid, "seeds": [0, 3], **sections}))
    return file


@given(
    GRIDS, st.lists(st.sampled_from([{"loss": "ohem"}, {"epochs": 2, "steps": None}, {"batch_size": 2}]), max_size=2)
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_remembered_wrongly(tmp_path: Path, grid: dict[str, list[Any]], include: list[Any]) -> None:
    file = written(tmp_path, grid, include=include)
    assert told(file) == one_by_one(file)


@pytest.mark.parametrize("alone", ["batch_size", "evaluate_on"])
def test_a_memory_that_is_too_coarse_is_caught(alone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a field forgotten, and one taken to depend on nothing but itself."""
    file = written(tmp_path, {"batch_size": [1, 2], "dataset": ["land", "aerial"], "source": ["land/urban"]})
    wanted = one_by_one(file)
    assert told(file) == wanted
    own, check = alone == "evaluate_on", bench.sweep.check
    monkeypatch.setattr(check, "_TOGETHER", tuple(key for key in check._TOGETHER if key != alone))
    monkeypatch.setattr(check, "_ALONE", (*(key for key in check._ALONE if key != alone), *([alone] if own else [])))
    assert told(file) != wanted


def test_a_rule_between_fields_is_seen_in_a_cell_of_known_settings(tmp_path: Path) -> None:
    """Each value was right in an earlier cell; only their meeting is wrong."""
    right = {"grid": {"choose": ["last", "source_val"]}, "base": {**BASE, "evaluate_every": 2}}
    assert told(written(tmp_path, **right))[1] == []
    wrong = told(written(tmp_path, {"evaluate_every": [2, 0], "choose": ["last", "source_val"]}))[1]
    assert len(wrong) == 1
    assert "needs `evaluate_every`" in wrong[0]


def test_text_of_many_is_text_of_each() -> None:
    plain = RunConfig(model="m", dataset="d", source="d/a", evaluate_on=("d/a",), steps=3)
    configs = [plain.model_copy(update={"seed": seed, "batch_size": size}) for seed in (1, 2, 10**6) for size in (1, 2)]
    configs += [plain.model_copy(update={"steps": None, "epochs": 1}), plain.model_copy(update={"crop_px": (1, 2)})]
    spell = Spelling(lambda config: config.model_dump(mode="json"))
    assert [spell(c) for c in configs] == [canonical_json(c.model_dump(mode="json")).decode() for c in configs]


def test_text_outlives_the_objects_it_was_made_of() -> None:
    """Python gives the id of a dead object to the next; the text of one must not become that of the other."""
    plain = RunConfig(model="m", dataset="d", source="d/a", evaluate_on=("d/a",), steps=3)
    spell = Spelling(lambda config: config.model_dump(mode="json"))
    for seed in range(10**6, 10**6 + 200):
        assert f'"seed":{seed},' in spell(plain.model_copy(update={"seed": int(str(seed))}))


def test_a_domain_listed_twice_is_refused_whatever_its_spelling() -> None:
    config = RunConfig.model_validate({**BASE, "evaluate_on": ("urban", "rural")})
    assert names.resolve_config(config).evaluate_on == ("land/urban", "land/rural")
    with pytest.raises(BenchError, match=r"land/urban is listed twice") as caught:
        names.resolve_config(config.model_copy(update={"evaluate_on": ("urban", "rural", "land/urban")}))
    assert caught.value.key == "evaluate_on.2"
