"""Tables and lines for people: in a terminal with colour, in a pipe plain and never cut."""

from __future__ import annotations

import contextlib
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from bench.spec import printable

if TYPE_CHECKING:
    from rich.console import Console


def harmless(text: str) -> str:
    """`text` with its line ends and without any other character that steers a terminal: it may come from a record."""
    return "\n".join(map(printable, text.split("\n")))


def say(text: str, stream: TextIO | None = None) -> None:
    """A line on `stream` (stdout by default); a reader who has left is no reason to stop working."""
    with contextlib.suppress(BrokenPipeError):
        print(harmless(text) + "\n", end="", file=stream or sys.stdout, flush=True)  # at once: Ctrl-C cuts no line


def is_live(stream: TextIO) -> bool:
    """Whether `stream` is a terminal on which something may move."""
    return stream.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"


def make_console(stream: TextIO) -> Console:
    """A console that never cuts text off in a pipe and shows no colour under NO_COLOR."""
    from rich.console import Console

    if stream.isatty():
        return Console(file=stream, highlight=False)
    return Console(file=stream, highlight=False, width=1000, no_color=True, force_terminal=False)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """A table on stdout: drawn by rich in a terminal, columns of text separated by two blanks in a pipe.

    In a terminal too narrow for it, a paragraph for each row: no name or number is broken.  `right` are the indices of
    columns that hold numbers.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in (header, *cells)) for i in range(len(header))]
    if not sys.stdout.isatty():
        for line in (header, *cells):
            padded = (
                c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
            )
            print("  ".join(padded).rstrip())
        return
    console = make_console(sys.stdout)
    if sum(widths) + 3 * len(widths) > console.width:
        _print_paragraphs(header, cells, console.width)
        return
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    table = Table(box=box.ASCII if ascii_only else box.SIMPLE_HEAD, pad_edge=False)
    for i, title in enumerate(header):
        table.add_column(escape(title), justify="right" if i in right else "left", overflow="fold")
    for row in cells:
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)


def _print_paragraphs(header: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> None:
    """What tells a row from the others on a line of its own; under it what the other cells are and say, if anything."""
    head = next((n for n in range(1, len(header)) if len({tuple(row[:n]) for row in cells}) == len(cells)), 1)
    fill = textwrap.TextWrapper(
        width, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    for row in cells:
        print("  ".join(row[:head]))
        named = list(zip(header, row, strict=True))[head:]
        said = [f"{title}: {cell}" if title else cell for title, cell in named if cell]
        line = ""
        for one in said:  # as many to a line as fit
            if line and len(line) + len(one) + 5 > width:
                print(fill.fill(line))
                line = ""
            line += "   " * bool(line) + one
        if line:
            print(fill.fill(line))


@contextlib.contextmanager
def counting(what: str, total: int | None) -> Iterator[Callable[[], None]]:
    """A bar on stderr that advances at each call; silent without a terminal."""
    if not is_live(sys.stderr):
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress(console=make_console(sys.stderr), transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda: bars.advance(task)
