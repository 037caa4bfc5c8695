"""A latency record and its raw readings -> whether every statistic in it is what the readings give."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from typing import TYPE_CHECKING

from bench.cost.evidence import contradictions
from bench.spec import LatencyRecord, printable
from bench.store import Stored

if TYPE_CHECKING:
    import numpy as np

MAX_BYTES = 2**28


def differences(stored: Stored[LatencyRecord]) -> list[str]:
    """What does not agree, a line for each timing and time; [] where all does."""
    try:
        raw = _readings(stored)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
        return [f"its raw readings cannot be used ({printable(str(reason), limit=120)})"]
    found = []
    for index, timing in enumerate(stored.record.timings):
        what = f"timing {index} ({timing.workload.model.name}, {timing.workload.precision})"
        found += [f"{what}: {line}" for line in contradictions(timing, raw, index)]
    return found


def _readings(stored: Stored[LatencyRecord]) -> dict[str, np.ndarray]:
    """`<index>.<time>` -> microseconds; raises for a file that is not the record's."""
    from numpy.lib.format import read_array

    name = stored.path.stem + ".samples.npz"
    if stored.record.samples_file != name:
        raise ValueError("the record names none" if stored.record.samples_file is None else "it names another file")
    content = stored.path.with_name(name).read_bytes()
    if hashlib.sha256(content).hexdigest() != stored.record.samples_sha256:
        raise ValueError(f"the sha256 of {name} is not the record's")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(item.file_size for item in archive.infolist()) > MAX_BYTES:  # a small file may unpack to anything
            raise ValueError(f"{name} is too large")
        arrays = {
            item.removesuffix(".npy"): read_array(io.BytesIO(archive.read(item)), allow_pickle=False)
            for item in archive.namelist()
        }
    if any(array.ndim != 1 or array.dtype.kind != "f" for array in arrays.values()):
        raise ValueError(f"{name} holds more than lists of numbers")
    return arrays
