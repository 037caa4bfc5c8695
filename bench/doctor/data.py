"""The data folder -> which datasets are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench import names
from bench.doctor.finding import Finding


def data(data_root: Path | None) -> Iterator[Finding]:
    """A finding on the folder, and one on each dataset that has a folder in it."""
    if data_root is None:
        said = "no data folder is set: only drawn datasets can be used"
        yield Finding("data", "note", said, "set BENCH_DATA or --data-root")
        return
    if not data_root.is_dir():
        yield Finding("data", "warning", "the data folder is not there", "check BENCH_DATA or --data-root")
        return
    needed = [n for n in names.names("dataset") if _has_a_folder(n)]
    here = [n for n in needed if (data_root / n).is_dir()]
    for name in here:
        full = any((data_root / name).iterdir())
        yield Finding(f"data {name}", "ok" if full else "warning", "here" if full else "its folder is empty")
    if len(here) < len(needed):
        absent = ", ".join(n for n in needed if n not in here)
        yield Finding("data", "note", f"not here: {absent}", "bench data get DATASET says how to get one")


def _has_a_folder(name: str) -> bool:
    """Not one that is drawn, nor one that lies where a sweep file says."""
    described = any(option.required for option in names.options("dataset", name).values())
    return not described and names.dataset_info(name).needs_files
