"""Learning-rate shapes against published figures, and their behaviour at the ends."""

import pytest

from bench import names
from bench.schedulers import SCHEDULERS
from bench.schedulers.constant import constant
from bench.schedulers.poly import poly
from bench.spec import BenchError, Component


@pytest.mark.parametrize(("step", "lr"), [(0, 0.01), (100, 0.009095), (500, 0.005359), (900, 0.001259), (999, 2.0e-5)])
def test_poly_gives_the_published_rates(step: int, lr: float) -> None:
    assert 0.01 * poly()(step / 1000) == pytest.approx(lr, rel=5e-3)


def test_a_straight_line_is_not_taken_for_the_default() -> None:
    assert 0.01 * poly(power=1.0)(0.5) != pytest.approx(0.005359, rel=5e-3)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_shape_starts_at_one_and_stays_a_number_that_is_not_negative(name: str) -> None:
    shape = names.build("scheduler", Component(name=name))
    assert shape(0.0) == 1.0
    for progress in (0.0, 0.3, 0.999, 1.0, 1.5):
        assert isinstance(shape(progress), float)
        assert 0.0 <= shape(progress) <= 1.0


def test_poly_falls_all_the_way_and_its_last_step_still_learns() -> None:
    rates = [poly()(step / 50) for step in range(50)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0 == poly()(1.0) == poly(power=0.0)(1.0)


def test_constant_is_one_everywhere() -> None:
    assert {constant()(step / 7) for step in range(7)} == {1.0}


@pytest.mark.parametrize("power", [-0.1, float("nan"), float("inf")])
def test_a_power_out_of_range_is_refused(power: float) -> None:
    with pytest.raises(BenchError, match="power"):
        poly(power=power)
