"""Folders of photos and masks -> a Dataset: listing, pairing, missing data, digest."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType

import numpy as np

from bench.datasets.reading import data_error, no_labels, read_image, read_labels
from bench.names import near
from bench.spec import BenchError, DatasetInfo, ExitCode

SPLITS = ("train", "val", "test", "target")
"""`target` gives the unlabelled images that adaptation may see; its labels are all IGNORE."""

PHOTOS = (".png", ".jpg", ".jpeg")
MASKS = (".png",)


@dataclass(frozen=True)
class Sample:
    """One photo and its mask; `mask` is None where labels must not be seen."""

    name: str
    image: Path
    mask: Path | None


@dataclass(frozen=True, eq=False)
class FolderDataset:
    """Labelled image files of one domain and split; `table` turns values on disk into labels (see `label_table`)."""

    info: DatasetInfo
    domain: str
    split: str
    samples: tuple[Sample, ...]
    table: np.ndarray

    def __len__(self) -> int:
        return len(self.samples)

    def image_name(self, index: int) -> str:
        """The file's stem."""
        return self.samples[index].name

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(image uint8 (H, W, 3) RGB, labels uint8 (H, W)); raises BenchError naming the file at any fault."""
        sample = self.samples[index]
        image = read_image(sample.image)
        if sample.mask is None:
            return image, no_labels(image)
        height, width = image.shape[:2]
        return image, read_labels(sample.mask, self.table, (height, width))

    def files(self, index: int) -> tuple[Path, ...]:
        """What sample `index` is read from: the photo and, where labels may be seen, the mask."""
        sample = self.samples[index]
        return (sample.image,) if sample.mask is None else (sample.image, sample.mask)

    def file_digests(self, index: int) -> tuple[bytes, ...]:
        """sha256 of each of `files(index)`."""
        return tuple(map(_file_digest, self.files(index)))

    def rule(self) -> str:
        """sha256 over what decides, besides the files, what `read` makes of them: every field but the samples."""
        whole = hashlib.sha256(type(self).__qualname__.encode())
        for field in dataclasses.fields(self):
            if field.name != "samples":
                whole.update(f"\0{field.name}\0".encode() + _spelled(getattr(self, field.name)))
        return whole.hexdigest()

    def digest(self, known: Iterable[tuple[bytes, ...]] | None = None) -> str:
        """sha256 over name and bytes of every file in order and over the label table; 2 GB take about a second.

        `known`, the `file_digests` of every sample in order, saves reading the files.
        """
        whole = hashlib.sha256(self.table.tobytes())
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
            found = threads.map(self.file_digests, range(len(self))) if known is None else known
            for index, digests in enumerate(found):
                for path, digest in zip(self.files(index), digests, strict=True):
                    whole.update(f"{path.parent.name}/{path.name}".encode("utf-8", "surrogateescape") + b"\0" + digest)
        return whole.hexdigest()


def _spelled(value: object) -> bytes:
    """`repr` that is the same in every process: arrays by their bytes, functions by their name, not by their place."""
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, functools.partial):
        parts = (value.func, *value.args, *itertools.chain(*sorted(value.keywords.items())))
        return b"\0".join(map(_spelled, parts))
    if isinstance(value, FunctionType):
        return f"{value.__module__}.{value.__qualname__}".encode()
    return repr(value).encode("utf-8", "backslashreplace")


def _file_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise data_error(f"cannot be read ({error.strerror or error})", path, "restore the file") from error


def check_request(info: DatasetInfo, domain: str, split: str) -> None:
    """Raises BenchError unless the dataset has this domain and split."""
    if domain not in info.domains:
        raise BenchError(f"{info.name} has no domain '{domain}'", remedy=near(domain, info.domains))
    if split not in SPLITS:
        raise BenchError(f"{info.name} has no split '{split}'", remedy=near(split, SPLITS))


def not_found(info: DatasetInfo, place: Path | None) -> BenchError:
    """The one line for data that is not there: what, where it was looked for, and both ways on."""
    return BenchError(
        f"{info.label} was not found" + ("" if place else ": no data folder is set"),
        remedy=f"set BENCH_DATA, or pass --data-root, to the folder that holds {info.name}/; "
        "`dataset: landcover` needs no files",
        file=place,
        code=ExitCode.DATA,
    )


def list_files(folder: Path, suffixes: Sequence[str], keep: Callable[[str], bool] = lambda stem: True) -> list[Path]:
    """Files with these suffixes whose stem is kept, in numeric order: 2 before 10.

    Hidden files (.DS_Store, ._x.png) are no data; two files with one stem are an error.
    """
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_file() and not entry.name.startswith(".")]
    except OSError as error:
        raise data_error(f"the folder cannot be read ({error.strerror or error})", folder) from error
    wanted = (folder / name for name in names if os.path.splitext(name)[1].lower() in suffixes)
    files = sorted((path for path in wanted if keep(path.stem)), key=lambda path: (natural(path.stem), path.name))
    for before, after in itertools.pairwise(files):
        if before.stem == after.stem:
            raise data_error(f"{before.name} has the same name", after, "keep one of the two")
    return files


def natural(text: str) -> tuple[list[str | int], str]:
    """A sort key that counts: `9` before `10`; equal numbers (`1`, `01`) fall back to the text."""
    parts = re.split(r"([0-9]+)", text)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], text


def stem(path: Path) -> str:
    """The file's name without its suffix: what a photo and its mask share in most datasets."""
    return path.stem


def samples(images: Sequence[Path], masks: Sequence[Path], name: Callable[[Path], str] = stem) -> tuple[Sample, ...]:
    """Photos and masks joined by `name`; raises BenchError for the first that stands alone, and counts the others."""
    by_name = {name(path): path for path in masks}
    lonely = [path for path in images if name(path) not in by_name]
    photos = {name(path) for path in images}
    orphans = [path for path in masks if name(path) not in photos]
    for alone, lacks in ((lonely, "mask"), (orphans, "photo")):
        if alone:
            more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
            raise data_error(f"no {lacks} belongs to this file{more}", alone[0], "restore it, or remove this file")
    return tuple(Sample(name(path), path, by_name[name(path)]) for path in images)


def unlabelled(images: Sequence[Path], name: Callable[[Path], str] = stem) -> tuple[Sample, ...]:
    """Photos whose masks are never opened."""
    return tuple(Sample(name(path), path, None) for path in images)
