"""Values: frozen, strict, spelled one way; ids; the error line."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import bench.spec.values
from bench.spec import BenchError, Component, Domain, RunConfig, canonical_json, printable, run_id

BASE = {"model": "m", "dataset": "d", "source": "d/a", "evaluate_on": ("d/b",), "steps": 3}


def test_a_component_is_written_flat_and_read_back() -> None:
    for written in ("ohem", {"name": "ohem"}, {"name": "ohem", "threshold": 0.9}):
        part = Component.model_validate(written)
        assert Component.model_validate(part.model_dump()) == part
    assert Component.model_validate({"name": "ohem", "threshold": 0.9}).options == {"threshold": 0.9}


def test_domains() -> None:
    assert Domain.parse("rural", "loveda") == Domain.parse("loveda/rural") == Domain("loveda", "rural")
    assert str(Domain("loveda", "rural")) == "loveda/rural"


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"steps": None},
        {"epochs": 2},
        {"batch_size": 0},
        {"evaluate_on": ()},
        {"seed": -1},
        {"precision": "fp8"},
        {"choose": "source_val"},
        {"choose": "oracle"},
    ],
    ids=str,
)
def test_a_configuration_refuses(change: dict[str, object]) -> None:
    RunConfig.model_validate(BASE)
    with pytest.raises(ValidationError):
        RunConfig.model_validate({**BASE, **change})


def test_canonical_json_has_one_spelling() -> None:
    assert canonical_json({"b": -0.0, "a": [1, "e\u0301"]}) == canonical_json({"a": (1, "\u00e9"), "b": 0.0})
    assert canonical_json({"a": 1}) != canonical_json({"a": 1.5})
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match="JSON"):
            canonical_json({"a": value})


def test_ids_depend_on_content_alone() -> None:
    assert run_id({"b": {"y": 1, "x": 2}, "a": 3}) == run_id({"a": 3, "b": {"x": 2, "y": 1}})
    assert run_id({"a": 3}) != run_id({"a": 4})
    assert run_id({"a": 3}).startswith("r-")
    assert len(run_id({"a": 3})) == 18


@settings(derandomize=True, max_examples=200)
@given(st.text())
def test_an_error_is_one_harmless_line_of_at_most_300(text: str) -> None:
    line = str(BenchError(text, remedy=text, file=text, line=3, key=text))
    assert len(line) <= 300
    assert all(c.isprintable() for c in line)


def test_an_error_says_where_what_and_what_to_do() -> None:
    error = BenchError("unknown loss 'x'", remedy="did you mean ohem?").at(
        file="a.yaml", line=3, column=5, key="base.loss"
    )
    assert str(error) == "a.yaml:3:5: base.loss: unknown loss 'x'; did you mean ohem?"
    assert error.at(file="b.yaml", line=9, key="other") is error
    assert "a.yaml:3:5" in str(error)
    assert printable("\x1b[2J\u202e") == "\\x1b[2J\\u202e"


def test_an_error_and_a_fact_need_no_pydantic() -> None:
    code = "import sys; from bench.spec import {}; sys.exit('pydantic' in sys.modules)"
    light, heavy = (
        subprocess.run([sys.executable, "-c", code.format(names)], check=False).returncode
        for names in ("BenchError, ExitCode, DatasetInfo, ModelSpec, printable", "BenchError, RunConfig")
    )
    assert (light, heavy) == (0, 1)


def test_every_noun_is_there_and_nothing_else() -> None:
    assert all(getattr(bench.spec, name) is not None for name in bench.spec.__all__)
    with pytest.raises(ImportError):
        from bench.spec import Nonsense  # noqa: F401
    assert bench.spec.Component is bench.spec.values.Component
