"""A dataset of files -> its split, decoded once for all runs and processes into `<folder>/<slug>-<key>/`.

There lie `images.npy` (N, 3, h, w), `labels.npy` (N, H, W) and `manifest.json`.  The manifest comes last and the folder
takes its name when it is whole, so nothing half-written is ever read.  Opening compares the states of all files (name,
size, times) with those in the manifest and reads no file; what has changed is read again, the rest is kept.
"""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.cache.build import OLD, Kept, renew
from bench.cache.decoding import Decoder
from bench.cache.manifest import FileDataset, Files, Manifest, key, made
from bench.cache.rows import locked, mapped, mark, tensor
from bench.cache.split import Split
from bench.spec import JSON, Size


def stored_split(
    dataset: FileDataset,
    folder: Path,
    *,
    options: JSON = None,
    resize_px: Size | None = None,
    native_labels: bool = False,
    workers: int = 2,
    tick: Callable[[], None] = lambda: None,
) -> Split:
    """The split that `read_split` gives, kept under `folder` and mapped from there.

    `options` are the dataset's, `workers` the threads that decode; `tick` is called for each sample that is decoded or
    copied.  Whoever comes second waits for the first.  Killed anywhere, building goes on where it was.  A stored split
    that is damaged, or another program's, is built anew with one warning.  Raises BenchError: DATA as `read_split`, and
    for a file that changes while it is read; ENVIRONMENT where the disk is full or refuses.
    """
    facts = {"domain": dataset.domain, "split": dataset.split, "resize_px": resize_px, "native_labels": native_labels}
    request = {"dataset": dataset.info.name, "options": options, **facts}
    slug = re.sub("[^a-z0-9]+", "_", f"{dataset.info.name}_{dataset.domain}_{dataset.split}".lower())
    wanted = Wanted(folder / f"{slug}-{key(request)}", made(_plain(request), dataset.rule()), Files(dataset))
    decode = Decoder(dataset, resize_px, native_labels)
    try:
        found = wanted.open()
    except ValueError:
        found = None  # told of under the lock: another process may be mending it now
    old = wanted.folder.with_suffix(OLD)
    if found is not None and found.fits(wanted.files) and not old.exists():
        return _split(found)
    with locked(wanted.folder.with_suffix(".lock")):
        shutil.rmtree(old, ignore_errors=True)  # left by a kill
        try:
            found = wanted.open()
        except ValueError as fault:
            warnings.warn(f"{wanted.folder}: {fault}; it is built anew", stacklevel=2)
            found = None
        if found is None or not found.fits(wanted.files):
            renew(wanted.folder, wanted.made, dataset, wanted.files, decode, found, max(1, workers), tick)
            found = wanted.open()
            assert found is not None
        return _split(found)


def _plain(request: dict[str, JSON]) -> JSON:
    """As it comes back from JSON."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in request.items()}


@dataclass(frozen=True)
class Wanted:
    """The folder in which a stored split is looked for, what it must be made with, and the files it is made from."""

    folder: Path
    made: JSON
    files: Files

    def open(self) -> Kept | None:
        """The stored split, up to date or not; None without one.  Raises ValueError for one that is of no use."""
        try:
            manifest = Manifest.load(self.folder)
        except FileNotFoundError:
            if self.folder.exists():
                raise ValueError("it has no manifest") from None
            return None
        except (OSError, KeyError, TypeError, AttributeError) as fault:
            raise ValueError(f"its manifest cannot be read ({fault})") from None
        for part, value in self.made.items():
            if manifest.made.get(part) != value:
                raise ValueError(f"it was made with another {part}")
        number = len(manifest.entries)
        arrays = []
        for (name, written), shape in zip(sorted(manifest.arrays.items()), manifest.shapes, strict=True):
            try:
                array = mapped(self.folder / name)
                now = mark(os.stat(self.folder / name))  # after it was mapped: it may have been replaced before
            except (OSError, ValueError) as fault:
                raise ValueError(f"{name} cannot be read ({fault})") from None
            if now != written or array.shape != (number, *shape) or array.dtype != np.uint8:
                raise ValueError(f"{name} is not what was written")
            arrays.append(array)
        return Kept(manifest, *arrays)


def _split(found: Kept) -> Split:
    entries = found.manifest.entries
    return Split(
        images=tensor(found.images),
        labels=tensor(found.labels),
        names=tuple(entry.name for entry in entries),
        digest=found.manifest.digest,
        counts=np.array([entry.counts for entry in entries], np.int64),
        mapped=True,
    )
