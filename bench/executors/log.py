"""What a run prints -> its log, its beginning and its end kept however much it is; and where a stack in it stands."""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType
from typing import Self

HEAD, TAIL = 1 << 20, 1 << 16
"""Bytes kept of the beginning and of the end of what one try prints."""

_FRAME = re.compile(r'File "([^"\n]+)", line (\d+) in (\S+)')


class Log:
    """A file that grows by at most HEAD + TAIL bytes; a disk that is full loses lines of it and nothing else."""

    def __init__(self, path: Path, *, anew: bool) -> None:
        self.path, self.room, self.left_out, self.tail = path, HEAD, 0, b""
        self.mode = "wb" if anew else "ab"

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = self.path.open(self.mode, buffering=0)
        except OSError:
            self.file = open("/dev/null", "wb", buffering=0)
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if self.left_out:
            rest = self.tail[-min(TAIL, self.left_out) :]
            self._put(f"\n-- {self.left_out - len(rest)} bytes left out here --\n".encode() + rest)
        self.file.close()

    def write(self, part: bytes) -> None:
        """Keep `part` in the file or, once that has its share, as the end."""
        self.tail = (self.tail + part)[-TAIL:]
        self._put(part[: self.room])
        self.left_out += max(0, len(part) - self.room)
        self.room = max(0, self.room - len(part))

    def _put(self, part: bytes) -> None:
        try:
            self.file.write(part)
        except OSError:
            self.room = 0

    def text(self) -> str:
        """The end of what was printed."""
        return self.tail.decode(errors="replace")

    def last_line(self) -> str:
        """The last line that says something."""
        lines = [line.strip() for line in self.text().splitlines()]
        return next((line for line in reversed(lines) if line and not line.startswith("Extension modules:")), "")


def where(printed: str) -> str:
    """`read (disk.py:51) < read (data.py:30) < ...`: the innermost frames of the first of the stacks in `printed`.

    Stacks are as faulthandler prints them, most recent call first; the thread that failed, or the main one, is taken.
    """
    stacks = re.split(r"^(?=(?:Current thread|Thread) 0x)", printed, flags=re.MULTILINE)[1:]
    main = [s for s in stacks if s.startswith("Current")] or stacks[-1:]
    frames = [(file, line, name) for file, line, name in _FRAME.findall(main[0])] if main else []
    ours = [frame for frame in frames if Path(frame[0]).name not in ("nursery.py", "<frozen runpy>")]
    return " < ".join(f"{name} ({Path(file).name}:{line})" for file, line, name in ours[:5])
