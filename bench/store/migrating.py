"""Records of earlier schema numbers -> rewritten under today's, each original kept in quarantine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.spec import BenchError
from bench.store import schemas
from bench.store.durable import commit, refuse_links, replace
from bench.store.files import canonical, layout, parse, parse_as_is
from bench.store.folder import Store
from bench.store.quarantine import Move, note, plan_moves

PATTERNS = ("runs/r-*.json", "costs/*/*.json", "sweeps/*.json")


@dataclass(frozen=True)
class Migration:
    """What was rewritten (with `dry_run`: would be), where the list of it lies, and what could not be read."""

    moves: tuple[Move, ...]
    noted: Path | None
    current: int
    problems: tuple[BenchError, ...]


def migrate(store: Store, *, dry_run: bool = False) -> Migration:
    """Rewrite every record of an earlier schema number; reading does the same without writing, so this is never needed.

    The numbers, and every report on them, stay what they were.  A kill leaves each record in one of its two forms.
    """
    old: list[tuple[Path, str]] = []
    problems: list[BenchError] = []
    current = 0
    for path in sorted(path for pattern in PATTERNS for path in store.root.glob(pattern)):
        try:
            number = schemas.number_of(parse_as_is(path))
            parse(path)
        except BenchError as error:
            problems.append(error)
            continue
        if number is None or number == schemas.SCHEMA:
            current += 1
        else:
            old.append((path, f"schema {number} -> {schemas.SCHEMA}"))
    moves = plan_moves(store, old)
    noted = None if dry_run else note(store, moves)
    for move in () if dry_run else moves:
        _rewrite(store, move)
    return Migration(moves, noted, current, tuple(problems))


def _rewrite(store: Store, move: Move) -> None:
    """Keep the original in quarantine, then put the upgraded record in its place."""
    commit(refuse_links(store.work, move.to), move.path.read_bytes())
    plain = parse(move.path)
    replace(refuse_links(store.root, move.path), layout({key: canonical(value) for key, value in plain.items()}))
