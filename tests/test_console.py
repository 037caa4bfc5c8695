"""Tables: in a pipe plain columns, in a terminal drawn, in a narrow one a paragraph for each row."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from bench.cli.console import print_table

HEADER = ("run", "id", "state", "what it is")
ROWS = [
    ("pidnet_s-urban-cross_entropy-poly-source_only-s0", "r-0123456789abcdef", "todo", ""),
    ("short", "r-1", "stale", "a sentence of many words that no narrow terminal has the room for on one line, at all"),
    ("none", "", "", ""),
]
Shown = Callable[..., list[str]]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shown:
    """shown(width) -> the lines of the table in a terminal of that width; None is a pipe."""

    def lines(width: int | None) -> list[str]:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: width is not None, raising=False)
        monkeypatch.setenv("COLUMNS", str(width or 80))
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
        print_table(HEADER, ROWS)
        return capsys.readouterr().out.splitlines()

    return lines


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_narrow_terminal_gets_paragraphs_and_breaks_no_name(shown: Shown, width: int) -> None:
    lines = shown(width)
    assert [line for line in lines if not line.startswith(" ")] == [row[0] for row in ROWS]
    said = " ".join(" ".join(lines).split())
    for row in ROWS:
        for cell in row:
            assert cell in said
    assert all(len(line) <= max(width, 48) for line in lines)
    assert "what it is:" in said
    assert said.count("what it is:") == 1, "what is empty is left out"


def test_short_cells_share_a_line(shown: Shown) -> None:
    assert shown(60)[1] == "  id: r-0123456789abcdef   state: todo"
    assert shown(30)[1:3] == ["  id: r-0123456789abcdef", "  state: todo"]


def test_the_first_line_tells_rows_apart(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("TERM", "xterm")
    rows = [("ok", "disk", "47.8 GB free"), ("ok", "torch", "2.15.0"), ("note", "data", "none is set anywhere")]
    print_table(("state", "what", "how it is"), rows)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line[0] != " "] == ["ok  disk", "ok  torch", "note  data"]
    assert lines[1] == "  how it is: 47.8 GB free"


def test_a_wide_terminal_and_a_pipe_get_columns(shown: Shown) -> None:
    """The control: what fits is drawn, and a pipe has no width."""
    drawn, piped = shown(200), shown(None)
    assert len(piped) == len(ROWS) + 1
    assert piped[0].split("  ")[0] == "run"
    assert all("  " + ROWS[1][3] in "\n".join(lines) for lines in (drawn, piped))
    assert not any(line.startswith("short") and line.strip() == "short" for line in drawn + piped)
