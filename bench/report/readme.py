"""Texts and a file with two markers for each -> the file with the texts between them; every other byte stays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from bench.spec import BenchError
from bench.store import replace


def markers(block: str) -> tuple[str, str]:
    """The lines between which the text of `block` stands."""
    return f"<!-- bench:{block} begin -->", f"<!-- bench:{block} end -->"


BEGIN, END = markers("report")

_FENCE = re.compile(rb"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(`{3,}(?=[^`]*$)|~{3,})")
"""The line that opens a block of code, in a list item too; one closes it with as many of the same character or more."""


def update(path: Path, text: str, more: Mapping[str, str] | None = None) -> bool:
    """Put `text` between the report's markers in `path`, and that of each block in `more` where the file has them.

    Returns whether the file changed.  A kill leaves the old file or the new one.  Raises BenchError when the file
    cannot be read or its markers are missing, doubled or crossed; nothing is written then.
    """
    before = _read(path)
    after = _filled(before, text, more or {}, path)
    if after == before:
        return False
    replace(path.resolve(), after)  # a README that is a link stays one
    return True


def is_current(path: Path, text: str, more: Mapping[str, str] | None = None) -> bool:
    """Whether all that `update` would write stands there already; raises BenchError as it does."""
    before = _read(path)
    return _filled(before, text, more or {}, path) == before


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        remedy = f"create it with the lines {BEGIN} and {END}"
        raise BenchError(f"cannot be read ({error.strerror})", remedy=remedy, file=path) from None


def _filled(content: bytes, text: str, more: Mapping[str, str], path: Path) -> bytes:
    lines = content.splitlines(keepends=True)
    code = _code(lines)
    texts = {"report": text}
    texts |= {block: t for block, t in more.items() if any(_places(lines, mark) - code for mark in markers(block))}
    spans = sorted((*_span(lines, code, block, path), block) for block in texts)
    for (_, end, outer), (start, _, inner) in pairwise(spans):
        if start < end:
            raise _refuse(path, start + 1, f"has the block {inner} inside the block {outer}", "put it after its end")
    for first, last, block in reversed(spans):
        # The line that opens the block tells how this file ends its lines; git may have changed that on checkout.
        newline = b"\r\n" if lines[first].endswith(b"\r\n") else b"\n"
        body = texts[block].replace("\r\n", "\n").strip("\n").encode().replace(b"\n", newline)
        lines[first + 1 : last] = [newline, body, newline, newline] if body else []
    return b"".join(lines)


def _span(lines: list[bytes], code: set[int], block: str, path: Path) -> tuple[int, int]:
    """Positions of the two marker lines; a marker counts only where it is alone on its line and not inside code."""
    begin, end = markers(block)
    begins, ends = (sorted(_places(lines, marker) - code) for marker in (begin, end))
    for marker, places in ((begin, begins), (end, ends)):
        if not places:
            shown = sorted(_places(lines, marker))
            if shown:
                remedy = "put it outside of the block, or close the block"
                raise _refuse(path, shown[0] + 1, f"has {marker} only inside a block of code", remedy)
            raise _refuse(path, max(len(lines), 1), f"has no line {marker}", f"add {begin} and {end}, each on a line")
        if len(places) > 1:
            raise _refuse(path, places[1] + 1, f"has {marker} a second time", "keep one pair of markers")
    if ends[0] < begins[0]:
        raise _refuse(path, ends[0] + 1, f"has {end} before {begin}", "put them in order")
    return begins[0], ends[0]


def _places(lines: list[bytes], marker: str) -> set[int]:
    return {i for i, line in enumerate(lines) if line.strip() == marker.encode()}


def _code(lines: list[bytes]) -> set[int]:
    """Positions of the lines inside fenced code; a fence that nothing closes goes on to the end, as on a page."""
    inside: set[int] = set()
    fence = b""
    for i, line in enumerate(lines):
        text = line.strip()
        if fence:
            inside.add(i)
            if len(text) >= len(fence) and not text.strip(fence[:1]):
                fence = b""
        elif opened := _FENCE.match(line):
            fence = opened[1]
    return inside


def _refuse(path: Path, line: int, problem: str, remedy: str) -> BenchError:
    return BenchError(problem, remedy=remedy, file=path, line=line)
