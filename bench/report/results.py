"""A stored run -> its scores per domain with an interval over images; what contradicts itself gives no figure."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bench import scores
from bench.cost.statistics import std
from bench.report import wording
from bench.spec import Counts, RunRecord, printable
from bench.store import Memory, Stored

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

Bounds = dict[str, tuple[float | None, float | None]]
"""Domain -> low and high end of its 95 % interval, None for a single image."""

METHOD = 1
"""Raised whenever `bootstrap_interval` gives other bounds for the same counts: remembered ones no longer hold then."""

HEADER_BYTES, MAX_BYTES = 4096, 2**28
"""An array file is its counts and a header below the first; 5 million images of 7 classes fit into the second."""

FAULTS = (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""What a file of arrays that is not one raises."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A score in [0, 1] and what is known of its uncertainty.

    `value` is the mean over `seeds` runs and `std` their sample standard deviation (None for one); `low` and `high`
    enclose the 95 % bootstrap intervals over images of all of them, None where a run has no counts per image.
    `counted` of `classes` classes entered the mean over classes: each seed's number.
    """

    value: float
    std: float | None = None
    seeds: int = 1
    low: float | None = None
    high: float | None = None
    counted: tuple[int, ...] = ()
    classes: int = 0


class Result:
    """A stored run, its scores worked out on demand; `memory` may know its intervals."""

    def __init__(self, stored: Stored[RunRecord], memory: Memory | None = None) -> None:
        self.stored, self.record, self.memory = stored, stored.record, memory or Memory()

    def measure(self) -> None:
        """Work out now what takes long."""
        _ = self._measured

    @property
    def problem(self) -> str:
        """Why its counts per image are not used, or ''."""
        return self._measured[1]

    def cell(self, domain: str) -> Cell | None:
        """The mIoU of one domain; None where the record holds no usable counts for it."""
        return self._cells.get(domain)

    @cached_property
    def scores(self) -> dict[str, scores.Scores]:
        """Evaluated domain -> every score, for the domains with usable counts."""
        counts = {d: self._confusion(d) for d in self.record.config.evaluate_on}
        return {d: scores.summary(c) for d, c in counts.items() if c is not None}

    @cached_property
    def _cells(self) -> dict[str, Cell]:
        bounds, classes, found = self._measured[0], len(self.record.classes), {}
        for domain, every in self.scores.items():
            if every.miou is not None:
                low, high = bounds.get(domain, (None, None))
                found[domain] = Cell(value=every.miou, low=low, high=high, counted=(every.present,), classes=classes)
        return found

    def _confusion(self, domain: str) -> Counts | None:
        """Counts of a domain; None where they are missing, empty, negative or not of the record's classes."""
        counts, k = self.record.confusion.get(domain), len(self.record.classes)
        if not counts or len(counts) != k or any(len(row) != k or min(row) < 0 for row in counts):
            return None
        return counts if any(map(sum, counts)) else None

    @cached_property
    def scored_on(self) -> dict[str, str]:
        """Measured domain -> text that is equal for runs of the same classes, images and label pixels."""
        r = self.record

        def facts(domain: str) -> list[object]:
            labels = [sum(row) for row in r.confusion[domain]]
            return [r.classes, r.images_scored.get(domain), r.data_digests.get(f"{domain}:test"), labels]

        return {domain: wording.key_of(facts(domain)) for domain in self.scores}

    # -------------------------------------------------------------- counts per image

    @cached_property
    def _measured(self) -> tuple[Bounds, str]:
        """(domain -> interval, ''), or ({}, why the file is not used); a file that is not there is no fault."""
        if self.record.images_file is None:
            return {}, ""
        try:
            return self._remembered(self._content()), ""
        except FileNotFoundError:
            return {}, ""
        except FAULTS as error:
            # One line without a path: the same bytes on any machine.
            reason = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
            told = f"{self._path.name} is not used ({printable(str(reason), limit=120)})"
            return {}, f"{self.record.run_id}: {told}"

    def per_image(self, domain: str) -> np.ndarray | None:
        """Counts (N, K, K) of a measured domain; None where they are not there or not the record's."""
        if self.record.images_file is None or self.problem:
            return None
        try:
            with zipfile.ZipFile(io.BytesIO(self._content())) as archive:
                return self._array(archive, domain)
        except FAULTS:
            return None

    @property
    def _path(self) -> Path:
        return self.stored.path.with_suffix(".images.npz")

    def _content(self) -> bytes:
        """The file with the counts per image; raises for one that is not the record's."""
        if self.record.images_file != self._path.name:
            raise ValueError("the record names another file")
        content = self._path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.record.images_sha256:
            raise ValueError("its sha256 is not the record's")
        return content

    def _remembered(self, content: bytes) -> Bounds:
        """The intervals of these counts: those learnt under all that decides them, or worked out now."""
        r, name = self.record, f"{self.stored.origin} {self.stored.path.name}"
        deciding = [METHOD, r.images_sha256, r.images_scored, r.confusion, len(r.classes), list(self.scores)]
        mark = hashlib.sha256(wording.key_of(deciding).encode()).hexdigest()
        known = self.memory.recall(name, mark)
        if _are_bounds(known, [d for d, every in self.scores.items() if every.miou is not None]):
            return {domain: (low, high) for domain, (low, high) in known.items()}
        found = self._bounds(content)
        self.memory.learn(name, mark, found)
        return found

    def _bounds(self, content: bytes) -> Bounds:
        """Domain -> interval, worked out; raises for counts that are not the record's."""
        found: Bounds = {}
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for domain, every in self.scores.items():
                counts = self._array(archive, domain)
                if every.miou is not None:
                    interval = scores.bootstrap_interval(counts)
                    found[domain] = interval.low, interval.high
        return found

    def _array(self, archive: zipfile.ZipFile, domain: str) -> np.ndarray:
        from numpy.lib.format import read_array

        name, k = f"{domain.replace('/', '.')}.npy", len(self.record.classes)
        expected = (self.record.images_scored.get(domain, 0), k, k)
        size = archive.getinfo(name).file_size
        if size > min(8 * expected[0] * k * k + HEADER_BYTES, MAX_BYTES):  # a small file may unpack to anything
            raise ValueError(f"{domain} is larger than its counts")
        counts: np.ndarray = read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
        if counts.shape != expected or counts.dtype.kind not in "iu" or not expected[0]:
            raise ValueError(f"{domain} holds {counts.dtype} {counts.shape}, not counts of {expected}")
        if counts.min() < 0 or counts.sum(axis=0).tolist() != [list(row) for row in self.record.confusion[domain]]:
            raise ValueError(f"the images of {domain} do not add up to the record's counts")
        return counts


