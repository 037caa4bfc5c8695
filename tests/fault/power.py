"""What strace saw of a program's writing -> every state its files may be in after a loss of power, and what is wrong.

What a disk may do (and ext4, XFS and others do): data that was not synced is there, half there or not; the names in a
folder change in the order of the calls, and any first part of those since its last fsync is there, in each folder for
itself.  A file whose folder's own name is lost is lost.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TRACE = ("openat", "write", "fsync", "link", "rename", "unlink", "mkdir")


@dataclass(frozen=True)
class Op:
    """`kind` is create, write, sync, link, rename, unlink, mkdir or ack; `to` is the new name or the ack's text."""

    kind: str
    path: str
    to: str = ""


def operations(trace: Path, top: Path, acks: Path) -> list[Op]:
    """The operations under `top`, and the acknowledgements, in their order; failed calls are none."""
    found = []
    for line in trace.read_text().splitlines():
        call = re.match(r"\d+\s+(\w+)\((.*)\)\s+=\s(\d+)", line)
        if not call:
            continue
        name, words, _ = call.groups()
        paths = re.findall(r'"(/[^"]*)"', words) or re.findall(r"^\d+<([^>]*)>", words)
        if not paths or not (paths[0] + "/").startswith(str(top) + "/"):
            continue
        if paths[0] == str(acks):
            found += [Op("ack", paths[0], re.findall(r'"(\d+)\\n"', words)[0])] if name == "write" else []
        elif name == "openat":
            found += [Op("create", paths[0])] if "O_CREAT|O_EXCL" in words else []
        else:
            kind = {"fsync": "sync"}.get(name, name)
            found.append(Op(kind, paths[0], paths[1] if len(paths) > 1 else ""))
    return found


@dataclass
class Disk:
    """The files as the program sees them, and what of that is on the disk."""

    folders: set[str] = field(default_factory=set)
    names: dict[str, int] = field(default_factory=dict)
    dirty: dict[int, bool] = field(default_factory=dict)
    """File -> whether it has data that was not synced."""
    changes: dict[str, list[tuple[tuple[str, int | None], ...]]] = field(default_factory=dict)
    """Folder -> its changes of names in their order: (name, file or -1 for a folder, None if it goes)."""
    durable: dict[str, int] = field(default_factory=dict)
    """Folder -> how many of its changes are on the disk."""

    def change(self, *pairs: tuple[str, int | None]) -> None:
        self.changes.setdefault(os.path.dirname(pairs[0][0]), []).append(pairs)
        for name, file in pairs:
            self.names.pop(name, None)
            if file is not None and file >= 0:
                self.names[name] = file

    def do(self, op: Op) -> None:
        if op.kind == "create":
            self.dirty[len(self.dirty)] = False
            self.change((op.path, len(self.dirty) - 1))
        elif op.kind == "write" and op.path in self.names:
            self.dirty[self.names[op.path]] = True
        elif op.kind == "sync" and op.path in self.names:
            self.dirty[self.names[op.path]] = False
        elif op.kind == "sync":
            self.durable[op.path] = len(self.changes.get(op.path, []))
        elif op.kind == "link":
            self.change((op.to, self.names[op.path]))
        elif op.kind == "rename":
            self.change((op.path, None), (op.to, self.names[op.path]))
        elif op.kind == "unlink":
            self.change((op.path, None))
        elif op.kind == "mkdir":
            self.folders.add(op.path)
            self.change((op.path, -1))

    def states(self) -> Iterator[dict[str, str]]:
        """Every state after a loss of power now: name -> "all", "half" or "none" of its content."""
        choices = [range(self.durable.get(f, 0), len(changes) + 1) for f, changes in self.changes.items()]
        for lengths in itertools.product(*choices):
            names: dict[str, int] = {}
            for (_, changes), length in zip(self.changes.items(), lengths, strict=True):
                for name, file in itertools.chain.from_iterable(changes[:length]):
                    names.pop(name, None)
                    if file is not None:
                        names[name] = file
            there = {n: file for n, file in names.items() if file >= 0 and self._reachable(n, names)}
            torn = sorted({file for file in there.values() if self.dirty[file]})
            for parts in itertools.product(("none", "half", "all"), repeat=len(torn)):
                content = dict(zip(torn, parts, strict=True))
                yield {name: content.get(file, "all") for name, file in there.items()}

    def _reachable(self, name: str, names: dict[str, int]) -> bool:
        above = os.path.dirname(name)
        return above not in self.folders or (above in names and self._reachable(above, names))


def replay(ops: Sequence[Op], wanted: Callable[[str], list[str]]) -> tuple[int, int]:
    """(states, those in which something acknowledged is missing or something half can be seen) after each operation.

    `wanted(ack)` are the files that an acknowledgement promises.
    """
    disk, promised = Disk(), list[str]()
    states = bad = 0
    for op in (*ops, None):
        for state in disk.states():
            states += 1
            seen = {name: part for name, part in state.items() if not name.endswith(".tmp")}
            records = [n for n in seen if n.endswith(".json") and "/results/" in n]
            lonely = any(seen.get(n.removesuffix(".json") + ".images.npz") != "all" for n in records)
            bad += lonely or any(p != "all" for p in seen.values()) or any(n not in seen for n in promised)
        if op is not None and op.kind == "ack":
            promised += wanted(op.to)
        elif op is not None:
            disk.do(op)
    return states, bad
