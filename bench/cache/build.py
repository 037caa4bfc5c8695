"""A dataset of files -> a stored split beside which nothing half-written can be taken for one.

All work is done in `<name>.building`: arrays of full size, and a journal with a line for every row that is whole.  A
process that is killed leaves both, and the next goes on from the journal.  That holds for kills; after a loss of power
a line may be on the disk without its row, so a journal counts only until the machine starts again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.cache.decoding import Decoder, Sample
from bench.cache.manifest import Entry, FileDataset, Files, Manifest, entry, settled
from bench.cache.rows import FULL, Rows, sync_folder, writing
from bench.spec import JSON, BenchError, ExitCode

BUILDING, OLD = ".building", ".old"
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Kept:
    """A stored split, mapped; perhaps out of date."""

    manifest: Manifest
    images: np.ndarray
    labels: np.ndarray

    def fits(self, files: Files) -> bool:
        """Whether it was made from these very files as they are now."""
        entries = self.manifest.entries
        return [e.name for e in entries] == files.names and all(
            e.stamps == files.stamps(i) for i, e in enumerate(entries)
        )


def renew(
    folder: Path,
    made: JSON,
    dataset: FileDataset,
    files: Files,
    decode: Decoder,
    kept: Kept | None,
    workers: int,
    tick: Callable[[], None],
) -> None:
    """Make the stored split in `folder` that of today's files, with what can be had from the one that is there.

    A sample whose files have other times but the same bytes is kept, one whose bytes have changed is decoded.  Raises
    BenchError as `stored_split`.
    """
    source = Source(dataset, files)
    rows = {e.name: row for row, e in enumerate(kept.manifest.entries)} if kept else {}
    old = [kept.manifest.entries[rows[name]] if kept and name in rows else None for name in files.names]
    with _threads(workers) as each:
        usable = list(each(source.unchanged, range(len(old)), old))
    if kept and list(rows) == files.names and all(usable):
        entries = [one for one in usable if one is not None]
        Manifest(made, kept.manifest.shapes, kept.manifest.arrays, kept.manifest.digest, entries).save(folder)
        return
    if kept:
        decode.shapes = kept.images.shape[2:], kept.labels.shape[1:]
    first = None
    if not usable[0]:
        before, decode.shapes = decode.shapes, None
        first = source.read(0, decode)
        if decode.shapes != before:
            usable = [None] * len(old)
    assert decode.shapes is not None
    shapes = [[3, *decode.shapes[0]], [*decode.shapes[1]]]
    with (
        _freeing(folder),
        Building(folder, {**made, "names": len(old), "shapes": shapes}) as building,
        _threads(workers) as each,  # innermost: no thread may write into a file that is closed
    ):

        def work(index: int) -> Entry:
            done, whole = source.unchanged(index, building.done.get(index)), usable[index]
            if done is None and kept and whole:
                row = rows[files.names[index]]
                done = building.add(index, whole, kept.images[row], kept.labels[row])
            elif done is None:
                told, sample = first if first and index == 0 else source.read(index, decode)
                done = building.add(index, told, sample.image, sample.label)
            tick()
            return done

        entries = list(each(work, range(len(old))))
        digest = dataset.digest([tuple(map(bytes.fromhex, one.digests)) for one in entries])
        Manifest(made, shapes, building.finish(), digest, entries).save(building.folder)
    building.move(folder)


class Source:
    """Today's files: whether a sample is as it was, or what it is now."""

    def __init__(self, dataset: FileDataset, files: Files) -> None:
        self.dataset, self.files, self.classes = dataset, files, dataset.info.num_classes

    def unchanged(self, index: int, old: Entry | None) -> Entry | None:
        """`old` with today's states where it is still true of its files, else None."""
        if old is None or old.name != self.files.names[index]:
            return None
        stamps = self.files.stamps(index)
        if old.stamps == stamps:
            return old
        if [s[:2] for s in old.stamps] != [s[:2] for s in stamps]:
            return None
        same = [d.hex() for d in self.dataset.file_digests(index)] == old.digests
        return old._replace(stamps=settled(stamps)) if same else None

    def read(self, index: int, decode: Decoder) -> tuple[Entry, Sample]:
        """Raises BenchError (DATA) when a file changes meanwhile: pixels would not be those of its digest."""
        stamps = self.files.stamps(index)
        digests = self.dataset.file_digests(index)
        sample = decode(index)
        for before, after, path in zip(stamps, self.files.stamps(index), self.files.paths[index], strict=True):
            if before != after:
                raise BenchError("changed while it was read", remedy="run again", file=path, code=ExitCode.DATA)
        name, codes = self.files.names[index], sample.codes.tolist()
        return entry(name, settled(stamps), digests, codes, self.classes), sample


