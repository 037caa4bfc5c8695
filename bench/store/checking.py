"""A results folder and its working folder -> all that is wrong with them; nothing is changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from bench.spec import BenchError, CostRecord, Failure, LatencyRecord, RunRecord, Sweep
from bench.store.arrays import images_problem, samples_problem
from bench.store.durable import is_stale
from bench.store.files import NewerSchema, parse
from bench.store.folder import PARTS, Store
from bench.store.leases import claimed
from bench.store.reading import Measured, entries

RUN = re.compile(r"(r-[0-9a-f]{16})(?:\.a([2-9]|[1-9][0-9]+))?\.json")
IMAGES = re.compile(r"(r-[0-9a-f]{16})(?:\.a(?:[2-9]|[1-9][0-9]+))?\.images\.npz")
MEASURED = re.compile(r"([0-9]{8}T[0-9]{6}Z)_[0-9a-f]{8}\.json")
TEMPORARY = re.compile(r"\..+\.[0-9]+\.tmp")

HEAD = 65536
"""Bytes that the first line of a checkpoint may have."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be; `moves` are the files that `repair` puts into quarantine for it.

    `damaged`: cannot be trusted.  `newer`: written by a later program.  `misplaced`: under another's name.  `link`: a
    symbolic link.  `orphan`: arrays without a record.  `temporary`: left by a process that was killed.  `gap`: an
    attempt is missing before a later one.  `stranger`: a file that is none of ours, which is no fault.
    """

    path: Path
    kind: Literal["damaged", "newer", "misplaced", "link", "orphan", "temporary", "gap", "stranger"]
    problem: str
    moves: tuple[Path, ...] = ()
    run_id: str | None = None

    @property
    def is_fault(self) -> bool:
        return self.kind != "stranger"


def check(store: Store, held: Collection[str] = ()) -> tuple[Finding, ...]:
    """All that is wrong, by path.  Runs that a living process has claimed, those in `held` aside, are in flux: what
    they left beside their records is no finding.
    """
    busy = claimed(store.work) - set(held)
    away = {path.name for path in (store.work / "quarantine").glob("*/**/r-*.json")}
    found: list[Finding] = []
    for root in (store.root, store.root / "reference"):
        found += _runs(root / "runs", busy, away)
        for folder in _folders(root / "costs", found):
            found += _costs(folder)
        found += _sweeps(root / "sweeps")
    for folder in _folders(store.work / "runs", found):
        found += [] if folder.name in busy else _working(folder)
    found += [_temporary(path) for path in _files(store.work) if _is_left(path)]
    return tuple(sorted(found, key=lambda one: (one.path, one.kind)))


def files_in(store: Store) -> int:
    """How many files `check` looks at."""
    roots = [root / part for root in (store.root, store.root / "reference") for part in PARTS]
    return sum(path.is_file() for root in (*roots, store.work / "runs") for path in root.glob("**/*"))


# ------------------------------------------------------------------ what lies in a folder


def _files(folder: Path) -> list[Path]:
    """What lies in `folder`, by name."""
    return sorted(folder / one.name for one in entries(folder))


def _folders(folder: Path, found: list[Finding]) -> Iterator[Path]:
    """The folders in `folder`; links among them are findings."""
    if folder.is_symlink():
        found.append(_link(folder))
        return
    for path in _files(folder):
        if path.is_symlink():
            found.append(_link(path))
        elif path.is_dir():
            yield path
        elif _is_left(path):
            found.append(_temporary(path))
        elif not path.name.startswith("."):
            found.append(Finding(path, "stranger", "is none of ours"))


def _is_left(path: Path) -> bool:
    return TEMPORARY.fullmatch(path.name) is not None and is_stale(path)


def _temporary(path: Path, run_id: str | None = None) -> Finding:
    return Finding(path, "temporary", "was left by a process that was killed", (path,), run_id)


def _link(path: Path, run_id: str | None = None) -> Finding:
    return Finding(path, "link", "is a symbolic link", (path,), run_id)


def _plain(path: Path, run_id: str | None = None) -> Finding | None:
    """What is wrong with a name that is not a record's: a link, something left, or a stranger."""
    if path.is_symlink():
        return _link(path, run_id)
    if TEMPORARY.fullmatch(path.name):
        return _temporary(path, run_id) if is_stale(path) else None
    if path.name.startswith("."):
        return None
    return Finding(path, "stranger", "is none of ours")


@cache
def _measured() -> TypeAdapter[CostRecord | LatencyRecord]:
    return TypeAdapter(Measured)


def _read(valid: Callable[[Any], Any], path: Path, moves: tuple[Path, ...], run_id: str | None = None) -> Any:
    """The checked value in `path`, or its Finding."""
    try:
        return valid(parse(path))
    except NewerSchema as error:
        return Finding(path, "newer", f"{error.problem}; {error.remedy}", (), run_id)
    except BenchError as error:
        return Finding(path, "link" if path.is_symlink() else "damaged", error.problem, moves, run_id)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return Finding(path, "damaged", f"{where}: {first['msg'].lower()}", moves, run_id)


# ------------------------------------------------------------------ runs


