"""What is wrong in a results folder -> quarantine; nothing is deleted, and a second repair finds nothing to do."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.store.checking import Finding, check
from bench.store.folder import Store
from bench.store.quarantine import Move, carry_out, note, plan_moves


@dataclass(frozen=True)
class Repair:
    """What was moved (with `dry_run`: would be), where the list of it lies, and what stays wrong."""

    moves: tuple[Move, ...]
    noted: Path | None
    left: tuple[Finding, ...]


def repair(store: Store, *, dry_run: bool = False) -> Repair:
    """Move what is damaged, misplaced, orphaned, a link or left by a kill to `.bench/quarantine/<utc>/`.

    Records of a later program and gaps between attempts cannot be mended and are left; so are the runs that a living
    process has claimed.
    """
    found = check(store)
    runs = sorted({one.run_id for one in found if one.run_id and one.moves})
    with ExitStack() as held:
        leases = {run_id: store.claim(run_id) for run_id in ([] if dry_run else runs)}
        for lease in leases.values():
            held.enter_context(lease) if lease else None
        mine = {run_id for run_id, lease in leases.items() if lease}
        if not dry_run:  # what a run was still writing when it was looked at first may be whole by now
            found = check(store, mine)
        mendable = [one for one in found if one.moves and (dry_run or one.run_id in {None, *mine})]
        files = [(path, f"{one.kind}: {one.problem}") for one in mendable for path in one.moves]
        moves = plan_moves(store, files)
        noted = None
        if not dry_run:
            noted = note(store, moves)
            carry_out(moves)
    return Repair(moves, noted, tuple(one for one in found if one not in mendable and one.is_fault))
