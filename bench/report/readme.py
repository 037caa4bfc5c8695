"""A text and a file with two markers -> the file with the text between them; every other byte stays as it is."""

from __future__ import annotations

import re
from pathlib import Path

from bench.spec import BenchError
from bench.store import replace

BEGIN, END = "<!-- bench:report begin -->", "<!-- bench:report end -->"

_FENCE = re.compile(rb"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(`{3,}(?=[^`]*$)|~{3,})")
"""The line that opens a block of code, in a list item too; one closes it with as many of the same character or more."""


def update(path: Path, text: str) -> bool:
    """Put `text` between the markers of `path`; returns whether the file changed.

    A kill leaves the old file or the new one.  Raises BenchError when the file cannot be read or its markers are
    missing, doubled or crossed; nothing is written then.
    """
    before = _read(path)
    after = _filled(before, text, path)
    if after == before:
        return False
    replace(path.resolve(), after)  # a README that is a link stays one
    return True


def is_current(path: Path, text: str) -> bool:
    """Whether `text` stands between the markers already; raises BenchError as `update` does."""
    before = _read(path)
    return _filled(before, text, path) == before


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        remedy = f"create it with the lines {BEGIN} and {END}"
        raise BenchError(f"cannot be read ({error.strerror})", remedy=remedy, file=path) from None


def _filled(content: bytes, text: str, path: Path) -> bytes:
    lines = content.splitlines(keepends=True)
    first, last = _markers(lines, path)
    # The line that opens the block tells how this file ends its lines; git may have changed that on checkout.
    newline = b"\r\n" if lines[first].endswith(b"\r\n") else b"\n"
    body = text.replace("\r\n", "\n").strip("\n").encode().replace(b"\n", newline)
    between = [newline, body, newline, newline] if body else []
    return b"".join([*lines[: first + 1], *between, *lines[last:]])


def _markers(lines: list[bytes], path: Path) -> tuple[int, int]:
    """Positions of the two marker lines; a marker counts only where it is alone on its line and not inside code."""
    code = _code(lines)
    begins, ends = (sorted(_places(lines, marker) - code) for marker in (BEGIN, END))
    for marker, places in ((BEGIN, begins), (END, ends)):
        if not places:
            shown = sorted(_places(lines, marker))
            if shown:
                remedy = "put it outside of the block, or close the block"
                raise _refuse(path, shown[0] + 1, f"has {marker} only inside a block of code", remedy)
            raise _refuse(path, max(len(lines), 1), f"has no line {marker}", f"add {BEGIN} and {END}, each on a line")
        if len(places) > 1:
            raise _refuse(path, places[1] + 1, f"has {marker} a second time", "keep one pair of markers")
    if ends[0] < begins[0]:
        raise _refuse(path, ends[0] + 1, f"has {END} before {BEGIN}", "put them in order")
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
