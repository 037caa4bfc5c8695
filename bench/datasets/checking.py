"""Datasets -> all that is wrong with them, for `bench data check`.

A run needs no such pass: builders refuse unpaired files, `read` refuses every bad sample, and the cache reads all
samples before the first step.  Here reading goes on after a fault, so that a damaged copy is mended in one go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.spec import BenchError, Dataset, ExitCode


@dataclass(frozen=True)
class Report:
    """(domain, split, number of images) of what could be opened, and the faults in order."""

    images: tuple[tuple[str, str, int], ...]
    faults: tuple[BenchError, ...]


def check_all(
    open_: Callable[[str, str], Dataset],
    domains: Sequence[str],
    splits: Sequence[str],
    *,
    workers: int = 2,
    limit: int = 20,
    tick: Callable[[], None] = lambda: None,
) -> Report:
    """Read every sample of every domain and split; at most `limit` faults, no file told of twice.

    Two files with the same bytes are a fault too: an image that was trained on may not be scored under another name.
    """
    images: list[tuple[str, str, int]] = []
    faults: dict[str, BenchError] = {}
    owners: dict[bytes, tuple[Path, str]] = {}
    for domain in domains:
        for split in splits:
            try:
                dataset = open_(domain, split)
                if not len(dataset):
                    raise BenchError(f"{domain} has no images in split '{split}'", code=ExitCode.DATA)
                images.append((domain, split, len(dataset)))
            except BenchError as error:
                faults.setdefault(str(error), error)
                continue
            twins = _twins(dataset, owners) if split != "target" else []
            for fault in (*faults_of(dataset, workers, limit - len(faults), tick), *twins):
                faults.setdefault(str(fault), fault)
    return Report(tuple(images), tuple(faults.values())[:limit])


def faults_of(
    dataset: Dataset, workers: int = 2, limit: int = 20, tick: Callable[[], None] = lambda: None
) -> list[BenchError]:
    """What is wrong with the samples, in their order: at most `limit` faults; an empty list when all can be read.

    Decoding frees the interpreter lock, so `workers` threads read about that many times faster than one.
    """

    def fault(index: int) -> BenchError | None:
        tick()
        try:
            dataset.read(index)
        except BenchError as error:
            return error
        return None

    found: list[BenchError] = []
    with ThreadPoolExecutor(workers) as threads:
        for start in range(0, len(dataset), 64):
            several = range(start, min(start + 64, len(dataset)))
            found += [error for error in threads.map(fault, several) if error is not None]
            if len(found) >= limit:
                break
    return found[: max(0, limit)]


def _twins(dataset: Dataset, owners: dict[bytes, tuple[Path, str]]) -> list[BenchError]:
    """Files whose bytes are those of another file; one file that serves two splits by design is no twin."""
    found = []
    for sample in getattr(dataset, "samples", ()):
        try:
            digest = hashlib.sha256(sample.image.read_bytes()).digest()
        except OSError:
            continue  # told already
        first, where = owners.setdefault(digest, (sample.image, f"{dataset.domain}:{dataset.split}"))
        if first != sample.image:
            problem = f"the same image as {first.name} in {where}"
            found.append(BenchError(problem, remedy="keep one of the two", file=sample.image, code=ExitCode.DATA))
    return found
