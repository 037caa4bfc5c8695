"""What a schema found wrong, in the words of a sweep file; and what of a value it took otherwise than written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bench.spec import Component, RunConfig
from bench.sweep.wording import coerced, spoken, square, wording

LIST, WORDS = "write `[one, two]`", "write `name`, or `{name: ..., option: ...}`"


def told(kind: Any, value: Any) -> tuple[str, str]:
    """The first fault that a schema finds, in words."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return wording(caught.value.errors()[0])


class Pair(BaseModel):
    model_config = ConfigDict(extra="forbid")
    first: int
    name: str = "x"


Finite = Annotated[float, Field(allow_inf_nan=False)]


@pytest.mark.parametrize(
    ("kind", "value", "problem", "remedy"),
    [
        (int, "ten", "'ten' is not a whole number", "write digits alone, such as 4"),
        (int, [1], "a list of 1 is not a whole number", "write digits alone, such as 4"),
        (int, 1.5, "1.5 is not a whole number", "write digits alone, such as 4"),
        (float, "fast", "'fast' is not a number", "write one such as 0.01 or 1e-3"),
        (float, None, "nothing is not a number", "write one such as 0.01 or 1e-3"),
        (Finite, "inf", "'inf' is not a finite number", "write one such as 0.01 or 1e-3"),
        (bool, "maybe", "'maybe' is not a truth value", "write `true` or `false`"),
        (bool, [1], "a list of 1 is not a truth value", "write `true` or `false`"),
        (str, 5, "5 is not text", "write a name"),
        (str, True, "true is not text", "write a name"),
        (tuple[int, int], 5, "5 is not a list", LIST),
        (list[int], {"a": 1}, "a mapping is not a list", LIST),
        (dict[str, int], 5, "5 is not a component", WORDS),
        (Component, 5, "5 is not a component", WORDS),
        (tuple[int, int], [], "[] is too short", LIST),
        (tuple[int, int], [1], "a list of 1 is too short", LIST),
        (tuple[int, int], [1, 2, 3], "a list of 3 is too long", "write at most 2"),
        (Annotated[list[int], Field(min_length=3)], [1], "a list of 1 is too short", "write at least 3"),
        (Annotated[list[int], Field(max_length=1)], [1, 2], "a list of 2 is too long", "write at most 1"),
        (Pair, {}, "`first` is missing", "write `first: ...` under `base`"),
        (Pair, {"first": 1, "name": None}, "a component without a name", WORDS),
        (Pair, {"first": None}, "nothing is not a whole number", "write digits alone, such as 4"),
        (Pair, {"first": 1, "name": 3}, "3 is not text", "write a name"),
        (Literal["fp32", "bf16", "auto"], "fp23", "'fp23' is not one of its values", "did you mean fp32?"),
        (Literal["on", "off"], 7, "7 is not one of its values", "choose one of: off, on"),
        (Annotated[int, Field(ge=1)], 0, "0 is no value for it", "input should be greater than or equal to 1"),
        (
            Annotated[str, Field(max_length=1)],
            "ab",
            "'ab' is no value for it",
            "string should have at most 1 character",
        ),
        (set[int], 5, "5 is no value for it", "input should be a valid set"),
    ],
)
def test_a_fault_is_told_in_the_words_of_a_file(kind: Any, value: Any, problem: str, remedy: str) -> None:
    assert told(kind, value) == (problem, remedy)


def test_a_rule_between_keys_is_told_as_it_is() -> None:
    given = {"model": "m", "dataset": "d", "source": "a", "evaluate_on": ["a"]}
    problem, remedy = told(RunConfig, given)
    assert problem == "exactly one of `steps` and `epochs` says how long to train"
    assert remedy == "change one of these keys, or unset it with `key: null`"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (0.5, "0.5"),
        ("3", "'3'"),
        ("", "''"),
        ([], "[]"),
        ({}, "{}"),
        ([1, 2], "a list of 2"),
        ({"a": 1}, "a mapping"),
        ("x" * 58, "'" + "x" * 58 + "'"),
        ("x" * 40 + "y" * 19, "'" + "x" * 39 + "..." + "y" * 9 + "'"),
    ],
)
def test_a_value_is_quoted_short(value: Any, text: str) -> None:
    assert spoken(value) == text


@pytest.mark.parametrize(
    ("value", "size"), [(96, [96, 96]), ([96, 128], [96, 128]), (True, True), ("96", "96"), (None, None), (1.5, 1.5)]
)
def test_one_whole_number_is_a_square(value: Any, size: Any) -> None:
    assert square(value) == size
    assert type(square(value)) is type(size)


@pytest.mark.parametrize(
    ("written", "taken", "found"),
    [
        ({"steps": "6"}, {"steps": 6}, [("steps", "'6' is text, not a number", "write `6` if that is meant")]),
        (
            {"flag": "no"},
            {"flag": False},
            [("flag", "'no' is text, not a truth value", "write `false` if that is meant")],
        ),
        ({"flag": 1}, {"flag": True}, [("flag", "1 is a number, not a truth value", "write `true` if that is meant")]),
        ({"lr": True}, {"lr": 1.0}, [("lr", "true is a truth value, not a number", "write `1.0` if that is meant")]),
        ({"name": 5}, {"name": "5"}, [("name", "5 is a number, not text", "write `5` if that is meant")]),
        ({"a": {"b": [1, "2"]}}, {"a": {"b": [1, 2]}}, ["a.b.1"]),
        ({"a": ["1", {"b": "2"}]}, {"a": (1, {"b": 2})}, ["a.0", "a.1.b"]),
        ({"b": "1", "a": "2", "c": "3"}, {"a": 2, "b": 1, "c": 3}, ["b", "a", "c"]),  # in the order of writing
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": "x"}, {"a": "y"}, []),
        ({"a": None}, {"a": 5}, []),
        ({"a": 5}, {"a": None}, []),
        ({"a": "x", "b": "1"}, {"b": 1, "c": 3}, ["b"]),
        ({"a": "unet"}, {"a": {"name": "unet"}}, []),
        ({"a": ["1"]}, {"a": {"name": 1}}, []),
        ({"a": {"name": "1"}}, {"a": [1]}, []),
        ({"a": ["1", "2"]}, {"a": (1,)}, ["a.0"]),
        ({"a": "12"}, {"a": (1, 2)}, []),
    ],
)
def test_what_was_taken_otherwise_than_written_is_told(written: Any, taken: Any, found: list[Any]) -> None:
    told = list(coerced(written, taken))
    assert [one if isinstance(two, tuple) else one[0] for one, two in zip(told, found, strict=True)] == found


def test_a_value_alone_has_the_key_that_it_is_given() -> None:
    assert [key for key, _, _ in coerced("1", 1, "steps")] == ["steps"]
    assert [key for key, _, _ in coerced("1", 1)] == [""]
