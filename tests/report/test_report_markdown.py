"""Text of any kind -> Markdown that a parser reads back as exactly this text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from report_hostile import PAYLOADS

from bench.report.markdown import Markup, code, escape, joined, table
from bench.spec import printable


def text_of(markdown: str) -> str:
    """What a reader sees of one line; fails where a parser finds anything but text or code."""
    (inline,) = [t for t in MarkdownIt("gfm-like", {"linkify": False}).parse(f"x {markdown} x") if t.type == "inline"]
    assert {child.type for child in inline.children or []} <= {"text", "code_inline", "text_special"}
    return "".join(child.content for child in inline.children or [])[2:-2]


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
@pytest.mark.parametrize("write", [escape, code])
def test_hostile_text_parses_back(write, payload):
    assert text_of(write(payload)) == printable(payload)


@given(st.text())
def test_any_text_parses_back(text):
    assert text_of(escape(text)) == printable(text)
    assert text_of(code(text)) == printable(text)
    assert "|" not in escape(text)
    assert "\n" not in escape(text)


def test_unescaped_text_does_not_parse_back():
    """Negative control: the same check catches text that was not escaped."""
    broken = 0
    for payload in PAYLOADS:
        try:
            broken += text_of(printable(payload)) != printable(payload)
        except AssertionError:
            broken += 1
    assert broken >= 10


def test_ordinary_words_stay_readable():
    for text in ("source_only", "sgd(lr: 0.01, momentum: 0.9)", "37.9 ± 0.8", "6 of 7 classes", "mIoU (%) urban"):
        assert escape(text) == text


def test_markup_is_not_escaped_twice():
    assert escape(escape("a|b")) == "a&#124;b"
    assert joined(["a|b", Markup("`c`")]) == "a&#124;b, `c`"


def test_table_has_aligned_columns():
    written = table(["name", "n"], [["a|b", "1"], ["c", "1000"]], right=["n"])
    assert written == "\n".join(
        ["| name     |    n |", "|----------|-----:|", "| a&#124;b |    1 |", "| c        | 1000 |"]
    )


def test_columns_are_three_wide_at_least_and_may_be_named_once():
    """GitHub wants three dashes; the names of columns may come from a generator."""
    written = table(["a", "b", "c"], [], right=iter(["c", "b"]))
    assert written == "| a   |   b |   c |\n|-----|----:|----:|"
    assert table(["four", "a"], []) == "| four | a   |\n|------|-----|"


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="2 cells"):
        table(["a", "b"], [["only one"]])
