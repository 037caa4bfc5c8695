"""Photos in one folder per drive or city, with masks named alike up to an ending -> lists of them, honest splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.datasets.folders import FolderDataset, Sample, list_files, natural
from bench.datasets.reading import data_error
from bench.spec import BenchError, DatasetInfo


@dataclass(frozen=True, eq=False)
class DriveDataset(FolderDataset):
    """Images that know the drive or city they come from."""

    def sequence(self, index: int) -> str:
        """The folder of an image, such as `aachen` or `GOPR0475`: images of one drive are not independent."""
        return _drive(self.samples[index])


def list_drives(folder: Path, ending: str) -> list[Path]:
    """Files DRIVE/NAME<ending>.png in the order of drives, then names; hidden folders are no data.

    Raises BenchError when the folder cannot be read.
    """
    try:
        drives = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    except OSError as error:
        raise data_error(f"the folder cannot be read ({error.strerror or error})", folder) from error
    ordered = sorted(drives, key=lambda path: natural(path.name))
    return [file for drive in ordered for file in list_drive(drive, ending)]


def list_drive(drive: Path, ending: str) -> list[Path]:
    """Files NAME<ending>.png of one drive; what else lies there (polygons, colours) is left alone."""
    return list_files(drive, (".png",), lambda stem: stem.endswith(ending))


def without(*endings: str) -> Callable[[Path], str]:
    """The name that a photo and its mask share: the stem without the first of `endings` that it has."""

    def name(path: Path) -> str:
        return path.stem.removesuffix(next((end for end in endings if path.stem.endswith(end)), ""))

    return name


def hold_out(found: tuple[Sample, ...], part: str) -> tuple[Sample, ...]:
    """The samples of `part` "train" or "val": val is the last whole drives that make up a tenth, train what is before.

    Whole drives, because neighbouring frames are nearly one image; of a single drive, its last tenth.
    """
    drives = [_drive(sample) for sample in found]
    start = len(found) - -(-len(found) // 10)
    begins = [i for i in range(1, len(found)) if drives[i] != drives[i - 1]]
    if begins:
        start = max((i for i in begins if i <= start), default=begins[0])
    return found[:start] if part == "train" else found[start:]


def check_labelled(info: DatasetInfo, domain: str, split: str, labelled: bool) -> None:
    """Raises BenchError for a split of a domain whose labels are not public."""
    if not labelled and split != "target":
        raise BenchError(
            f"{info.name}/{domain} has no public labels for split '{split}'", remedy=f"use it as `target: {domain}`"
        )


def check_kept_back(info: DatasetInfo, split: str, protocol: str) -> None:
    """Raises BenchError where val is asked for under a protocol that trains on everything."""
    if protocol == "published" and split == "val":
        raise BenchError(
            f"{info.name} trains on every image by `protocol: published`: none is left to choose by",
            remedy="use `protocol: holdout`, or `evaluate_every: 0`",
            key="dataset.protocol",
        )


def _drive(sample: Sample) -> str:
    return sample.image.parent.name
