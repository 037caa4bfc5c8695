"""A file that should not stay where it is -> .bench/quarantine/<utc>/, with a list of what came from where."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.spec import BenchError, ExitCode
from bench.store.durable import commit, make_folders, refuse_links, sync_folder
from bench.store.files import canonical, layout
from bench.store.folder import Store


@dataclass(frozen=True)
class Move:
    """A file, where it goes, and why."""

    path: Path
    to: Path
    why: str


def plan_moves(store: Store, files: Sequence[tuple[Path, str]]) -> tuple[Move, ...]:
    """Where (file, reason) pairs would go now, each file once."""
    top = store.work / "quarantine"
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    names = itertools.chain([stamp], (f"{stamp}-{number}" for number in itertools.count(2)))
    folder = next(top / name for name in names if not os.path.lexists(top / name))
    return tuple(Move(path, folder / _inside(store, path), why) for path, why in dict(files).items())


def note(store: Store, moves: Sequence[Move]) -> Path | None:
    """Write down what is about to be moved; returns the list's file."""
    if not moves:
        return None
    file = refuse_links(store.work, folder_of(store, moves) / "moved.json")
    rows = [{key: str(value) for key, value in asdict(move).items()} for move in moves]
    commit(file, layout({"moved": canonical(rows)}))
    return file


def carry_out(moves: Sequence[Move]) -> None:
    """Move each file; a kill leaves each of them in one of the two places."""
    for move in moves:
        try:
            make_folders(move.to.parent)
            shutil.move(move.path, move.to)
            sync_folder(move.to.parent)
            sync_folder(move.path.parent)
        except OSError as error:
            problem = f"cannot be moved to {move.to.parent} ({error.strerror})"
            raise BenchError(problem, remedy="check both", file=move.path, code=ExitCode.ENVIRONMENT) from None


def folder_of(store: Store, moves: Sequence[Move]) -> Path:
    """The folder in quarantine that `moves` go to."""
    top = store.work / "quarantine"
    return top / moves[0].to.relative_to(top).parts[0]


def _inside(store: Store, path: Path) -> Path:
    if path.is_relative_to(store.work):
        return Path("work") / path.relative_to(store.work)
    return Path("results") / path.relative_to(store.root)
