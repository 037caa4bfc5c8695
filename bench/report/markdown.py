"""Any text -> a piece of Markdown that shows exactly this text and can do nothing else; rows of text -> a table.

Characters that Markdown, GitHub or HTML give a meaning become numeric references (`|` -> `&#124;`), which no table
splitter or inline parser reads twice; backslashes would be read differently inside and outside of tables.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

from bench.spec import printable


class Markup(str):
    """Text that is Markdown already and is not escaped again."""

    __slots__ = ()


# Everything but letters, digits and punctuation that means nothing inside a line.  `_` is harmless between letters
# and digits, `:` before a blank or at the end (`:name:` is an emoji, `http:` a link).
_SPECIAL = re.compile(
    r"""[!-/:-@\[-`{-~](?<![ "'%(),./;=?+\-])"""  # ASCII punctuation without the harmless
    r"""|^\ |\ $|(?<=\ )\ """  # blanks that a parser would drop
    r"""|(?<=\bwww)\."""  # the start of a link without a scheme
)
_KEPT = re.compile(r"(?<=[A-Za-z0-9])_(?=[A-Za-z0-9])|:(?= |$)")
# A list, a rule or a heading, where the text begins a line.
_LEADING = re.compile(r"^(\d{0,9})([-+=](?=[-+= ]|$)|(?<=\d)[.)](?= |$))")
_PLAIN_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._=,+/()-]*(?<! )")


def escape(text: str) -> Markup:
    """`text` on one line, control and direction characters spelled out, nothing in it read as markup."""
    return text if isinstance(text, Markup) else _escaped(text)


@functools.lru_cache(maxsize=4096)  # tables say the same words in every row
def _escaped(text: str) -> Markup:
    safe = printable(text)
    kept = {m.start() for m in _KEPT.finditer(safe)}
    inner = _SPECIAL.sub(lambda m: m[0] if m.start() in kept else f"&#{ord(m[0])};", safe)
    return Markup(_LEADING.sub(lambda m: f"{m[1]}&#{ord(m[2])};", inner))


def code(text: str) -> Markup:
    """`text` in backticks where that is safe, else escaped."""
    return Markup(f"`{text}`") if _PLAIN_CODE.fullmatch(text) else escape(text)


def joined(pieces: Iterable[str], separator: str = ", ") -> Markup:
    """`pieces`, each escaped unless it is Markup, with the given Markdown between them."""
    return Markup(separator.join(escape(p) for p in pieces))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[str] = ()) -> str:
    """A GitHub table with padded columns; `right` names the headers of the columns that stand flush right.

    Raises ValueError for a row of another length: a table that lost a cell would put numbers under wrong names.
    """
    lines = [[escape(cell) for cell in header], *([escape(cell) for cell in row] for row in rows)]
    if any(len(line) != len(header) for line in lines):
        raise ValueError(f"every row needs {len(header)} cells")
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(header))]
    numbers = set(right)
    pads = [str.rjust if title in numbers else str.ljust for title in header]
    ends = [":" if title in numbers else "-" for title in header]

    def written(line: Sequence[str]) -> str:
        return f"| {' | '.join(map(lambda cell, pad, width: pad(cell, width), line, pads, widths))} |"

    ruler = f"|{'|'.join(map(lambda end, width: end.rjust(width + 2, '-'), ends, widths))}|"
    return "\n".join([written(lines[0]), ruler, *map(written, lines[1:])])
