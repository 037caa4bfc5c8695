"""What every part promises by standing in a table: a new one is held to it without a new test.

The promises stand in `bench/contracts`, where `bench test-plugin` holds those of others to them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from contract_breakers import BREAKERS, COUNT, Net

from bench import names
from bench.contracts import PROMISES
from bench.contracts.promise import Subject, examine, fault
from bench.names.combined import COMBINED
from bench.spec import Component

NEEDS: dict[str, dict[str, Any]] = {
    "copy_blob": {"pairs": [[1, 49]]},
    "cutout": {"hole_px": 5},
    "distillation": {"teacher": "unet_resnet18"},
    "unet": {"width": 8},
    "unet_convnext": {"depths": [1, 1, 2, 1], "width": 16},
}
"""Options without a default, or whose default is meant for larger images or more time."""

ELSEWHERE = {("model", name) for name in ("deeplabv2_resnet101", "pidnet_l", "pidnet_m", "unet_resnet34")}
"""Large networks whose smaller relatives are tried here; tests/models holds them to what is their own."""


def every() -> list[tuple[str, str]]:
    """All components of all kinds; what combines several is tested in test_combined.py."""
    named = [(kind, name) for kind in PROMISES for name in names.load(names.TABLES[kind]) if name != COMBINED]
    return [one for one in named if one not in ELSEWHERE and one != ("dataset", "folder")]  # a sweep file says it all


def test_every_kind_that_a_sweep_file_names_has_promises() -> None:
    assert {*PROMISES, "executor", "tracker"} == {*names.TABLES}


@pytest.mark.parametrize(("kind", "name"), every())
def test_a_component_keeps_the_promises_of_its_kind(kind: str, name: str) -> None:
    before = torch.get_rng_state()
    found = list(examine(kind, Component(name=name, options=NEEDS.get(name, {}))))
    assert found
    assert [f"{one.promise}: {one.fault}" for one in found if one.fault] == []
    assert torch.equal(torch.get_rng_state(), before)


# ------------------------------------------------------------------ the promises are seen broken


def broken(kind: str, promise: str, build: Callable[..., Any]) -> str:
    """What a promise says of what `build` makes."""
    found = next(one for one in names.load(PROMISES[kind]) if one.broken.__name__ == promise)
    subject = Subject(kind, Component(name="none"))
    subject.build = build  # type: ignore[method-assign]
    return fault(found, subject)


@pytest.mark.parametrize(
    ("kind", "promise", "build"),
    [(kind, promise, build) for kind in BREAKERS for promise in BREAKERS[kind] for build in BREAKERS[kind][promise]],
)
def test_a_promise_is_seen_broken(
    kind: str, promise: str, build: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of each: a component that does the one thing it must not."""
    if promise == "rehearsed":  # it builds by name
        own = names.build
        monkeypatch.setattr(names, "build", lambda k, part, *a: build(*a) if k == "model" else own(k, part, *a))
        found = next(one for one in names.load(PROMISES[kind]) if one.broken.__name__ == promise)
        assert fault(found, Subject(kind, Component(name="pidnet_s"))) != ""
        return
    assert broken(kind, promise, build) != ""


def test_every_promise_is_seen_broken_by_something() -> None:
    for kind in PROMISES.keys() - {"dataset"}:
        promises = {one.broken.__name__ for one in names.load(PROMISES[kind])}
        assert promises == set(BREAKERS[kind]), kind


def test_what_breaks_promises_of_models_is_sound_otherwise() -> None:
    """The network that the others are made of keeps them all."""
    for promise in BREAKERS["model"].keys() - {"rehearsed"}:
        assert broken("model", promise, Net) == ""


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        ({"palette": ((0, 0, 0),) * 7}, "facts"),
        ({"class_names": ("one",) * 7}, "facts"),
        ({"licence": ""}, "facts"),
        ({"class_names": tuple("abc"), "palette": ((0, 0, 0), (1, 1, 1), (2, 2, 2))}, "pairs"),
    ],
)
def test_a_dataset_whose_facts_do_not_fit_is_seen(
    change: dict[str, Any], promise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = dataclasses.replace(names.dataset_info("landcover"), **change)
    monkeypatch.setattr(names, "dataset_info", lambda dataset: info)
    small = {"tile_px": 64, "train_tiles": 2, "val_tiles": 2, "test_tiles": 2}
    subject = Subject("dataset", Component(name="landcover", options=small))
    found = {one.broken.__name__: fault(one, subject) for one in names.load(PROMISES["dataset"])}
    assert [name for name, said in found.items() if said] == [promise]


def test_a_dataset_that_draws_anew_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"tile_px": 64, "train_tiles": 2, "val_tiles": 2, "test_tiles": 2}
    subject = Subject("dataset", Component(name="landcover", options=small))
    built = subject.build

    def drawn(*args: Any) -> Any:
        made, count = built(*args), next(COUNT)
        return SimpleNamespace(digest=lambda: str(count), read=made.read)

    subject.build = drawn  # type: ignore[method-assign]
    twice = next(one for one in names.load(PROMISES["dataset"]) if one.broken.__name__ == "twice")
    assert fault(twice, subject) != ""
