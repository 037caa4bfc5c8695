"""A record of an earlier schema number -> the same record as it would be written today.

Raising `bench.spec.SCHEMA` takes three things, and a test asks for each: a line of history beside it, a function here,
and a folder of real records in `tests/fixtures/records/`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.spec import SCHEMA as SCHEMA


def _made_with(plain: dict[str, Any]) -> dict[str, Any]:
    """1 -> 2.  Runs of schema 1 did not note their code, but for the last of them, which had all of schema 2."""
    if plain["kind"] != "run":
        return plain
    along = [{"label_free": {}, **evaluation} for evaluation in plain["evaluations"]]
    unknown: dict[str, Any] = {"code": {}, "weights_sha256": None, "training_macs": None}
    return {**unknown, "target_images": 0, **plain, "evaluations": along}


def _picked(plain: dict[str, Any]) -> dict[str, Any]:
    """2 -> 3.  What was asked for was what a run had, but that TF32 was noted where there is none, too."""
    if plain["kind"] != "run":
        return plain
    precision = plain["config"].get("precision", "fp32")
    if precision == "tf32" and plain["memory_bytes"].get("device_peak") is None:  # on a CPU
        precision = "fp32"
    picked = {"precision": precision, "channels_last": False, "compile": False}
    return {"picked": picked, "init": None, "teacher": None, "stopped_at": None, "unlabelled_batches": None, **plain}


UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _made_with, 2: _picked}
"""Schema number -> (object with that number -> its content under the next number).  `kind` tells what it is."""


def number_of(plain: dict[str, Any]) -> int | None:
    """The schema number of an object; None for what has none (plans, notes, what is remembered)."""
    number = plain.get("schema_number")
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f"{number!r} is no schema number")
    return number


def upgraded(plain: dict[str, Any]) -> dict[str, Any]:
    """`plain` under today's schema number; what has it, or none, is given back as it is."""
    number = number_of(plain)
    while number is not None and number < SCHEMA:
        plain = {**UPGRADES[number](plain), "schema_number": number + 1}
        number += 1
    return plain
