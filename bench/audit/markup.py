"""A line of Markdown -> the plain words in it: links, emphasis, tags, entities and formulas become what they show."""

from __future__ import annotations

import html
import re

LONGEST = 500
_STEPS = (
    (re.compile(r"<!--.*?(?:-->|$)"), ""),
    (re.compile(r"!\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])"), r"\1"),
    (re.compile(r"\[\^[^\]]*\]"), ""),
    (re.compile(r"<br\s*/?>", re.IGNORECASE), " "),
    (re.compile(r"<su[bp]>\s*([^<\d]*?|\d+)\s*</su[bp]>", re.IGNORECASE), ""),
    (re.compile(r"</?[A-Za-z][^<>]*>"), ""),
    (re.compile(r"\\pm\b|\{\\pm\}"), "±"),
    (re.compile(r"\\times\b"), "x"),
    (re.compile(r"\\(?:text|mathrm|mathbf|textbf|bf)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\\[,;!]|\\ "), " "),
    (re.compile(r"\$([^$]*)\$"), r"\1"),
    (re.compile(r"(\*\*|__|~~)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=[^\s*])([^*]+?)(?<=[^\s*])\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<!\w)_(?=\S)([^_]+?)(?<=\S)_(?!\w)"), r"\1"),
    (re.compile(r"`+([^`]*)`+"), r"\1"),
    (re.compile(r"\\([\\`*_{}\[\]()#+\-.!|~<>$%&])"), r"\1"),
    (re.compile(r"\s*[†‡*↑↓]+\s*$"), ""),
)


def plain(text: str) -> str:
    """`**[78.8](url)**` -> `78.8`, `4.0 &plusmn; 0.1` -> `4.0 ± 0.1`, `$1.1\\times 10^{12}$` -> `1.1x 10^{12}`."""
    text = text[:LONGEST]  # the patterns look far ahead
    for pattern, becomes in _STEPS:
        text = pattern.sub(becomes, text)
    return " ".join(html.unescape(text).replace("\u2212", "-").split())


def cells(line: str) -> list[str]:
    """The cells of a row of a pipe table, as GitHub splits it: at every pipe that has no backslash before it."""
    inner = line.strip()
    inner = inner.removeprefix("|")
    parts = re.split(r"(?<!\\)\|", inner)
    if parts and not parts[-1].strip() and re.search(r"(?<!\\)\|\s*$", inner):
        parts.pop()
    return [part.strip() for part in parts]


def is_ruler(line: str) -> bool:
    """Whether a line is the `|---|:-:|` below a table's header."""
    return bool(re.fullmatch(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*", line)) and "-" in line
