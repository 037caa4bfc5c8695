"""Values: frozen, strict, spelled one way; ids."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys

import pytest
from pydantic import ValidationError

import bench.spec.values
from bench.spec import (
    IGNORE,
    Component,
    DatasetInfo,
    Domain,
    RunConfig,
    Spelling,
    canonical_json,
    run_id,
    run_id_reader,
)

BASE = {"model": "m", "dataset": "d", "source": "d/a", "evaluate_on": ("d/b",), "steps": 3}


def noun(**changes: object) -> RunConfig:
    return RunConfig.model_validate({**BASE, **changes})


def test_a_component_is_written_flat_and_read_back() -> None:
    for written in ("ohem", {"name": "ohem"}, {"name": "ohem", "threshold": 0.9}):
        part = Component.model_validate(written)
        assert Component.model_validate(part.model_dump()) == part
    assert Component.model_validate({"name": "ohem", "threshold": 0.9}).options == {"threshold": 0.9}


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ("ohem", {}),
        ({"name": "ohem"}, {}),
        ({"name": "ohem", "options": {}}, {}),
        ({"name": "ohem", "options": {"threshold": 0.9}}, {"threshold": 0.9}),
        ({"name": "ohem", "options": 3, "a": None}, {"options": 3, "a": None}),  # an option of that name
        ({"name": "ohem", "nameX": 1}, {"nameX": 1}),
    ],
)
def test_options_stand_beside_the_name_or_by_themselves(written: object, options: dict[str, object]) -> None:
    part = Component.model_validate(written)
    assert (part.name, part.options) == ("ohem", options)


@pytest.mark.parametrize(
    "written", [5, None, [], {}, {"threshold": 0.9}, {"name": 3}, {"name": "ohem", "options": {}, "threshold": 0.9}]
)
def test_what_is_no_component_is_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        Component.model_validate(written)


def test_a_component_is_told_with_its_options_in_order() -> None:
    part = Component(name="sgd", options={"z": 1, "b": None, "m": [2]})
    assert list(part.model_dump().items()) == [("name", "sgd"), ("b", None), ("m", [2]), ("z", 1)]


def test_values_are_frozen_and_strict() -> None:
    part = Component(name="ohem")
    with pytest.raises(ValidationError, match="frozen"):
        part.name = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        RunConfig.model_validate({**BASE, "unknown": 1})
    for number in (math.inf, math.nan):
        with pytest.raises(ValidationError, match="finite"):
            RunConfig.model_validate({**BASE, "evaluate_every": 1, "choose": "source_val", "min_gain": number})


def test_domains() -> None:
    assert Domain.parse("rural") == Domain("", "rural")
    assert Domain.parse("a/b/rural", "loveda") == Domain("a/b", "rural")
    assert Domain.parse("rural", "loveda") == Domain.parse("loveda/rural") == Domain("loveda", "rural")
    assert str(Domain("loveda", "rural")) == "loveda/rural"


def test_canonical_json_has_one_spelling() -> None:
    assert canonical_json({"b": -0.0, "a": [1, "e\u0301"]}) == canonical_json({"a": (1, "\u00e9"), "b": 0.0})
    assert canonical_json({"a": 1}) != canonical_json({"a": 1.5})
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match="JSON"):
            canonical_json({"a": value})


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        ({"b": -0.0, "a": [1, "e\u0301", None, True]}, b'{"a":[1,"\\u00e9",null,true],"b":0.0}'),
        ({"b": 0, "a": (1.0, 0.5, False)}, b'{"a":[1.0,0.5,false],"b":0}'),
        ({2: {"e\u0301": {}}}, b'{"2":{"\\u00e9":{}}}'),
        ("", b'""'),
        ([], b"[]"),
    ],
)
def test_the_spelling_is_this_one(value: object, spelled: bytes) -> None:
    """What ids are made of: whoever writes another program for them needs no more than this."""
    assert canonical_json(value) == spelled


def test_an_id_is_the_first_16_digits_of_the_hash_of_the_spelling() -> None:
    """The text of the first is `{"defaults":1}`."""
    assert run_id({}) == "r-" + hashlib.sha256(b'{"defaults":1}').hexdigest()[:16] == "r-8d8cee2fc1ef5d8a"
    assert run_id({"defaults": 2}) == "r-" + hashlib.sha256(b'{"defaults":2}').hexdigest()[:16]


def whole(config: RunConfig) -> dict[str, object]:
    """Every field, one key that is no field, and one that comes after all of them."""
    return {"defaults": 1, "zzz": [2], **config.model_dump(mode="json")}


CHANGES: tuple[dict[str, object], ...] = (
    {"augment": ("flip", {"name": "scale", "low": 0.5})},
    {"warmup_steps": 7},
    {"warmup_from": 0.5},
    {"warmup_from": 0.5, "warmup_steps": 9},
    {"crop_px": (8, 9), "target": "d/b"},
)


def test_runs_of_a_sweep_are_spelled_as_one_by_one() -> None:
    """From parts that they share, in whatever order they come."""
    first = noun()
    configs = [first] + [first.model_copy(update={k: getattr(noun(**c), k) for k in c}) for c in CHANGES]
    for way in (configs, configs[::-1]):
        text, read = Spelling(whole), run_id_reader(lambda c: {"seed": c.seed, "warmup_steps": c.warmup_steps})
        for config in (*way, *way):
            assert text(config) == canonical_json(whole(config)).decode()
            assert read(config) == run_id({"seed": config.seed, "warmup_steps": config.warmup_steps})
    assert text(noun(seed=5)) != text(first)


def test_a_spelling_takes_no_later_run_for_an_earlier_one() -> None:
    """A run that is gone leaves its place in memory to another, and must not leave its text."""
    text, first = Spelling(whole), noun()
    for n in range(300):
        config = first.model_copy(update={"source": f"d/{n}", "steps": 1000 + n})
        assert text(config) == canonical_json(whole(config)).decode()


def test_ids_depend_on_content_alone() -> None:
    assert run_id({"b": {"y": 1, "x": 2}, "a": 3}) == run_id({"a": 3, "b": {"x": 2, "y": 1}})
    assert run_id({"a": 3}) != run_id({"a": 4})
    assert run_id({"a": 3}).startswith("r-")
    assert len(run_id({"a": 3})) == 18


def test_an_error_and_a_fact_need_no_pydantic() -> None:
    code = "import sys; from bench.spec import {}; sys.exit('pydantic' in sys.modules)"
    light, heavy = (
        subprocess.run([sys.executable, "-c", code.format(names)], check=False).returncode
        for names in ("BenchError, ExitCode, DatasetInfo, ModelSpec, printable", "BenchError, RunConfig")
    )
    assert (light, heavy) == (0, 1)


def test_facts_that_need_no_pixel() -> None:
    facts = {"name": "d", "label": "D", "domains": ("a",), "class_names": ("x", "y"), "palette": ((0, 0, 0), (1, 1, 1))}
    info = DatasetInfo(**facts, licence="", source="", needs_files=True)  # type: ignore[arg-type]
    assert (info.num_classes, info.synthetic) == (2, False)
    assert IGNORE == 255  # as in the label files of Cityscapes, CamVid and the like


def test_every_noun_is_there_and_nothing_else() -> None:
    assert all(getattr(bench.spec, name) is not None for name in bench.spec.__all__)
    with pytest.raises(ImportError):
        from bench.spec import Nonsense  # noqa: F401
    with pytest.raises(ImportError, match="Choice"):
        from bench.spec import Choice  # noqa: F401  (a word of one module, none of the house)
    assert bench.spec.Component is bench.spec.values.Component