def _are_bounds(known: object, domains: list[str]) -> bool:
    """Whether `known` is two numbers, or two None, for each of `domains`."""
    if not isinstance(known, dict) or set(known) != set(domains):
        return False
    kinds = [[type(bound) for bound in pair] if isinstance(pair, list) else [] for pair in known.values()]
    return all(kind in ([float, float], [type(None)] * 2) for kind in kinds)


def mean_cell(cells: Sequence[Cell | None]) -> Cell | None:
    """The mean over domains of one run, None unless all are there.

    Its bounds are the means of the domains' bounds: exact if all domains erred together, too wide otherwise.
    """
    known = [c for c in cells if c is not None]
    if not known or len(known) < len(cells):
        return None
    return Cell(
        value=_mean([c.value for c in known]),
        low=_mean_or_none([c.low for c in known]),
        high=_mean_or_none([c.high for c in known]),
    )


def merged(cells: Sequence[Cell | None]) -> Cell | None:
    """One cell per seed -> one; None unless every seed has one.  The bounds enclose all seeds' intervals."""
    known = [c for c in cells if c is not None]
    if not known or len(known) < len(cells):
        return None
    values = [c.value for c in known]
    lows, highs = [c.low for c in known], [c.high for c in known]
    return Cell(
        value=_mean(values),
        std=std(values),
        seeds=len(known),
        low=None if None in lows else min(v for v in lows if v is not None),
        high=None if None in highs else max(v for v in highs if v is not None),
        counted=tuple(n for c in known for n in c.counted),
        classes=known[0].classes,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _mean_or_none(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return _mean(known) if len(known) == len(values) else None