def _runs(folder: Path, busy: frozenset[str], away: set[str]) -> Iterator[Finding]:
    if folder.is_symlink():
        yield _link(folder)
        return
    names, attempts = {path.name for path in _files(folder)}, dict[str, set[int]]()
    for path in _files(folder):
        record, images = RUN.fullmatch(path.name), IMAGES.fullmatch(path.name)
        if record:
            attempts.setdefault(record[1], set()).add(int(record[2] or 1))
            one = _run(path, record[1])
        elif images and not path.is_symlink():
            has_record = path.name.removesuffix(".images.npz") + ".json" in names
            moving = has_record or images[1] in busy
            one = None if moving else Finding(path, "orphan", "has no record", (path,), images[1])
        elif path.name.startswith("r-") and path.name.endswith(".json"):
            one = Finding(path, "misplaced", "has no record's name", (path,))
        else:
            one = _plain(path)
        if one is not None:
            yield one
    for run_id, numbers in attempts.items():
        for number in sorted(set(range(1, max(numbers))) - numbers):
            path = folder / (run_id + (f".a{number}" if number > 1 else "") + ".json")
            if path.name not in away:
                yield Finding(path, "gap", "is missing, and a later attempt is there; restore it from a copy")


def _run(path: Path, run_id: str) -> Finding | None:
    images = path.with_suffix(".images.npz")
    both = (path, images) if os.path.lexists(images) else (path,)
    record = _read(RunRecord.model_validate, path, both, run_id)
    if isinstance(record, Finding):
        return record
    if record.run_id != run_id:
        return Finding(path, "misplaced", f"holds run {record.run_id}", both, run_id)
    if record.images_file is None:
        return None
    if record.images_file != images.name:
        return Finding(path, "damaged", "names another file of counts", both, run_id)
    wrong = images_problem(record, images)
    return None if wrong is None else Finding(path, "damaged", f"{images.name}: {wrong}", both, run_id)


# ------------------------------------------------------------------ costs, plans, work


def _costs(folder: Path) -> Iterator[Finding]:
    names = {path.name for path in _files(folder)}
    for path in _files(folder):
        named = MEASURED.fullmatch(path.name)
        if path.name.endswith(".samples.npz") and not path.is_symlink():
            has_record = path.name.removesuffix(".samples.npz") + ".json" in names
            one = None if has_record else Finding(path, "orphan", "has no record", (path,))
        elif path.name.endswith(".json") and not path.name.startswith("."):
            one = _cost(path, named[1] if named else None)
        else:
            one = _plain(path)
        if one is not None:
            yield one


def _cost(path: Path, stamp: str | None) -> Finding | None:
    samples = path.with_suffix(".samples.npz")
    both = (path, samples) if os.path.lexists(samples) else (path,)
    record: CostRecord | LatencyRecord | Finding = _read(_measured().validate_python, path, both)
    if isinstance(record, Finding):
        return record
    if record.measured_utc.replace("-", "").replace(":", "") != stamp:
        return Finding(path, "misplaced", f"was measured at {record.measured_utc}, which is not its name", both)
    if not isinstance(record, LatencyRecord) or record.samples_file is None:
        return None
    if record.samples_file != samples.name:
        return Finding(path, "damaged", "names another file of readings", both)
    wrong = samples_problem(record, samples)
    return None if wrong is None else Finding(path, "damaged", f"{samples.name}: {wrong}", both)


def _sweeps(folder: Path) -> Iterator[Finding]:
    if folder.is_symlink():
        yield _link(folder)
        return
    for path in _files(folder):
        if path.name.endswith(".json") and not path.name.startswith("."):
            sweep: Sweep | Finding = _read(Sweep.model_validate, path, (path,))
            if isinstance(sweep, Finding):
                yield sweep
            elif sweep.name != path.name.removesuffix(".json"):
                yield Finding(path, "misplaced", f"holds the plan of sweep {sweep.name}", (path,))
        elif one := _plain(path):
            yield one


def _working(folder: Path) -> Iterator[Finding]:
    """What is wrong in the working folder of one run."""
    for path in _files(folder):
        if path.is_symlink():
            yield _link(path, folder.name)
        elif _is_left(path):
            yield _temporary(path, folder.name)
        elif path.name == "failure.json":
            failure: Failure | Finding = _read(Failure.model_validate, path, (path,), folder.name)
            if isinstance(failure, Finding):
                yield failure
            elif failure.run_id != folder.name:
                yield Finding(path, "misplaced", f"tells of run {failure.run_id}", (path,), folder.name)
        elif path.suffix == ".pt":
            yield from _checkpoint(path, folder.name)


def _checkpoint(path: Path, run_id: str) -> Iterator[Finding]:
    """A finding unless the first line, JSON, states the size and sha256 of the rest (see bench/checkpoint.py)."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        if path.is_file():
            with path.open(mode="rb") as file:
                head = json.loads(file.readline(HEAD))
                start = file.tell()
                digest = hashlib.file_digest(file, hashlib.sha256).hexdigest()
                if head["sha256"] == digest and head["bytes"] == file.tell() - start:
                    return
    yield Finding(path, "damaged", "was changed after it was written (sha256)", (path,), run_id)
