"""What each earlier schema number becomes, field by field; and what is a schema number at all."""

from __future__ import annotations

from typing import Any

import pytest

from bench.store import schemas

SECOND: dict[str, Any] = {"code": {}, "weights_sha256": None, "training_macs": None, "target_images": 0}
THIRD = {"init": None, "teacher": None, "stopped_at": None, "unlabelled_batches": None}
PLAIN = {"precision": "fp32", "channels_last": False, "compile": False}


def run(number: int, precision: str | None = None, peak: int | None = None, **rest: Any) -> dict[str, Any]:
    config = {} if precision is None else {"precision": precision}
    memory = {} if peak is None else {"device_peak": peak}
    return {"schema_number": number, "kind": "run", "config": config, "memory_bytes": memory, **rest}


def test_a_run_of_schema_1_did_not_note_its_code() -> None:
    before = run(1, evaluations=[{"step": 3}, {"step": 6, "label_free": {"entropy": 0.5}}])
    after = {**before, "evaluations": [{"label_free": {}, "step": 3}, before["evaluations"][1]], **SECOND, **THIRD}
    assert schemas.upgraded(before) == {**after, "picked": PLAIN, "schema_number": 3}


def test_what_the_last_runs_of_schema_1_noted_is_kept() -> None:
    noted: dict[str, Any] = {"code": {"m": "1"}, "weights_sha256": "ab", "training_macs": 7, "target_images": 9}
    found = schemas.upgraded(run(1, evaluations=[], **noted))
    assert {key: found[key] for key in SECOND} == noted


@pytest.mark.parametrize(
    ("asked", "peak", "picked"),
    [
        (None, None, "fp32"),
        ("fp32", 5, "fp32"),
        ("tf32", None, "fp32"),  # noted on a CPU, which has none
        ("tf32", 5, "tf32"),
        ("bf16", None, "bf16"),
        ("bf16", 5, "bf16"),
    ],
)
def test_a_run_of_schema_2_had_what_was_asked_for(asked: str | None, peak: int | None, picked: str) -> None:
    before = run(2, asked, peak)
    after = {**before, **THIRD, "picked": {**PLAIN, "precision": picked}, "schema_number": 3}
    assert schemas.upgraded(before) == after


def test_what_is_no_run_changes_its_number_only() -> None:
    for number in (1, 2, 3):
        assert schemas.upgraded({"schema_number": number, "kind": "cost"}) == {"schema_number": 3, "kind": "cost"}


def test_what_has_no_number_or_today_s_is_given_back_as_it_is() -> None:
    for plain in ({}, {"a": 1}, {"schema_number": None}, run(schemas.SCHEMA)):
        assert schemas.upgraded(plain) is plain


@pytest.mark.parametrize("number", [1, 2, 3, 10**9])
def test_a_schema_number_is_a_whole_number_from_1_on(number: int) -> None:
    assert schemas.number_of({"schema_number": number}) == number
    assert schemas.number_of({"number": number}) is None


@pytest.mark.parametrize("number", [0, -1, True, False, 1.0, "1", [1]])
def test_anything_else_is_refused(number: object) -> None:
    with pytest.raises(ValueError, match="is no schema number"):
        schemas.number_of({"schema_number": number})
