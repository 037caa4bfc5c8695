"""A Markdown or CSV file -> its tables, each with the words around it, and its `key: value` lines.

A file is somebody else's: whatever lies in it, the outcome is tables or one line that says why not.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.audit.markup import cells, is_ruler, plain
from bench.spec import BenchError

MAX_BYTES, MAX_ROWS, MAX_COLUMNS, MAX_LINE = 2_000_000, 20_000, 200, 20_000

_FACT = re.compile(r"^\s{0,3}(?:[-*+]\s+)?([^\W\d][^:|]{0,70}?)\s*:\s+(\S.*)$")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.*?)\s*#*\s*$")
_FENCE = re.compile(r"^\s{0,3}(```+|~~~+)")
_NAMING = re.compile(r"^(?:model|network|architecture)(?:\s+name)?$", re.IGNORECASE)


@dataclass
class Section:
    """What stands under one heading, or after one `Model name: ...` line: they speak of one another."""

    title: str = ""
    line: int = 1
    facts: list[tuple[int, str, str]] = field(default_factory=list)
    words: list[tuple[int, str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass
class Table:
    """`rows` are (line, cells), each as long as `header`; `above` are the lines of text since the table before it.

    `ragged` are the lines whose cells are not as many as the header's.
    """

    line: int
    header: list[str]
    rows: list[tuple[int, list[str]]]
    above: list[tuple[int, str]]
    ragged: list[int]


def read(path: Path) -> list[Section]:
    """Everything in a file that may hold figures; raises BenchError where there is nothing to read."""
    text = _text(path)
    try:
        sections = _csv(text, path) if path.suffix.casefold() in (".csv", ".tsv") else _markdown(text.splitlines())
    except BenchError as error:
        raise error.at(file=path) from None
    if not any(section.tables or section.facts for section in sections):
        html = " (HTML tables are not read: write it with pipes)" if "<table" in text.casefold() else ""
        what = f"there is no table in it{html}"
        raise BenchError(what, remedy="give a Markdown file with a pipe table, or a .csv file", file=path)
    return sections


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise BenchError("this is no file", remedy="name a Markdown or CSV file", file=path)
        if size > MAX_BYTES:
            what = f"{size / 1e6:.0f} MB is more than a table of results takes ({MAX_BYTES / 1e6:.0f} MB)"
            raise BenchError(what, remedy="give the part that holds the table", file=path)
        data = path.read_bytes()
    except FileNotFoundError:
        raise BenchError("there is no such file", remedy="name a Markdown or CSV file", file=path) from None
    except OSError as error:
        what = f"it cannot be read ({error.strerror})"
        raise BenchError(what, remedy="name a file that you may read", file=path) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{data[error.start]:02x} is no UTF-8"
        raise BenchError(what, remedy="save the table as UTF-8 text", file=path, line=line) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise BenchError("it holds a zero byte", remedy="save the table as UTF-8 text", file=path, line=line)
    return text


# ------------------------------------------------------------------ CSV


def _csv(text: str, path: Path) -> list[Section]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max("\t;,", key=first.count) if path.suffix.casefold() == ".csv" else "\t"
    rows: list[tuple[int, list[str]]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((reader.line_num, [" ".join(cell.split()) for cell in row]))
                _bounded(len(rows), len(row), reader.line_num)
    except csv.Error as error:
        raise BenchError(f"no CSV: {error}", remedy="check its quotation marks", line=reader.line_num) from None
    if len(rows) < 2:
        return []
    header = [plain(cell) for cell in rows[0][1]]
    return [Section(tables=[_table(rows[0][0], header, rows[1:], [])])]


def _bounded(rows: int, columns: int, line: int) -> None:
    if rows > MAX_ROWS or columns > MAX_COLUMNS:
        what = f"more than {MAX_ROWS:,} rows" if rows > MAX_ROWS else f"more than {MAX_COLUMNS} columns"
        raise BenchError(what, remedy="give the part that holds the table", line=line)


def _table(line: int, header: list[str], rows: list[tuple[int, list[str]]], above: list[tuple[int, str]]) -> Table:
    width = len(header)
    fitted = [(n, [*row, *[""] * (width - len(row))][:width]) for n, row in rows]
    # A trailing delimiter opens no cell.
    ragged = [n for n, row in rows if len(row) < width or any(cell for cell in row[width:])]
    return Table(line, header, fitted, above, ragged)


# ------------------------------------------------------------------ Markdown


def _markdown(lines: list[str]) -> list[Section]:
    sections, since = [Section()], list[tuple[int, str]]()
    number = 0
    for number, line, below in _outside_fences(lines):
        if len(line) > MAX_LINE:
            raise BenchError(f"a line of {len(line):,} characters", remedy="give the part with the table", line=number)
        if number <= _last_line(sections):
            continue
        heading, fact = _HEADING.match(line), _FACT.match(plain(line))
        naming = fact and _NAMING.match(fact[1])
        if heading or naming:
            if heading or sections[-1].facts or sections[-1].tables:
                sections.append(Section(title=plain(heading[1]) if heading else "", line=number))
            since = []
        if "|" in line and is_ruler(below) and len(cells(line)) == len(cells(below)):
            sections[-1].tables.append(_pipes(lines, number, since))
            since = []
            continue
        if line.strip():
            said = plain(heading[1] if heading else line)
            since.append((number, said))
            sections[-1].words.append((number, said))
        if fact and not heading:
            sections[-1].facts.append((number, fact[1], fact[2]))
    return sections


def _outside_fences(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """(number, line, the line below) of all that is no block of code."""
    fence = ""
    for number, line in enumerate(lines, 1):
        mark = _FENCE.match(line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1][:3]
        elif not fence:
            yield number, line, lines[number] if number < len(lines) else ""


def _last_line(sections: list[Section]) -> int:
    """The last line that belongs to a table already read."""
    table = next((section.tables[-1] for section in reversed(sections) if section.tables), None)
    return 0 if table is None else table.rows[-1][0] if table.rows else table.line + 1


def _pipes(lines: list[str], number: int, above: list[tuple[int, str]]) -> Table:
    """The table whose header is line `number`; it ends at a line that is empty or begins another block."""
    rows = []
    for n, line in enumerate(lines[number + 1 :], number + 2):
        if not line.strip() or "|" not in line or _HEADING.match(line) or _FENCE.match(line):
            break
        row = [plain(cell) for cell in cells(line)]
        rows.append((n, row))
        _bounded(len(rows), len(row), n)
    header = [plain(cell) for cell in cells(lines[number - 1])]
    return _table(number, header, rows, above)
