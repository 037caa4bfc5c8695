"""The results folder: records written once, read back with every fault named and nothing hidden by it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.spec import (
    BenchError,
    CostRecord,
    ExitCode,
    Failure,
    LatencyRecord,
    RunRecord,
    Spelling,
    Sweep,
)
from bench.store.agreeing import plain
from bench.store.durable import commit, refuse_links, replace
from bench.store.files import canonical, dump, layout, spelled
from bench.store.leases import Lease, claim
from bench.store.reading import Measured, Stored, entries, read_each, read_stored

if TYPE_CHECKING:
    import numpy as np

PARTS = ("runs", "costs", "sweeps")
"""The folders of records in a results folder, and in its `reference`."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """All that a results folder holds; `problems` names each file that could not be read.

    `work` is the folder for what may be remembered of it, None where nothing may.
    """

    runs: tuple[Stored[RunRecord], ...] = ()
    costs: tuple[Stored[CostRecord], ...] = ()
    latencies: tuple[Stored[LatencyRecord], ...] = ()
    sweeps: tuple[tuple[Sweep, str], ...] = ()
    failures: tuple[Failure, ...] = ()
    problems: tuple[BenchError, ...] = ()
    work: Path | None = None


class Store:
    """The results folder `root` and its working folder: `.bench` beside a folder called `results`, else inside it.

    Raises BenchError when something else lies where a folder belongs.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = (root.parent if root.name == "results" else root) / ".bench"
        for folder in (root, self.work, *(root / part for part in (*PARTS, "reference"))):
            if os.path.lexists(folder) and not folder.is_dir():
                raise BenchError("is no folder", remedy="move it away", file=folder, code=ExitCode.STORE)

    # -------------------------------------------------------------- paths

    def run_file(self, run_id: str, attempt: int = 1) -> Path:
        return self.root / "runs" / (run_id + (f".a{attempt}" if attempt > 1 else "") + ".json")

    def run_folder(self, run_id: str) -> Path:
        """Checkpoints, pictures and the failure of a run, finished or not.  Raises BenchError if it is a link."""
        return refuse_links(self.work, self.work / "runs" / run_id)

    # -------------------------------------------------------------- writing

    def claim(self, run_id: str) -> Lease | None:
        """The right to run `run_id`, for this process; None while a living process has it."""
        return claim(self.work, run_id)

    def add_run(self, record: RunRecord, per_image: dict[str, np.ndarray], lease: Lease | None = None) -> Path:
        """Store a finished run with its per-image confusion counts (domain -> (N, K, K)); returns the record's path.

        An earlier record of the same run is kept: this one becomes the next attempt.  Raises BenchError if the run was
        taken from `lease` meanwhile: its claim is what keeps two processes from adding to one run at once.
        """
        path = self.run_file(record.run_id, self.attempts(record.run_id) + 1)
        content = _packed({domain.replace("/", "."): counts for domain, counts in per_image.items()})
        images = path.with_suffix(".images.npz")
        if lease is not None:
            lease.check()
        # By a kill between the two files counts may lie here that no record points at.
        replace(refuse_links(self.root, images), content)
        record = record.model_copy(
            update={"images_file": images.name, "images_sha256": hashlib.sha256(content).hexdigest()}
        )
        if lease is not None:
            lease.check()
        commit(path, dump(record))
        with contextlib.suppress(OSError):  # a note beside a record is not looked at
            (self.run_folder(record.run_id) / "failure.json").unlink()
        return path

    def add_cost(self, record: CostRecord, slug: str) -> Path:
        """Store one measurement under the folder of its device."""
        content = dump(record)
        path = refuse_links(self.root, self._cost_file(record, slug, content))
        commit(path, content)
        return path

    def add_latency(self, record: LatencyRecord, slug: str, samples: Mapping[str, np.ndarray]) -> Path:
        """Store one process's timings under the folder of its device, its raw readings beside it."""
        readings = _packed(samples)
        path = refuse_links(self.root, self._cost_file(record, slug, dump(record) + readings))
        commit(path.with_suffix(".samples.npz"), readings)
        named = {"samples_file": path.stem + ".samples.npz", "samples_sha256": hashlib.sha256(readings).hexdigest()}
        commit(path, dump(record.model_copy(update=named)))
        return path

    def _cost_file(self, record: CostRecord | LatencyRecord, slug: str, content: bytes) -> Path:
        """Named by time and content, so that folders of two machines can be laid over one another."""
        stamp = record.measured_utc.replace("-", "").replace(":", "")
        return self.root / "costs" / slug / f"{stamp}_{hashlib.sha256(content).hexdigest()[:8]}.json"

    def add_failure(self, failure: Failure) -> Path:
        """Note why a run did not finish, in place of an earlier note."""
        path = self.run_folder(failure.run_id) / "failure.json"
        replace(path, dump(failure))
        return path

    def save_sweep(self, sweep: Sweep) -> None:
        """Remember what a sweep planned; unchanged plans are not rewritten."""
        path, content = self.root / "sweeps" / f"{sweep.name}.json", dump_sweep(sweep)
        if not (path.is_file() and path.read_bytes() == content):
            replace(refuse_links(self.root, path), content)

    # -------------------------------------------------------------- reading

    def read(self) -> Contents:
        """Everything in the folder, in the order of file names; a bad file becomes a problem and hides nothing else."""
        problems: list[BenchError] = []
        runs: list[Stored[RunRecord]] = []
        costs: list[Stored[CostRecord]] = []
        latencies: list[Stored[LatencyRecord]] = []
        sweeps: list[tuple[Sweep, str]] = []
        origins: tuple[tuple[Literal["local", "reference"], Path], ...]
        origins = (("local", self.root), ("reference", self.root / "reference"))
        for origin, root in origins:
            runs += read_stored(RunRecord, root / "runs", "r-*.json", origin, problems)
            measured = list(read_stored(Measured, root / "costs", "*/*.json", origin, problems))
            costs += [s for s in measured if isinstance(s.record, CostRecord)]
            latencies += [s for s in measured if isinstance(s.record, LatencyRecord)]
            sweeps += [(s, origin) for _, s in read_each(Sweep, root / "sweeps", "*.json", problems)]
        failures = [f for _, f in read_each(Failure, self.work / "runs", "r-*/failure.json", problems)]
        return Contents(
            runs=tuple(runs),
            costs=tuple(costs),
            latencies=tuple(latencies),
            sweeps=tuple(sweeps),
            failures=tuple(failures),
            problems=tuple(problems),
            work=self.work,
        )

    def costs(self) -> tuple[Stored[CostRecord], ...]:
        """The cost records of this machine that can be read."""
        return tuple(s for s in self._measured() if isinstance(s.record, CostRecord))

    def latencies(self) -> tuple[Stored[LatencyRecord], ...]:
        """The timings of this machine that can be read."""
        return tuple(s for s in self._measured() if isinstance(s.record, LatencyRecord))

    def _measured(self) -> Iterator[Stored[Any]]:
        return read_stored(Measured, self.root / "costs", "*/*.json", "local", [])

    def attempts(self, run_id: str) -> int:
        """The number of a run's last attempt; 0 without a record.

        Whoever claims a run looks again: if there are more than when it was planned, another process has run it.
        """
        found = self._numbers([run_id]).get(run_id)
        return 0 if found is None else found[0]

    def newest_run_file(self, run_id: str) -> Path | None:
        """The record of the newest attempt of a run, if there is one."""
        item = self.newest([run_id]).get(run_id)
        return None if item is None else Path(item.path)

    def newest(self, run_ids: Collection[str]) -> dict[str, os.DirEntry[str]]:
        """run id -> the file of its last attempt on this machine."""
        return {run_id: item for run_id, (_, item) in self._numbers(run_ids).items()}

    def _numbers(self, run_ids: Collection[str]) -> dict[str, tuple[int, os.DirEntry[str]]]:
        """run id -> its last attempt and the file of it."""
        newest: dict[str, tuple[int, os.DirEntry[str]]] = {}
        for item in entries(self.root / "runs"):
            stem, _, attempt = item.name.removesuffix(".json").partition(".a")
            if item.name.endswith(".json") and stem in run_ids:
                this = int(attempt) if attempt.isdigit() else 1, item
                newest[stem] = max(newest.get(stem, this), this, key=itemgetter(0))
        return newest


def _packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(arrays))  # type: ignore[arg-type]
    return buffer.getvalue()


def dump_sweep(sweep: Sweep) -> bytes:
    """`dump(sweep)`, faster: its runs are made of the same few parts."""
    spell = Spelling(plain)
    runs = (
        f'{{"config":{spell(r.config)},"name":{canonical(r.name)},"run_id":{canonical(r.run_id)}}}' for r in sweep.runs
    )
    return layout({**spelled(sweep, ["runs"]), "runs": f"[{','.join(runs)}]"})
