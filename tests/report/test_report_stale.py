"""Rows made by code that has changed since: said beside the figure and below the table, grey on the page."""

from __future__ import annotations

import json
import re

import pytest
from report_examples import config, record, stored
from report_hostile import PAYLOADS

from bench.names import code
from bench.names.code import code_digests
from bench.report import export, leaderboard
from bench.report.page import to_html
from bench.report.render import render
from bench.report.rows import boards
from bench.store import Contents

OTHER = "0" * 16


def made(number, *, seed=0, origin="local", **other):
    """Run `number`, made by today's code but for the parts in `other`; `code={}` for one of schema 1."""
    own = config(seed=seed)
    noted = other.pop("code", None)
    return stored(record(number, config=own, code={**code_digests(own), **other} if noted is None else noted), origin)


def told(*runs):
    """(text of the table, its rows, its notes)."""
    (board,) = boards(Contents(runs=runs))
    return leaderboard.markdown(board), board.rows, board.notes


@pytest.mark.parametrize("runs", [(made(1),), (made(1, code={}),), (made(1, origin="reference"),)])
def test_todays_code_and_code_that_was_not_noted_are_not_stale(runs):
    text, rows, notes = told(*runs)
    assert "stale" not in text
    assert "earlier code" not in text
    assert [row.stale for row in rows] == [()]
    assert notes == ()


def test_a_stale_row_says_so_and_why():
    text, _, (note,) = told(made(1, loss=OTHER, loop=OTHER))
    assert "this machine; Example CPU; 01234567; stale (code: loop, loss) |" in text
    assert note.startswith("stale: the code named in 1 row has changed since")
    assert "bench sweep FILE --rerun stale" in text


def test_seeds_made_by_different_code_are_not_averaged():
    _, rows, notes = told(made(1), made(2, seed=1), made(3, seed=2, loss=OTHER), made(4, seed=3, loss="1" * 16))
    assert [(row.seeds, row.stale) for row in rows] == [((0, 1), ()), ((2,), ("loss",)), ((3,), ("loss",))]
    assert "2 rows" in notes[0]
    _, alike, _ = told(made(1, loss=OTHER), made(2, seed=1, loss=OTHER))
    assert [(row.seeds, row.stale) for row in alike] == [((0, 1), ("loss",))]


def test_reference_rows_are_told_of_in_one_line():
    """They are shown and never reused, so nothing can be done about them here."""
    runs = (made(1, origin="reference", model=OTHER), made(2, seed=1, origin="reference", loop=OTHER))
    text, rows, notes = told(*runs, made(3, seed=2))
    assert notes == ("reference rows were made by earlier code: loop, model",)
    assert "stale" not in text
    assert sorted(row.seeds for row in rows) == [(0, 1), (2,)]


def test_programs_and_pages_see_it(tmp_path):
    contents = Contents(runs=(made(1), made(2, seed=1, loss=OTHER)))
    assert [row["stale"] for row in json.loads(export.to_json(contents))["rows"]] == [None, "code: loss"]
    page = to_html(contents)
    assert len(re.findall("<tr", page)) == 3
    (grey,) = re.findall('<tr class="stale">.*', page)
    assert "<td>code: loss</td>" in page
    assert grey in page.partition("<tbody>")[2]
    assert 'class="stale"' not in to_html(Contents(runs=(made(1),)))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_part_of_any_name_is_only_text(payload):
    """A record made by hand may name any parts."""
    contents = Contents(runs=(made(1, **{payload: OTHER}), made(2, origin="reference", **{payload: OTHER})))
    text, page = render(contents), to_html(contents)
    for dangerous in ("<script", "<img", "<b>", "](", "\x1b", "\u202e", "```"):
        assert dangerous not in text.replace("<!-- written by", "").replace("`bench", "")
    assert not re.search(r"<(script|img|b)[ >]", page)
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({line.count("|") for line in table[:3]}) == 1


def test_very_many_parts_are_cut_short():
    text, _, _ = told(made(1, **{f"part{n:03}": OTHER for n in range(500)}))
    assert "and 492 more" in text


def test_the_same_text_every_time(monkeypatch):
    contents = Contents(runs=(made(1, loss=OTHER, model=OTHER), made(2, seed=1)))
    text = render(contents)
    assert render(Contents(runs=tuple(reversed(contents.runs)))) == text
    monkeypatch.setattr(
        code, "code_digests", lambda config: {"loss": OTHER}
    )  # negative control: other code, other text
    assert render(contents) != text
