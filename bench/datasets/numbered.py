"""Rendered frames that are known by a number -> the split of each, the same for every copy and every subset.

Papers train on every frame of GTA5 and SYNTHIA: that is `published`.  `holdout` keeps a tenth back, so that a run can
choose and score on frames it has not learned: whole blocks of numbers, because the frames of a drive follow each other;
blocks 9, 29, 49, ... are val, blocks 19, 39, 59, ... are test.  (GTA5's own split is a MATLAB file and not read.)
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from bench.datasets.folders import MASKS, Sample, check_request, list_files, not_found, samples, unlabelled
from bench.datasets.reading import data_error
from bench.spec import BenchError, DatasetInfo


def numbered_samples(
    info: DatasetInfo,
    root: Path | None,
    folders: tuple[str, str],
    *,
    domain: str,
    split: str,
    protocol: str,
    block: int,
    leave_out: Collection[int] = (),
) -> tuple[Sample, ...]:
    """The samples of a domain and split in `folders` (photos, masks) below `root`.

    `block` is how many numbers a block has; frames `leave_out` are passed over.  Raises BenchError where files are
    missing or not named by a number, and where the split is empty.
    """
    check_request(info, domain, split)
    if protocol == "published" and split in ("val", "test"):
        raise BenchError(
            f"{info.name} trains on every frame by `protocol: published`: none is left for split '{split}'",
            remedy="use `protocol: holdout`",
            key="dataset.protocol",
        )
    part = "train" if split == "target" else split

    def wanted(stem: str) -> bool:
        number = _number(stem)
        return number is None or (
            number not in leave_out and (protocol == "published" or part_of(number, block) == part)
        )

    photos_in, masks_in = (None if root is None else root / folder for folder in folders)
    if photos_in is None or masks_in is None or not photos_in.is_dir():
        raise not_found(info, photos_in)
    photos = list_files(photos_in, MASKS, wanted)
    for path in photos:
        if _number(path.stem) is None:
            raise data_error("is not named by a frame number", path, "restore the publisher's names")
    found = unlabelled(photos) if split == "target" else samples(photos, list_files(masks_in, MASKS, wanted))
    if not found:
        raise data_error(f"holds no frames of split '{split}' (protocol {protocol})", photos_in, "unpack all archives")
    return found


def part_of(number: int, block: int) -> str:
    """The split of a frame under `holdout`."""
    return {9: "val", 19: "test"}.get(number // block % 20, "train")


def _number(stem: str) -> int | None:
    return int(stem) if stem.isascii() and stem.isdigit() else None
