"""The arrays beside a record -> what is wrong with them: digest, names, shapes, and sums that must be the record's."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.spec import LatencyRecord, RunRecord

if TYPE_CHECKING:
    import numpy as np

LIMIT = 1 << 30
"""Bytes that an archive of readings may unpack to."""


def images_problem(record: RunRecord, path: Path) -> str | None:
    """What is wrong with the counts per image of a run, or None: they must add up to the record's counts."""
    import numpy as np

    shapes = {d: (n, len(record.classes), len(record.classes)) for d, n in record.images_scored.items()}
    room = sum(n * k * k * 8 + 4096 for n, k, _ in shapes.values())
    arrays = _read(path, record.images_sha256, room)
    if isinstance(arrays, str):
        return arrays
    if set(arrays) != {domain.replace("/", ".") for domain in record.confusion}:
        return f"it holds {', '.join(sorted(arrays)) or 'nothing'}, not the domains of its record"
    for domain, counts in record.confusion.items():
        found = arrays[domain.replace("/", ".")]
        if found.shape != shapes.get(domain) or not np.issubdtype(found.dtype, np.integer):
            return f"its {domain} is {found.dtype} {found.shape}, not whole numbers {shapes.get(domain)}"
        if found.sum(0).tolist() != [list(row) for row in counts]:
            return f"its counts of {domain} do not add up to its record's"
    return None


def samples_problem(record: LatencyRecord, path: Path) -> str | None:
    """What is wrong with the raw readings of a measurement, or None."""
    import numpy as np

    arrays = _read(path, record.samples_sha256, LIMIT)
    if isinstance(arrays, str):
        return arrays
    for name, readings in arrays.items():
        index = name.partition(".")[0]
        if not index.isdigit() or int(index) >= len(record.timings):
            return f"its {name[:40]} belongs to no timing of its record"
        if readings.ndim != 1 or not np.issubdtype(readings.dtype, np.floating):
            return f"its {name[:40]} is {readings.dtype} {readings.shape}, not a row of readings"
    return None


def _read(path: Path, sha256: str | None, room: int) -> Mapping[str, np.ndarray] | str:
    """The arrays in `path`, of `room` bytes at most, or what is wrong with it."""
    import numpy as np

    try:
        if not path.exists() and not path.is_symlink():
            return "it is missing"
        if path.is_symlink() or not path.is_file():
            return "it is no plain file"
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            return "its sha256 is not the record's"
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > room:
                return "it is larger than its record allows"
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        none = [name for name, one in found.items() if not isinstance(one, np.ndarray)]  # numpy gives them as bytes
        return f"its {none[0][:40]} is no array" if none else found
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    except (ValueError, KeyError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        return f"it is no archive of arrays ({str(error).partition(chr(10))[0]})"
