"""Options of methods -> the same, or the line that says what they may be."""

from __future__ import annotations

from bench.spec import BenchError


def fraction(key: str, value: float) -> float:
    """`value` in 0..1."""
    if not 0 <= value <= 1:
        raise BenchError(f"{value} is no share", remedy="choose 0 to 1", key=key)
    return float(value)


def above(key: str, value: float, floor: float = 0.0) -> float:
    """`value`, which must be more than `floor`."""
    if not value > floor:
        raise BenchError(f"{value} is too small", remedy=f"choose more than {floor:g}", key=key)
    return float(value)


def at_least(key: str, value: float, floor: float = 0.0) -> float:
    """`value`, which must not be less than `floor`."""
    if not value >= floor:
        raise BenchError(f"{value} is too small", remedy=f"choose {floor:g} or more", key=key)
    return float(value)
