"""Another results folder's records -> into this one; nothing that is here is changed, whatever is there.

Which records are here afterwards does not depend on the order of merging, and merging again adds none; which of two
attempts of a run has the lower number does: those that were here keep theirs.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from bench.spec import BenchError, ExitCode
from bench.store.checking import check
from bench.store.durable import commit, refuse_links, replace
from bench.store.files import canonical, layout, parse, parse_as_is
from bench.store.folder import PARTS, Store


@dataclass
class Merged:
    """What was taken over (with `dry_run`: would be), file by file, and what was not."""

    added: list[Path] = field(default_factory=list)
    same: int = 0
    kept: list[Path] = field(default_factory=list)
    """Plans of a sweep that differ: ours stay."""
    problems: list[BenchError] = field(default_factory=list)


def merge(store: Store, other: Store, *, dry_run: bool = False) -> Merged:
    """Copy what `other` has and `store` has not: runs as the next attempt, measurements and plans under their names.

    What is damaged in `other` is told of and left out, and so is a run that a living process has claimed here.
    `other/reference` and its working folder are not looked at.  Raises BenchError if the two are one folder.
    """
    if other.root.resolve() == store.root.resolve():
        raise BenchError("is the folder it is to be merged into", remedy="name another one", file=other.root)
    parts = {other.root / part for part in PARTS}
    if not any(part.is_dir() for part in parts):
        raise BenchError("is no results folder", remedy="name one that holds runs/ or costs/", file=other.root)
    told, bad = Merged(), set[Path]()
    for one in check(other):
        inside = parts & {one.path, *one.path.parents}
        if inside and one.is_fault and one.kind not in ("gap", "temporary", "orphan"):
            told.problems.append(BenchError(one.problem, file=one.path, code=ExitCode.STORE))
            bad.add(one.path)
    for path in _sound(other, "runs/r-*.json", bad):
        _take_run(store, path, told, dry_run)
    for path in _sound(other, "costs/*/*.json", bad):
        _take_measured(store, path, told, dry_run)
    for path in _sound(other, "sweeps/*.json", bad):
        _take_plan(store, path, told, dry_run)
    return told


def _sound(other: Store, pattern: str, bad: set[Path]) -> list[Path]:
    """The records there that nothing is wrong with: by name, attempt 2 before attempt 10."""
    found = (path for path in other.root.glob(pattern) if not bad & {path, *path.parents})
    return sorted((path for path in found if not path.name.startswith(".")), key=lambda p: (len(p.name), p.name))


def _take_run(store: Store, path: Path, told: Merged, dry_run: bool) -> None:
    run_id = path.name.partition(".")[0]
    with contextlib.ExitStack() as claimed:
        if not dry_run:
            lease = store.claim(run_id)
            if lease is None:
                problem, remedy = f"{run_id} is running here now", "merge again when it has ended"
                told.problems.append(BenchError(problem, remedy=remedy, file=path, code=ExitCode.STORE))
                return
            claimed.enter_context(lease)
        wanted = _numbers_of(path)
        if any(_numbers_of(ours) == wanted for ours in (store.root / "runs").glob(f"{run_id}*.json")):
            told.same += 1
            return
        target = refuse_links(store.root, store.run_file(run_id, store.attempts(run_id) + 1))
        told.added.append(target)
        if not dry_run:
            _copy(path, target)


def _take_measured(store: Store, path: Path, told: Merged, dry_run: bool) -> None:
    target = refuse_links(store.root, store.root / "costs" / path.parent.name / path.name)
    if not target.exists():
        told.added.append(target)
        if not dry_run:
            _copy(path, target)
    elif _numbers_of(target) == _numbers_of(path):
        told.same += 1
    else:
        problem = f"is another measurement than {target}"
        told.problems.append(BenchError(problem, remedy="move one of them", file=path, code=ExitCode.STORE))


def _take_plan(store: Store, path: Path, told: Merged, dry_run: bool) -> None:
    target = refuse_links(store.root, store.root / "sweeps" / path.name)
    if not target.exists():
        told.added.append(target)
        if not dry_run:
            _copy(path, target)
    elif _numbers_of(target) == _numbers_of(path):
        told.same += 1
    else:
        told.kept.append(target)


def _numbers_of(path: Path) -> str | None:
    """All that a record says, today's way, except for the name of the arrays beside it; None if it cannot be read."""
    try:
        plain = parse(path)
    except BenchError:
        return None
    plain.pop("images_file", None)  # its name tells the attempt
    return canonical(plain)


def _copy(path: Path, target: Path) -> None:
    """`path` to `target`, the arrays beside it first, under a name that fits."""
    plain = parse_as_is(path)
    for arrays in ("images", "samples"):
        if plain.get(f"{arrays}_file") is not None:
            beside = target.with_suffix(f".{arrays}.npz")
            replace(beside, path.with_suffix(f".{arrays}.npz").read_bytes())
            plain[f"{arrays}_file"] = beside.name
    commit(target, layout({key: canonical(value) for key, value in plain.items()}))
