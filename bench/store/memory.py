"""What was worked out of a file once -> `.bench/`, to save time: missing, old or damaged, every answer is the same."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from bench.spec import BenchError
from bench.store.durable import replace
from bench.store.files import canonical, layout, parse

SETTLED_S = 2.0
"""A file changed as recently as this could change once more within one tick of its clock: it is not remembered."""


def mark(stat: os.stat_result) -> str:
    """What changes when a file does: times of content and of entry (ns), size, number on the disk."""
    return f"{stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_size} {stat.st_ino}"


def settled(stat: os.stat_result) -> bool:
    """Whether a change from now on would show in the file's times."""
    return time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > SETTLED_S * 1e9


class Memory:
    """Name -> (mark, value) in `file`, for values that anybody can work out again.

    A value is given back only for the mark under which it was learnt.  The file is written where its folder is there
    already, and only when something was learnt; that it cannot be read or written is no fault.  Without a file it
    forgets everything.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file, self.changed = file, False
        self.entries: dict[str, Any] = {}
        if file is not None:
            with contextlib.suppress(BenchError):
                self.entries = parse(file)

    def recall(self, name: str, mark: str) -> Any:
        """The value of `name`, or None."""
        found = self.entries.get(name)
        return found[1] if isinstance(found, list) and len(found) == 2 and found[0] == mark else None

    def learn(self, name: str, mark: str, value: Any) -> None:
        """Remember `value` in the place of what `name` had."""
        self.entries[name], self.changed = [mark, value], True

    def save(self) -> None:
        """Write what was learnt."""
        if self.changed and self.file is not None and self.file.parent.is_dir():
            with contextlib.suppress(BenchError):
                replace(self.file, layout({name: canonical(entry) for name, entry in self.entries.items()}))
