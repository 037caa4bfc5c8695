"""An option's value -> nothing, or an error that names the option and what it may be."""

from __future__ import annotations

from collections.abc import Sequence

from bench.spec import BenchError


def amount(component: str, key: str, value: float, low: float, high: float = float("inf")) -> None:
    """Raises BenchError unless `low` <= `value` <= `high`; nan never passes."""
    if not low <= value <= high:
        raise _error(component, key, value, f"give a number {_between(low, high)}")


def probability(component: str, p: float) -> None:
    """Raises BenchError unless the option `p` is in [0, 1]."""
    if not 0.0 <= p <= 1.0:
        raise _error(component, "p", p, "give a probability in [0, 1]")


def interval(component: str, key: str, value: Sequence[float], low: float, high: float = float("inf")) -> None:
    """Raises BenchError unless `value` is (first, last) with `low` <= first <= last <= `high`, and last is finite."""
    if not (len(value) == 2 and low <= value[0] <= value[1] <= high and value[1] < float("inf")):
        raise _error(component, key, tuple(value), f"give [smallest, largest], both {_between(low, high)}")


def _between(low: float, high: float) -> str:
    return f"in [{low:g}, {high:g}]" if high < float("inf") else f"of at least {low:g}"


def _error(component: str, key: str, value: object, remedy: str) -> BenchError:
    return BenchError(f"{key} of {component} is {value}", remedy=remedy, key=f"augment.{key}")
