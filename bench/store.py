"""Records <-> results/: one immutable file per record, read back with every fault named and nothing hidden by it.

    results/runs/r-<16 hex>[.a<n>].json (+ .images.npz)   what this machine ran; attempt n > 1 after --rerun
    results/costs/<device>/<utc>_<digest>.json            one file per measurement
    results/sweeps/<name>.json                            what each sweep planned: tables show what has not run
    results/reference/{runs,costs,sweeps}/                the same, shipped with the project; shown, never reused
    .bench/runs/<id>/                                     beside results/: checkpoints, pictures, log, failure.json

A record file holds one top-level key per line, sorted, and the sha256 of its canonical JSON: the digest survives
another line-ending or layout, and not another value.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from bench.spec import SCHEMA, BenchError, CostRecord, ExitCode, Failure, RunRecord, Sweep, canonical_json

if TYPE_CHECKING:
    import numpy as np

R = TypeVar("R", RunRecord, CostRecord)


@dataclass(frozen=True)
class Stored(Generic[R]):
    """A record and where it lies; `origin` says whether this machine made it or the project shipped it."""

    record: R
    path: Path
    origin: Literal["local", "reference"]
    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class Contents:
    """All that a results folder holds; `problems` names each file that could not be read."""

    runs: tuple[Stored[RunRecord], ...] = ()
    costs: tuple[Stored[CostRecord], ...] = ()
    sweeps: tuple[tuple[Sweep, str], ...] = ()
    failures: tuple[Failure, ...] = ()
    problems: tuple[BenchError, ...] = field(default=(), repr=False)


class Store:
    """The results folder `root` and the working folder `.bench` beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root.parent / ".bench"

    # -------------------------------------------------------------- paths

    def run_file(self, run_id: str, attempt: int = 1) -> Path:
        return self.root / "runs" / (run_id + (f".a{attempt}" if attempt > 1 else "") + ".json")

    def run_folder(self, run_id: str) -> Path:
        """Checkpoints, pictures and the failure of a run, finished or not."""
        return self.work / "runs" / run_id

    # -------------------------------------------------------------- writing

    def add_run(self, record: RunRecord, per_image: dict[str, np.ndarray]) -> Path:
        """Store a finished run with its per-image confusion counts (domain -> (N, K, K)); returns the record's path.

        An earlier record of the same run is kept: this one becomes the next attempt.
        """
        import numpy as np

        attempt = 1
        while self.run_file(record.run_id, attempt).exists():
            attempt += 1
        path = self.run_file(record.run_id, attempt)
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {domain.replace("/", "."): counts for domain, counts in per_image.items()}
        np.savez_compressed(buffer, **arrays)
        images = path.with_suffix(".images.npz")
        images.unlink(missing_ok=True)  # left by a kill between the two files: no record points at it
        commit(images, buffer.getvalue())
        record = record.model_copy(
            update={"images_file": images.name, "images_sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
        )
        commit(path, dump(record))
        (self.run_folder(record.run_id) / "failure.json").unlink(missing_ok=True)
        return path

    def add_cost(self, record: CostRecord, slug: str) -> Path:
        """Store one measurement under the folder of its device."""
        content = dump(record)
        stamp = record.measured_utc.replace("-", "").replace(":", "")
        path = self.root / "costs" / slug / f"{stamp}_{hashlib.sha256(content).hexdigest()[:8]}.json"
        commit(path, content)
        return path

    def add_failure(self, failure: Failure) -> Path:
        """Note why a run did not finish, in place of an earlier note."""
        path = self.run_folder(failure.run_id) / "failure.json"
        replace(path, dump(failure))
        return path

    def save_sweep(self, sweep: Sweep) -> None:
        """Remember what a sweep planned; unchanged plans are not rewritten."""
        path, content = self.root / "sweeps" / f"{sweep.name}.json", dump(sweep)
        if not (path.exists() and path.read_bytes() == content):
            replace(path, content)

    # -------------------------------------------------------------- reading

    def read(self) -> Contents:
        """Everything in the folder, in the order of file names; a bad file becomes a problem and hides nothing else."""
        problems: list[BenchError] = []
        runs: list[Stored[RunRecord]] = []
        costs: list[Stored[CostRecord]] = []
        sweeps: list[tuple[Sweep, str]] = []
        for origin, root in (("local", self.root), ("reference", self.root / "reference")):
            runs += _stored(RunRecord, root / "runs", "r-*.json", origin, problems)
            costs += _stored(CostRecord, root / "costs", "*/*.json", origin, problems)
            sweeps += [(s, origin) for _, s in _each(Sweep, root / "sweeps", "*.json", problems)]
        failures = [f for _, f in _each(Failure, self.work / "runs", "r-*/failure.json", problems)]
        return Contents(
            runs=tuple(runs),
            costs=tuple(costs),
            sweeps=tuple(sweeps),
            failures=tuple(failures),
            problems=tuple(problems),
        )

    def costs(self) -> tuple[Stored[CostRecord], ...]:
        """The cost records of this machine that can be read."""
        return tuple(_stored(CostRecord, self.root / "costs", "*/*.json", "local", []))

    def finished(self, run_ids: set[str]) -> dict[str, Any]:
        """run id -> stored configuration (as JSON) of the newest attempt on this machine; reference runs never count.

        Only names and configurations are looked at, so that a finished sweep of ten thousand runs costs about a second.
        Raises BenchError for a record that cannot be read: running it again could hide a result.
        """
        newest: dict[str, tuple[int, Path]] = {}
        with contextlib.suppress(FileNotFoundError):
            for item in os.scandir(self.root / "runs"):
                stem, dot, attempt = item.name.removesuffix(".json").partition(".a")
                if item.name.endswith(".json") and stem in run_ids:
                    number = int(attempt) if dot and attempt.isdigit() else 1
                    newest[stem] = max(newest.get(stem, (0, Path())), (number, Path(item.path)))
        return {run: parse(path)["config"] for run, (_, path) in newest.items()}


# ------------------------------------------------------------------ files


def dump(record: BaseModel) -> bytes:
    """The file content of a record: one sorted top-level key per line, with the digest of the canonical JSON."""
    plain = record.model_dump(mode="json")
    plain["sha256"] = _digest(plain)
    lines = (json.dumps(k) + ":" + canonical_json(plain[k]).decode() for k in sorted(plain))
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _digest(plain: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json({k: v for k, v in plain.items() if k != "sha256"})).hexdigest()


def parse(path: Path) -> dict[str, Any]:
    """The checked JSON object in `path`, without its digest; raises BenchError naming the file and what to do."""

    def refuse(problem: str, remedy: str = "restore it from a copy, or move it away to run it again") -> BenchError:
        return BenchError(problem, remedy=remedy, file=path, code=ExitCode.STORE)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key stands twice")
        return found

    def no_constant(text: str) -> None:
        raise ValueError(f"{text} is no number")

    try:
        if path.is_symlink():
            raise refuse("is a symbolic link, and records are plain files", "replace it by the file itself")
        plain = json.loads(path.read_bytes(), object_pairs_hook=unique, parse_constant=no_constant)
    except OSError as error:
        raise refuse(f"cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise refuse(f"is no valid record ({str(error).partition(chr(10))[0]})") from None
    if not isinstance(plain, dict) or "sha256" not in plain:
        raise refuse("is no record (no sha256)")
    newer = plain.get("schema_number", SCHEMA)
    if isinstance(newer, int) and newer > SCHEMA:
        raise refuse(f"has schema {newer}, newer than this program's {SCHEMA}", "update bench")
    if plain["sha256"] != _digest(plain):
        raise refuse("was changed after it was written (sha256 does not match)")
    del plain["sha256"]
    return plain


M = TypeVar("M", bound=BaseModel)


def _each(kind: type[M], folder: Path, pattern: str, problems: list[BenchError]) -> Iterator[tuple[Path, M]]:
    for path in sorted(folder.glob(pattern)):
        try:
            yield path, kind.model_validate(parse(path))
        except BenchError as error:
            problems.append(error)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            problems.append(BenchError(first["msg"].lower(), file=path, key=key, code=ExitCode.STORE))


def _stored(kind: type[R], folder: Path, pattern: str, origin: Any, problems: list[BenchError]) -> Iterator[Stored[R]]:
    for path, record in _each(kind, folder, pattern, problems):
        attempt = path.name.removesuffix(".json").partition(".a")[2]
        yield Stored(record, path, origin, int(attempt) if attempt.isdigit() else 1)


def _written(path: Path, content: bytes) -> Path:
    """A durable temporary file beside `path` that holds `content`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        rest = memoryview(content)
        while rest:  # one os.write may be short without an error (quota, file size limit)
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    return temporary


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """A failing disk or a missing permission, as one line that names the path."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "free some space and start again: finished runs are kept" if full else "check the path"
        problem = f"cannot be written ({error.strerror})"
        raise BenchError(problem, remedy=remedy, file=path, code=ExitCode.ENVIRONMENT) from None


def commit(path: Path, content: bytes) -> None:
    """Create `path` with `content`, durably and never over an existing file; a kill leaves all of it or nothing."""
    with _named(path):
        temporary = _written(path, content)
        try:
            os.link(temporary, path)
        finally:
            temporary.unlink()
        _sync_folder(path.parent)


def replace(path: Path, content: bytes) -> None:
    """Put `content` at `path`, durably; a kill leaves the old content or the new."""
    with _named(path):
        os.replace(_written(path, content), path)
        _sync_folder(path.parent)
