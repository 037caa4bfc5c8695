"""Tables out of files: several in one file, ragged, hostile, none; what is wrong is said in one line."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.audit.audit import audit
from bench.audit.markup import cells, is_ruler, plain
from bench.audit.reading import MAX_BYTES, read
from bench.spec import BenchError, ExitCode

TABLE = "| Model | Params (M) |\n|---|--:|\n| a | 1.0 |\n| b | 2.0 |\n"


def written(folder: Path, text: str | bytes, name: str = "table.md") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_tables_know_their_lines_and_what_stands_above(tmp_path: Path) -> None:
    text = f"# One\n\nwords above\n\n{TABLE}\n# Two\n\n{TABLE}\nwords below\n"
    one, two = (s for s in read(written(tmp_path, text)) if s.tables)
    assert (one.title, two.title) == ("One", "Two")
    assert one.tables[0].line == 5
    assert [line for line, _ in one.tables[0].rows] == [7, 8]
    assert one.tables[0].above[-1] == (3, "words above")
    assert two.tables[0].rows[0][1] == ["a", "1.0"]


def test_ragged_rows_are_filled_or_cut(tmp_path: Path) -> None:
    text = "| a | b |\n|---|---|\n| 1 |\n| 1 | 2 | 3 |\n| 1 | 2 | |\n"
    (section,) = read(written(tmp_path, text))
    table = section.tables[0]
    assert [row for _, row in table.rows] == [["1", ""], ["1", "2"], ["1", "2"]]
    assert table.ragged == [3, 4]


def test_a_block_of_code_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="there is no table"):
        read(written(tmp_path, f"```\n{TABLE}```\n"))


def test_csv_with_any_delimiter(tmp_path: Path) -> None:
    for delimiter in ",;\t":
        text = f"model{delimiter}params\n\n'a{delimiter}1\n".replace("'", "")
        (section,) = read(written(tmp_path, text, "table.csv"))
        assert section.tables[0].header == ["model", "params"]
        assert section.tables[0].rows == [(3, ["a", "1"])]
    (section,) = read(written(tmp_path, '\ufeffmodel,params\n"a, b","1"\n', "table.csv"))
    assert section.tables[0].rows[0][1] == ["a, b", "1"]


@pytest.mark.parametrize(
    ("content", "name", "match"),
    [
        (b"", "t.md", "there is no table"),
        (b"words only\n", "t.md", "there is no table"),
        (b"<table><tr><td>1</td></tr></table>\n", "t.md", "HTML tables are not read"),
        (b"model,params\n", "t.csv", "there is no table"),
        (b"| a |\n|---|\n| \x00 |\n", "t.md", "zero byte"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "t.md", "0x89 is no UTF-8"),
        ("model,latency\na,4 ± 1\n".encode("latin-1"), "t.csv", "0xb1 is no UTF-8; save the table as UTF-8"),
        (b"x" * (MAX_BYTES + 1), "t.md", "more than a table of results takes"),
        (b"a" * 30_000 + b"\n" + TABLE.encode(), "t.md", "a line of 30,000 characters"),
        (b"model,params\n" + b"a,1\n" * 20_002, "t.csv", "more than 20,000 rows"),
        (b"a," * 300 + b"\n" + b"1," * 300 + b"\n", "t.csv", "more than 200 columns"),
        (b'model,params\n"' + b"a" * 200_000 + b'",1\n', "t.csv", "no CSV: field larger than field limit"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, content: bytes, name: str, match: str) -> None:
    with pytest.raises(BenchError, match=match) as caught:
        read(written(tmp_path, content, name))
    assert "\n" not in str(caught.value)
    assert caught.value.code == ExitCode.USAGE


def test_folders_and_absent_files(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="this is no file"):
        read(tmp_path)
    with pytest.raises(BenchError, match="there is no such file"):
        read(tmp_path / "none.md")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(alphabet="|-: #*`[]()aMG0157.,x±\\\n\t\x1b$_~é", max_size=60), max_size=12), st.booleans())
def test_any_text_is_audited_or_refused(tmp_path: Path, lines: list[str], as_csv: bool) -> None:
    head = (
        "model,params,flops,latency,size\n" if as_csv else "| Model | Params | FLOPs | Latency | Size |\n|-|-|-|-|-|\n"
    )
    path = written(tmp_path, head + "\n".join(lines), "t.csv" if as_csv else "t.md")
    with contextlib.suppress(BenchError):
        assert audit(path).rows >= 0


# ------------------------------------------------------------------ one line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**78.8**", "78.8"),
        ("[78.8](https://host/a_(b).pt)", "78.8.pt)"),
        ("[**78.8**](url)", "78.8"),
        ("`PIDNet_S`", "PIDNet_S"),
        ("*4.0* &plusmn; 0.1<br>ms", "4.0 ± 0.1 ms"),
        ("$4.0 \\pm 0.1$", "4.0 ± 0.1"),
        ("FPS↑", "FPS"),
        ("93.2<sup>1</sup>", "93.2"),
        ("45.9†", "45.9"),
        ("PIDNet_S_v2", "PIDNet_S_v2"),
        ("\\|", "|"),
    ],
)
def test_markup_becomes_what_it_shows(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_cells_split_as_on_github() -> None:
    assert cells("| a | b \\| c | |") == ["a", "b \\| c", ""]
    assert cells("a | b") == ["a", "b"]
    assert is_ruler("|:--|--:|")
    assert not is_ruler("| a | b |")
    assert not is_ruler("")
