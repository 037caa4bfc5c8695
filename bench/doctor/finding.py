"""What was looked at, how it is, and what to do."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["ok", "note", "warning", "fault"]
LEVELS: tuple[Level, ...] = ("ok", "note", "warning", "fault")
"""`note` is worth knowing; `warning` makes figures shaky or a job fail; `fault` would make results wrong."""


class Finding(NamedTuple):
    """`said` and `remedy` get published: no host, user or folder is named but in the words the user gave."""

    check: str
    level: Level
    said: str
    remedy: str = ""
