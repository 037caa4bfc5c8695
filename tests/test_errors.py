"""The line that tells of a fault, the exit codes, and text that cannot steer a terminal."""

from __future__ import annotations

import copy
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.spec import BenchError, ExitCode, counted, printable


def test_exit_codes_are_those_of_the_readme() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "RUNS_FAILED": 1,
        "USAGE": 2,
        "DATA": 3,
        "STORE": 4,
        "ENVIRONMENT": 5,
        "INTERNAL": 70,
        "INTERRUPTED": 75,
        "CTRL_C": 130,
    }
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    table = readme.partition("### Exit codes\n")[2].lstrip().partition("\n\n")[0]
    told = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    assert told == [str(int(code)) for code in ExitCode]


# ------------------------------------------------------------------ the line


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({}, "wrong"),
        ({"remedy": "mend it"}, "wrong; mend it"),
        ({"key": "base.loss"}, "base.loss: wrong"),
        ({"file": "a.yaml"}, "a.yaml: wrong"),
        ({"file": "a.yaml", "line": 3}, "a.yaml:3: wrong"),
        ({"file": "a.yaml", "line": 3, "column": 5}, "a.yaml:3:5: wrong"),
        ({"file": "a.yaml", "line": 0, "column": 0, "key": "k"}, "a.yaml:0:0: k: wrong"),
        ({"file": Path("a.yaml"), "column": 5}, "a.yaml: wrong"),
        ({"line": 3, "column": 5}, "wrong"),
    ],
)
def test_an_error_says_where_what_and_what_to_do(words: dict[str, object], line: str) -> None:
    assert str(BenchError("wrong", **words)) == line  # type: ignore[arg-type]


def test_an_error_has_what_it_was_given() -> None:
    error = BenchError("wrong")
    assert (error.problem, error.remedy, error.key, error.code) == ("wrong", "", "", ExitCode.USAGE)
    assert (error.file, error.line, error.column) == (None, None, None)
    assert BenchError("wrong", code=ExitCode.DATA).code is ExitCode.DATA


def test_a_copy_of_an_error_is_whole() -> None:
    for error in (BenchError("wrong", file="a", line=3, key="k"), BenchError(problem="wrong", code=ExitCode.STORE)):
        again = copy.copy(error)  # as it is sent to another process
        assert (str(again), vars(again)) == (str(error), vars(error))
        assert again.args == ("wrong",)


def test_places_that_are_known_stay() -> None:
    error = BenchError("unknown loss 'x'", remedy="did you mean ohem?")
    assert error.at() is error
    assert str(error) == "unknown loss 'x'; did you mean ohem?"
    assert error.at(file="a.yaml", line=3, column=5, key="base.loss") is error
    assert str(error) == "a.yaml:3:5: base.loss: unknown loss 'x'; did you mean ohem?"
    assert error.at(file="b.yaml", line=9, column=1, key="other") is error
    assert str(error) == "a.yaml:3:5: base.loss: unknown loss 'x'; did you mean ohem?"
    line = BenchError("wrong", line=3).at(file="a.yaml", line=9, column=1)
    assert str(line) == "a.yaml:3: wrong"  # a column of another line is none of this


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.text())
def test_an_error_is_one_harmless_line_of_at_most_300(text: str) -> None:
    line = str(BenchError(text, remedy=text, file=text, line=3, key=text))
    assert len(line) <= 300
    assert all(c.isprintable() for c in line)


def test_what_is_too_long_loses_its_middle() -> None:
    assert str(BenchError("a" * 300)) == "a" * 300
    assert str(BenchError("a" * 150 + "b" * 151)) == "a" * 148 + " ... " + "b" * 147


def test_things_are_counted_in_words() -> None:
    assert [counted(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]


# ------------------------------------------------------------------ harmless text


def test_what_steers_a_terminal_is_spelled_out_and_all_else_stays() -> None:
    assert printable("\x1b[2J\u202e\n") == "\\x1b[2J\\u202e\\n"
    assert printable("it's a \"b\" \\ \u00e9 \u4e2d \U0001f600 ''") == "it's a \"b\" \\ \u00e9 \u4e2d \U0001f600 ''"
    some = (*range(0x3000), *range(0xD7FC, 0xE001), *range(0xFE00, 0x10000), *range(0xE0000, 0xE0100), sys.maxunicode)
    kept = {unicodedata.category(chr(n)) for n in some if printable(chr(n)) == chr(n)}
    assert kept & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} == set()
    assert printable(" ") == " "


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.text(), st.integers(8, 60))
def test_a_limit_holds_and_is_used_up(text: str, limit: int) -> None:
    plain, cut = printable(text), printable(text, limit=limit)
    if len(plain) <= limit:
        assert cut == plain
    else:
        head, middle, tail = cut.partition(" ... ") if " ... " not in plain else (cut[:1], " ... ", cut[-1:])
        assert len(cut) == limit
        assert plain.startswith(head)
        assert plain.endswith(tail)
        assert middle == " ... "


@pytest.mark.parametrize(
    ("limit", "text"),
    [(11, "0123456789a"), (10, "012 ... 9a"), (9, "01 ... 9a"), (8, "01 ... a"), (7, "0 ... a"), (5, " ... ")],
)
def test_the_two_ends_are_equally_long_or_the_first_one_longer(limit: int, text: str) -> None:
    assert printable("0123456789a", limit=limit) == text
