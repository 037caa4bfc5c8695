"""Statistics equal numpy's; an outlier stays in."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cost.statistics import describe, percentile, std
from bench.spec import Measurement

READINGS = st.lists(st.floats(0.001, 1e4), min_size=2, max_size=60)


@given(READINGS)
def test_they_equal_numpys(values: list[float]) -> None:
    found = describe(Measurement(unit="ms", values=tuple(values)))
    assert found.n == len(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.std == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    assert found.median == pytest.approx(np.median(values))
    assert found.p5 == pytest.approx(np.percentile(values, 5))
    assert found.mad == pytest.approx(np.median(np.abs(np.array(values) - np.median(values))), abs=1e-9)
    assert (found.min, found.max) == (min(values), max(values))


@given(READINGS, st.floats(0, 100))
def test_percentiles_equal_numpys(values: list[float], percent: float) -> None:
    assert percentile(values, percent) == pytest.approx(np.percentile(values, percent))


def test_the_sample_deviation_is_meant_not_the_population_one() -> None:
    assert std((1.0, 3.0)) == pytest.approx(2**0.5)
    assert std((1.0, 3.0)) != pytest.approx(np.std((1.0, 3.0)))


def test_too_few_readings_give_none() -> None:
    one = describe(Measurement(unit="ms", values=(2.0,), warmups=(9.0,)))
    assert (one.std, one.cv, one.p90, one.p99, one.first) == (None, None, None, None, 9.0)
    assert describe(Measurement(unit="ms", values=())) is None
    many = describe(Measurement(unit="ms", values=tuple(float(i) for i in range(1, 665))))
    assert many.p90 == pytest.approx(597.7)
    assert many.p99 is not None
    assert describe(Measurement(unit="ms", values=(1.0,) * 63)).p90 is None


def test_what_reports_use_loads_no_torch() -> None:
    code = (
        "import sys, bench.cost.statistics, bench.cost.plausibility, bench.cost.peaks; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
