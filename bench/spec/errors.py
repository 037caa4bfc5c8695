"""Faults a user can mend, the line that tells of them, and the exit codes."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class ExitCode(IntEnum):
    """What the process tells its caller (README, "Exit codes")."""

    OK = 0
    RUNS_FAILED = 1
    USAGE = 2
    DATA = 3
    STORE = 4
    ENVIRONMENT = 5
    INTERNAL = 70
    INTERRUPTED = 75
    CTRL_C = 130


class BenchError(Exception):
    """A fault the user can mend: one line that says where, what is wrong and what to do.

    `file`, `line`, `column` and `key` say where; `problem` what is wrong; `remedy` what to do.
    """

    def __init__(
        self,
        problem: str,
        *,
        remedy: str = "",
        file: str | Path | None = None,
        line: int | None = None,
        column: int | None = None,
        key: str = "",
        code: ExitCode = ExitCode.USAGE,
    ) -> None:
        super().__init__(problem)
        self.problem, self.remedy, self.key, self.code = problem, remedy, key, code
        self.file, self.line, self.column = file, line, column

    def at(
        self, file: str | Path | None = None, line: int | None = None, column: int | None = None, key: str = ""
    ) -> BenchError:
        """This error with the places it did not know yet filled in."""
        self.file = self.file if self.file is not None else file
        if self.line is None:
            self.line, self.column = line, column
        self.key = self.key or key
        return self

    def __str__(self) -> str:
        """`<file>[:<line>[:<col>]]: <key>: <problem>; <remedy>`, control characters escaped, at most 300 long."""
        place = str(self.file) if self.file is not None else ""
        if place and self.line is not None:
            place += f":{self.line}" + (f":{self.column}" if self.column is not None else "")
        text = ": ".join(part for part in (place, self.key, self.problem) if part)
        if self.remedy:
            text += f"; {self.remedy}"
        return printable(text, limit=300)


def counted(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


CUT = " ... "


def printable(text: str, limit: int | None = None) -> str:
    """`text` on one line without characters that steer a terminal, shortened in its middle to `limit`."""
    safe = "".join(c if c.isprintable() else ascii(c).strip("'") for c in text)
    if limit is None or len(safe) <= limit:
        return safe
    kept = limit - len(CUT)
    return safe[: kept - kept // 2] + CUT + safe[len(safe) - kept // 2 :]
