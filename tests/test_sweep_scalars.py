"""What you write is what runs: every form of a scalar, and what the schema makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from sweep_stand_ins.plug import stand_ins  # noqa: F401

from bench.spec import BenchError
from bench.sweep import load_sweep
from bench.sweep.composer import parse
from bench.sweep.scalars import scalar

FORMS: list[tuple[str, Any]] = [
    ("1e-3", 0.001),
    ("1E3", 1000.0),
    ("5.0e-4", 0.0005),
    ("-1.5", -1.5),
    (".5", 0.5),
    ("5.", 5.0),
    ("+3", 3),
    ("0", 0),
    ("-0", 0),
    ("0x1F", 31),
    ("0o17", 15),
    ("0o18", "0o18"),
    ("-0x1F", "-0x1F"),
    ("9" * 18, 10**18 - 1),
    ("-" + "9" * 18, 1 - 10**18),
    ("0x" + "f" * 16, 16**16 - 1),
    ("017", "017"),
    ("00.5", "00.5"),
    ("1_000", "1_000"),
    ("1:30", "1:30"),
    ("12:30:45", "12:30:45"),
    ("2024-01-02", "2024-01-02"),
    ("2024-01-02T00:00:00Z", "2024-01-02T00:00:00Z"),
    ("yes", "yes"),
    ("no", "no"),
    ("on", "on"),
    ("off", "off"),
    ("y", "y"),
    ("true", True),
    ("True", True),
    ("TRUE", True),
    ("false", False),
    ("False", False),
    ("FALSE", False),
    ("tRue", "tRue"),
    ("null", None),
    ("Null", None),
    ("NULL", None),
    ("~", None),
    ("", None),
    ("nUll", "nUll"),
    ("'1'", "1"),
    ('"true"', "true"),
    ("''", ""),
    ("1.2.3", "1.2.3"),
    ("1e", "1e"),
    ("=", "="),
    ("0b101", "0b101"),
    ("٣", "٣"),
    ("1 # comment", 1),
    ("e\u0301", "\u00e9"),
]


@pytest.mark.parametrize(("text", "value"), FORMS)
def test_a_scalar_is_what_it_looks_like(text: str, value: Any) -> None:
    found = parse(f"x: {text}\n").plain()["x"]
    assert found == value
    assert type(found) is type(value)


def test_plain_yaml_reads_some_of_them_otherwise() -> None:
    """Negative control: the library's own reading of the same table."""
    other = [text for text, value in FORMS if text != "=" and yaml.safe_load(f"x: {text}\n")["x"] != value]
    assert {"1e-3", "017", "1:30", "2024-01-02", "no", "off"} <= set(other)


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", ".NaN", "1e400", "-1.0e+400", "9" * 19, "0x" + "f" * 20])
def test_a_number_that_cannot_be_held_is_refused(text: str) -> None:
    with pytest.raises(BenchError) as caught:
        parse(f"x: [1, {text}]\n")
    assert (caught.value.line, caught.value.column, caught.value.key) == (1, 8, "x.1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (".inf", ".inf is not a finite number; write a number"),
        (".nan", ".nan is not a finite number; write a number"),
        ("1e400", "1e400 is too large to hold; write a smaller"),
        ("9" * 19, "a whole number of more than 18 digits; write a smaller"),
        ("+" + "9" * 19, "a whole number of more than 18 digits"),
        ("0o" + "7" * 17, "a whole number of more than 18 digits"),
    ],
)
def test_a_number_that_cannot_be_held_is_told_why(text: str, words: str) -> None:
    with pytest.raises(BenchError) as caught:
        scalar(text)
    assert str(caught.value).startswith(words)


def loaded(tmp_path: Path, line: str) -> Any:
    file = tmp_path / "one.yaml"
    file.write_text(f"name: one\nbase:\n  model: pidnet_s\n  dataset: land\n  source: urban\n  {line}\n")
    return load_sweep(file).runs[0].config


def test_numbers_become_what_the_schema_says(tmp_path: Path) -> None:
    assert loaded(tmp_path, "steps: 1e3").steps == 1000
    lr = loaded(tmp_path, "steps: 1\n  optimizer: {name: sgd, lr: 1}").optimizer.options["lr"]
    assert (lr, type(lr)) == (1.0, float)
    assert loaded(tmp_path, "steps: 1\n  crop_px: 96").crop_px == (96, 96)
    assert loaded(tmp_path, "steps: 1\n  crop_px: [96, 128]").crop_px == (96, 128)


@pytest.mark.parametrize(
    "line",
    [
        "steps: '5'",
        "steps: 017",
        "steps: 1_000",
        "steps: 1:30",
        "steps: true",
        "steps: yes",
        "steps: 2024-01-02",
        "steps: 1.5",
        "steps: ~",
        "steps: 1\n  batch_size:",
        "steps: 1\n  crop_px: true",
        "steps: 1\n  crop_px: '96'",
        "steps: 1\n  choose: no",
        "steps: 1\n  target: 5",
        "steps: 1\n  optimizer: {name: sgd, lr: '1e-3'}",
        "steps: 1\n  optimizer: {name: sgd, lr: true}",
        "steps: 1\n  optimizer: {name: adam, betas: [0.9, '0.99']}",
        "steps: 1\n  loss: {name: ohem, min_kept: 017}",
        "steps: 1\n  loss: {name: ohem, min_kept: 1.5}",
        "steps: 1\n  method: {name: dann, weight: on}",
    ],
)
def test_nothing_else_is_taken_for_a_number_or_a_truth_value(line: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError) as caught:
        loaded(tmp_path, line)
    assert caught.value.line
    assert caught.value.line >= 2


def test_a_domain_called_no_is_text(tmp_path: Path) -> None:
    assert loaded(tmp_path, "steps: 1\n  evaluate_on: [aerial/no, urban]").evaluate_on == ("aerial/no", "land/urban")
