"""A timing and its raw readings -> their statistics again, and what in the timing does not follow from them.

No torch: reports and audits use it on records of any machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.cost.statistics import describe
from bench.spec import Series, Timing

if TYPE_CHECKING:
    import numpy as np

    Readings = np.ndarray[Any, np.dtype[np.float32]]

TIMES = ("e2e", "device", "enqueue", "cpu")
"""Times that have statistics; samples also hold `warmup` and `aside`, end-to-end readings that count for none."""

ROUNDING = 1e-6


def stored(values_ms: Sequence[float]) -> Readings:
    """Milliseconds as they lie in a record's samples: microseconds, float32."""
    import numpy as np

    return (np.asarray(values_ms, dtype=np.float64) * 1e3).astype(np.float32)


def cut(warm_cut: int, total: int, count: int) -> int:
    """How many of `count` readings belong to the warm-up that ends after `warm_cut` of `total` end-to-end readings.

    Readings of the device alone are fewer and taken beside the others, so the same share of them is cut.
    """
    return math.ceil(warm_cut * count / total) if total else 0


def recomputed(samples: Mapping[str, Readings], index: int, warm_cut: int) -> dict[str, Series]:
    """The statistics of every time of the timing number `index` of a record, from its raw readings.

    Raises ValueError for a reading that is negative or no number.
    """
    import numpy as np

    found: dict[str, Series] = {}
    total = len(samples.get(f"{index}.e2e", ()))
    for name in TIMES:
        if (readings := samples.get(f"{index}.{name}")) is not None:
            kept = readings[cut(warm_cut, total, len(readings)) :]
            milliseconds: Any = np.asarray(kept, dtype=np.float64) / 1e3
            found[name] = describe(milliseconds)
    return found


def contradictions(timing: Timing, samples: Mapping[str, Readings], index: int) -> tuple[str, ...]:
    """What `timing` says that its readings do not: statistics of other values (means of blocks), missing readings."""
    if timing.failed is not None:
        return ()
    try:
        own = recomputed(samples, index, timing.warm_cut)
    except ValueError as error:
        return (str(error),)
    found = [f"{name}: statistics without readings" for name in timing.times if name not in own]
    for name, series in own.items():
        told = timing.times.get(name)
        if told is None:
            found.append(f"{name}: readings without statistics")
            continue
        ours, theirs = series.model_dump(), told.model_dump()
        wrong = [key for key, value in ours.items() if not _same(value, theirs[key], series.median)]
        if wrong:
            found.append(f"{name}: {', '.join(wrong)} not those of the {series.n} readings kept")
    return tuple(found)


def _same(ours: float | None, theirs: float | None, scale: float) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    return math.isclose(ours, theirs, rel_tol=ROUNDING, abs_tol=ROUNDING * max(1.0, scale))
