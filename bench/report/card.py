"""results/reference/card.json -> README's reliability card: each claim, its figure, and the tests that make it.

`pytest -m card` writes the record; nothing here knows what is claimed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from bench.report.markdown import Markup, code, escape, joined, table
from bench.spec import BenchError, ExitCode, Frozen, counted
from bench.store import parse

State = Literal["kept", "broken", "partly measured", "not measured"]


class Row(Frozen):
    """One claim or promise.  `kept`: every one of its tests ran and passed; `ran` of `of` tests did either.

    `control` is what the same check says of a variant that is wrong on purpose, `reference` what is known of others.
    `why` says why it is not measured.
    """

    claim: str
    state: State
    figure: str = ""
    control: str = ""
    reference: str = ""
    why: str = ""
    tests: tuple[str, ...] = ()
    ran: int = Field(default=0, ge=0)
    of: int = Field(default=0, ge=0)
    seconds: float = Field(default=0.0, ge=0)


class Card(Frozen):
    """What one `pytest -m card` found: `claims` by their words, `promises` by their numbers (A1, A2, ...)."""

    kind: Literal["card"] = "card"
    machine: str
    cores: int
    commit: str | None
    dirty: bool | None
    measured_utc: str
    seconds: float
    claims: tuple[Row, ...]
    promises: tuple[tuple[str, Row], ...]


def read(results: Path) -> Card | None:
    """The card shipped with `results`; None without one.  Raises BenchError when it cannot be trusted."""
    path = results / "reference" / "card.json"
    if not path.exists() and not path.is_symlink():
        return None
    try:
        return Card.model_validate(parse(path))
    except ValidationError as error:
        problem = f"is no card ({'.'.join(map(str, error.errors()[0]['loc']))})"
        raise BenchError(problem, remedy="make it anew with `pytest -m card`", file=path, code=ExitCode.STORE) from None


def markdown(card: Card | None) -> str:
    """The card as Markdown, a pure function of its record; '' without one."""
    if card is None:
        return ""
    commit = (card.commit or "no commit")[:8] + ("+" if card.dirty else "")
    made = (
        f"Made by `pytest -m card` in {card.seconds / 60:.0f} min on {escape(card.machine)} ({card.cores} cores) at "
        f"{escape(commit)}, {escape(card.measured_utc[:10])}. A claim is kept when every one of its tests ran and "
        "passed; `control` is the same check against a variant that is wrong on purpose."
    )
    header = ("claim", "figure", "control", "elsewhere", "tests", "made by")
    rows = [[row.claim, _figure(row), row.control, row.reference, _ran(row), _files(row)] for row in card.claims]
    parts = [made, _counts(row.state for row in card.claims), table(header, rows, right=["tests"])]
    if card.promises:
        told = [[name, row.claim, _figure(row), _ran(row), _files(row)] for name, row in card.promises]
        summary = f"{counted(len(told), 'promise')}: {_counts(row.state for _, row in card.promises)}"
        promises = table(("", "promise", "figure", "tests", "made by"), told, right=["tests"])
        parts += [f"<details>\n<summary>{summary}</summary>", promises, "</details>"]
    return "\n\n".join(parts) + "\n"


def _counts(states: Iterable[State]) -> str:
    found = Counter(states)
    return ", ".join(f"{found[state]} {state}" for state in State.__args__ if found[state])  # type: ignore[attr-defined]


def _figure(row: Row) -> str:
    """A figure stands alone only where the claim is kept: else the state comes first."""
    if row.state == "kept":
        return row.figure or "kept"
    return ": ".join(filter(None, [row.state, row.why, row.figure]))


def _ran(row: Row) -> str:
    return f"{row.ran}/{row.of}" if row.of else ""


def _files(row: Row) -> Markup:
    """The files of the tests, each once."""
    return joined([code(name) for name in dict.fromkeys(test.partition("::")[0] for test in row.tests)])
