"""A latency record and its raw readings -> whether every statistic in it is what the readings give."""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
import zlib
from typing import TYPE_CHECKING

from bench.cost.statistics import describe
from bench.spec import LatencyRecord, Series, printable
from bench.store import Stored

if TYPE_CHECKING:
    import numpy as np

MAX_BYTES = 2**28
TOLERANCE, LOOSE = 1e-6, 1e-3
"""Relative to the median: of times, which float32 microseconds hold to 6e-8, and of what differences amplify."""

TIMES = ("mean", "median", "median_low", "median_high", "p5", "p90", "p99", "min", "max")
SPREADS = ("std", "mad", "iqr")
SHARES = ("cv", "ac1", "drift")


def differences(stored: Stored[LatencyRecord]) -> list[str]:
    """What does not agree, a line each that names timing, time and statistic; [] where all does."""
    try:
        raw = _readings(stored)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
        return [f"its raw readings cannot be used ({printable(str(reason), limit=120)})"]
    found = []
    for index, timing in enumerate(stored.record.timings):
        for name, series in sorted(timing.times.items()):
            what = f"timing {index} ({timing.workload.model.name}, {timing.workload.precision}), {name}"
            kept = raw.get(f"{index}.{name}", _nothing())[timing.warm_cut :]
            if not len(kept):
                found.append(f"{what}: no raw readings")
                continue
            found += [f"{what}: {line}" for line in _unequal(series, describe((kept / 1000.0).tolist()))]
    return found


def _nothing() -> np.ndarray:
    import numpy as np

    return np.zeros(0)


def _readings(stored: Stored[LatencyRecord]) -> dict[str, np.ndarray]:
    """`<index>.<time>` -> microseconds as float64; raises for a file that is not the record's."""
    import numpy as np
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
    return {key: array.astype(np.float64) for key, array in arrays.items()}


def _unequal(stored: Series, computed: Series) -> list[str]:
    """`median is 10.1, its readings give 12.3` for each statistic that differs by more than float32 explains."""
    scale = abs(computed.median)
    tolerances = {
        "n": 0.0,
        "far": 0.0,
        **dict.fromkeys(TIMES, TOLERANCE * scale),
        **dict.fromkeys(SPREADS, LOOSE * scale),
        **dict.fromkeys(SHARES, LOOSE),
    }
    found = []
    for name in Series.model_fields:
        own, its = getattr(stored, name), getattr(computed, name)
        if own is None or its is None:
            same = own is its
        else:
            same = math.isclose(own, its, rel_tol=0.0, abs_tol=tolerances[name])
        if not same:
            found.append(f"{name} is {_number(own)}, its readings give {_number(its)}")
    return found


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"
