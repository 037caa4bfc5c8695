"""CSV, JSON and HTML carry the same rows, and none of them runs what a record says."""

from __future__ import annotations

import csv
import html.parser
import io
import json
from dataclasses import replace
from typing import Any, get_args

import pandas as pd
import pytest
from report_examples import CHANGES, NO_COLUMN, config, cost, example, failure, record, stored, stored_cost
from report_hostile import PAYLOADS, hostile

from bench.report import export, page
from bench.report.rows import State, boards
from bench.spec import Component, RunConfig, printable
from bench.store import Contents

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "'quoted", "'=1")
NAMES = ("NA", "null", "None", "nan", "1e10", "00123", "True", "12345678e9", "", "a,b", 'a"b', "a\nb", "#N/A", "-")


def named(*names: str) -> Contents:
    runs = [stored(record(n, config=config(model=Component(name=name)))) for n, name in enumerate(names)]
    return Contents(runs=tuple(runs))


def test_csv_has_one_line_per_row_and_raw_scores(tmp_path):
    contents = example(tmp_path)
    found, lines = export.rows(boards(contents)), list(csv.DictReader(io.StringIO(export.to_csv(contents), newline="")))
    assert len(lines) == len(found)
    for row, line in zip(found, lines, strict=True):
        assert list(row) == list(line)
        for key, value in row.items():
            if isinstance(value, float):
                assert float(line[key]) == value
                assert 0 <= value <= 1
            elif value is None:
                assert line[key] == ""
    assert any(line["state"] == "planned" and line["miou landcover/urban"] == "" for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_names_survive_pandas(name):
    contents = named(name)
    back = pd.read_csv(io.StringIO(export.to_csv(contents), newline=""), **export.READ_CSV)
    assert [unguarded(v) for v in back["model"]] == [name]
    assert pd.to_numeric(back["miou mean"]).tolist() == [export.rows(boards(contents))[0]["miou mean"]]


def test_pandas_by_itself_loses_names():
    """Negative control: without the documented arguments the same file does not come back."""
    back = pd.read_csv(io.StringIO(export.to_csv(named("NA", "00123")), newline=""))
    assert set(back["model"].astype(str)) != {"NA", "00123"}


def unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") else cell


@pytest.mark.parametrize("text", [*FORMULAS, *PAYLOADS])
def test_no_cell_is_a_formula(text):
    for line in csv.reader(io.StringIO(export.to_csv(hostile(text)), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in line)


@pytest.mark.parametrize("text", FORMULAS)
def test_guarded_text_comes_back(text):
    assert export.spreadsheet_safe(text) == f"'{text}"
    assert unguarded(str(export.spreadsheet_safe(text))) == text


def test_numbers_stay_numbers():
    assert export.spreadsheet_safe(-1.5) == -1.5
    assert export.spreadsheet_safe(None) is None


def test_json_round_trip(tmp_path):
    contents = example(tmp_path)
    text = export.to_json(contents)
    whole = json.loads(text, parse_constant=lambda word: pytest.fail(word))
    assert whole["rows"] == export.rows(boards(contents))
    assert whole["costs"] == export.cost_rows(contents)
    assert whole["costs"][0]["macs"] == 5_893_029_888
    assert text.isascii()


def test_every_state_is_a_word(tmp_path):
    whole = example(tmp_path)
    dead = tuple(failure(20 + n, config=config(seed=7 + n), state=word) for n, word in enumerate(("died", "hung")))
    states = {row["state"] for row in export.rows(boards(replace(whole, failures=(*whole.failures, *dead))))}
    assert states == set(get_args(State))


def exported(own: RunConfig) -> dict[str, Any]:
    (row,) = export.rows(boards(Contents(runs=(stored(record(1, config=own)),))))
    return row


def test_settings_hold_what_has_no_column():
    assert exported(config())["settings"] == "steps 600"
    sizes = exported(config(resize_px=(120, 160), crop_px=None))
    assert (sizes["resize_px"], sizes["crop_px"]) == ("(120, 160)", None)
    sliding = Component(name="sliding", options={"window_px": 64})
    told = exported(config(scoring=sliding, choose="source_val", evaluate_every=50))["settings"]
    assert told == "scoring sliding(window_px: 64); steps 600; evaluate every 50; choose source_val"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_rows_of_different_settings_never_look_alike(change):
    changed, plain = exported(config(**change)), exported(config())
    assert changed != plain
    without = [{k: v for k, v in row.items() if k != "settings"} for row in (changed, plain)]
    assert (without[0] == without[1]) == (next(iter(change)) in NO_COLUMN)  # the control: it is `settings` that tells


def test_a_demonstration_has_no_place(tmp_path):
    rows = export.rows(boards(example(tmp_path)))
    assert {row["place"] for row in rows if row["state"] != "finished"} == {None}
    assert {row["place"] for row in rows if row["state"] == "finished"} > {None, "4"}


# ------------------------------------------------------------------ the page


class Elements(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, tuple(f"{k}={v}" for k, v in attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def handle_decl(self, decl):
        assert decl == "doctype html"

    def handle_comment(self, data):
        raise AssertionError(f"comment {data}")


def elements(text: str) -> Elements:
    parser = Elements()
    parser.feed(text)
    parser.close()
    return parser


ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_hostile_text_adds_no_element(payload):
    found, harmless = elements(page.to_html(hostile(payload))), elements(page.to_html(hostile("harmless")))
    assert found.seen == harmless.seen
    assert {tag for tag, _ in found.seen} <= ALLOWED
    assert not any(a.startswith(("on", "href", "src")) for _, attrs in found.seen for a in attrs)
    assert printable(payload) in "\n".join(found.text)


def test_without_autoescape_elements_appear(monkeypatch):
    """Negative control: the same check finds what an unescaping template lets through."""
    monkeypatch.setattr(page, "TEMPLATE", page.TEMPLATE.replace("cell.text }}", "cell.text | safe }}"))
    payload = "<script>alert(1)</script>"
    assert elements(page.to_html(hostile(payload))).seen != elements(page.to_html(hostile("harmless"))).seen


def test_the_page_forbids_scripts_and_loads_nothing(tmp_path):
    text = page.to_html(example(tmp_path))
    assert "default-src 'none'" in text
    assert "http:" not in text.replace("http-equiv", "")
    assert "https:" not in text
    assert "(synthetic data)" in text
    assert "nan" not in text.lower()


def test_the_page_works_without_runs():
    assert "<h1>" in page.to_html(Contents())
    assert "Costs" in page.to_html(Contents(costs=(stored_cost(cost()),)))