class Building:
    """The folder in which a stored split grows; `done` are the samples that an earlier process has left whole."""

    def __init__(self, folder: Path, header: JSON) -> None:
        self.folder = folder.with_suffix(BUILDING)
        self.journal, self.lock = self.folder / "journal.jsonl", threading.Lock()
        paths = [self.folder / name for name in ("images.npy", "labels.npy")]
        first = json.dumps({"boot": BOOT.read_text() if BOOT.exists() else str(uuid.uuid4()), **header}).encode()
        self.done, whole = self._left(first) if all(path.exists() for path in paths) else ({}, 0)
        if not self.done:
            shutil.rmtree(self.folder, ignore_errors=True)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as opened:
            shapes = map(tuple, header["shapes"])
            self.images, self.labels = (
                opened.enter_context(contextlib.closing(Rows(path, header["names"], shape)))
                for path, shape in zip(paths, shapes, strict=True)
            )
            with writing(self.journal):
                self.file = os.open(self.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
                opened.callback(os.close, self.file)
                os.truncate(self.file, whole)
                if not whole:
                    self._note(first)
            self.opened = opened.pop_all()

    def _left(self, first: bytes) -> tuple[dict[int, Entry], int]:
        """What the journal tells under this very header, and how many of its bytes do; a line cut off is no line."""
        found: dict[int, Entry] = {}
        try:
            content = self.journal.read_bytes()
            head, *lines = content.split(b"\n")
            if head != first:
                return {}, 0
            for line in lines[:-1]:
                index, row = json.loads(line)
                found[index] = Entry(*row)
        except (OSError, ValueError, TypeError):
            return {}, 0
        return found, len(content) - len(lines[-1])

    def _note(self, line: bytes) -> None:
        with self.lock:
            left = memoryview(line + b"\n")
            while left:
                left = left[os.write(self.file, left) :]

    def add(self, index: int, told: Entry, image: np.ndarray, label: np.ndarray) -> Entry:
        """Write one sample, and only then the line that says so."""
        self.images.write(index, image)
        self.labels.write(index, label)
        with writing(self.journal):
            self._note(json.dumps([index, told]).encode())
        return told

    def finish(self) -> dict[str, list[int]]:
        """Everything onto the disk; returns the arrays' marks."""
        return {rows.path.name: rows.finish() for rows in (self.images, self.labels)}

    def move(self, folder: Path) -> None:
        """Take the place of `folder`; whoever has that one mapped keeps it."""
        old = folder.with_suffix(OLD)
        with writing(folder):
            if folder.exists():
                os.rename(folder, old)
            os.rename(self.folder, folder)
            sync_folder(folder.parent)
        (folder / self.journal.name).unlink(missing_ok=True)
        shutil.rmtree(old, ignore_errors=True)

    def __enter__(self) -> Building:
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.close()


@contextlib.contextmanager
def _threads(number: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """`map` by so many threads; one is this one, as another would only wait for it and be waited for."""
    if number == 1:
        yield map
    else:
        with ThreadPoolExecutor(number) as pool:
            yield pool.map


@contextlib.contextmanager
def _freeing(folder: Path) -> Iterator[None]:
    """What was built so far is given up where it has filled the disk: other files must find room."""
    try:
        yield
    except BenchError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL:
            shutil.rmtree(folder.with_suffix(BUILDING), ignore_errors=True)
        raise
