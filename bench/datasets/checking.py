"""A Dataset -> the faults of its samples, for `bench data`.

A run needs no such pass: builders refuse unpaired files, `read` refuses every bad sample, and the cache reads all
samples before the first step.  Here reading goes on after a fault, so that a damaged copy is mended in one go.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from bench.spec import BenchError, Dataset


def faults(dataset: Dataset, workers: int = 2, limit: int = 20) -> list[BenchError]:
    """What is wrong with the samples, in their order: at most `limit` faults; an empty list when all can be read.

    Decoding frees the interpreter lock, so `workers` threads read about that many times faster than one.
    """

    def fault(index: int) -> BenchError | None:
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
    return found[:limit]
