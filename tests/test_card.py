"""The card's making: what counts as kept, how figures are put together; every promise names tests there are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from card import Result, belongs, merged, row
from promises import CLAIMS, PROMISES, Promise

TESTS = Path(__file__).parent
IDS = [*(f"A{n}" for n in range(1, 12)), *(f"B{n}" for n in range(1, 10)), *(f"C{n}" for n in range(1, 9))]
IDS += [*(f"D{n}" for n in range(1, 9)), *(f"E{n}" for n in range(1, 5)), *(f"F{n}" for n in range(1, 8))]
IDS += [*(f"G{n}" for n in range(1, 6)), *(f"H{n}" for n in range(1, 4))]
TWO = Promise("A1", "It holds", ("a.py::test_a", "b.py"), "none")


def result(test: str, outcome: str = "passed", *figures: str) -> Result:
    told = [("control" if "control" in text else "it", text) for text in figures]
    return Result(f"tests/{test}", outcome, 1.0, told)


GOOD = [result("a.py::test_a[1]", "passed", "3 kills, 0 lost"), result("b.py::test_b", "passed", "a control lost 3")]


def test_every_promise_is_there_once() -> None:
    assert [promise.id for promise in PROMISES] == IDS
    assert len(IDS) == 55


def missing(promise: Promise) -> list[str]:
    """Tests that a promise names and that are not there."""
    found = []
    for name in promise.tests:
        file, _, function = name.partition("::")
        tree = ast.parse((TESTS / file).read_text()) if (TESTS / file).is_file() else ast.Module([], [])
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if not any(f.startswith("test_") for f in functions) or (function and function not in functions):
            found.append(name)
    return found


@pytest.mark.parametrize("promise", [*PROMISES, *CLAIMS], ids=lambda p: p.id or p.claim[:30])
def test_a_promise_names_tests_that_are_there_or_says_why_not(promise: Promise) -> None:
    assert missing(promise) == []
    assert bool(promise.tests) != bool(promise.why)


def test_a_test_that_is_not_there_is_seen() -> None:
    assert missing(Promise("", "", ("test_card.py::test_nothing", "nowhere.py", "card.py"))) != []
    assert missing(Promise("", "", ("test_card.py::test_a_test_that_is_not_there_is_seen",))) == []


def test_a_promise_is_kept_when_all_its_tests_passed() -> None:
    found = row(TWO, [*GOOD, result("c.py::test_other", "failed", "not mine")])
    assert (found["state"], found["ran"], found["of"], found["seconds"]) == ("kept", 2, 2, 2.0)
    assert (found["figure"], found["control"], found["reference"]) == ("3 kills, 0 lost", "a control lost 3", "none")


@pytest.mark.parametrize(
    ("results", "state", "ran"),
    [
        ([], "not measured", 0),
        (GOOD[:1], "partly measured", 1),
        ([*GOOD, result("b.py::test_c", "skipped")], "partly measured", 2),
        ([*GOOD, result("b.py::test_c", "not run")], "partly measured", 2),
        ([result("a.py::test_a", "skipped"), result("b.py::test_b", "skipped")], "not measured", 0),
        ([*GOOD, result("b.py::test_c", "failed", "9 lost")], "broken", 3),
    ],
    ids=["nothing", "a test is missing", "one skipped", "one deselected", "all skipped", "one failed"],
)
def test_anything_else_is_not_kept(results: list[Result], state: str, ran: int) -> None:
    found = row(TWO, results)
    assert (found["state"], found["ran"]) == (state, ran)
    assert "9 lost" not in found["figure"]  # a figure of a test that failed is none


def test_a_promise_without_tests_says_why() -> None:
    found = row(Promise("C5", "Slurm", why="later"), GOOD)
    assert (found["state"], found["why"], found["figure"]) == ("not measured", "later", "")


def test_a_test_in_two_sizes_counts_with_both() -> None:
    sizes = [result(f"a.py::test_a[{n}]", "passed", f"{n} kills, 0 lost") for n in (20, 200)]
    assert row(Promise("", "", ("a.py::test_a",)), sizes)["figure"] == "220 kills, 0 lost (2 tests)"


def test_what_belongs_to_a_name() -> None:
    assert belongs("tests/a.py::test_a[x::y/z]", "a.py::test_a")
    assert belongs("tests/fault/a.py::test_a", "fault/a.py")
    assert not belongs("tests/a.py::test_ab", "a.py::test_a")
    assert not belongs("tests/b/a.py::test_a", "a.py::test_a")


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([], ""),
        (["3 kills, 0 lost"], "3 kills, 0 lost"),
        (["20/20 equal", "20/20 equal"], "20/20 equal (2 tests)"),
        (["30 points, 0 lost, exit 5", "12 points, 0 lost, exit 5"], "42 points, 0 lost, exit 5 (2 tests)"),
        (["a # b 1", "a # b 2"], "a # b 3 (2 tests)"),
        (["1 refused, 0 left", "1 refused, 0 left"], "2 refused, 0 left (2 tests)"),
        (["a", "b"], "a; b"),
        (["a", "b", "c", "d", "e"], "a; b; c; and 2 more"),
    ],
)
def test_figures_are_put_together(texts: list[str], told: str) -> None:
    assert merged(texts) == told
