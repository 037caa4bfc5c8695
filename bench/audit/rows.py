"""What a table says of one network: the row, its figures, its timings, and what a caller adds to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from bench.audit.devices import Device
from bench.audit.figures import Figure
from bench.audit.known import Named
from bench.cost.peaks import Precision

FIGURES = ("params", "work", "latency", "fps")


class Entry(NamedTuple):
    """A figure, the title it stands under and its line."""

    figure: Figure
    column: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One latency (ms) or rate of a row; `low_bits` where the row speaks of integers or sparsity."""

    latency: Entry | None = None
    std_ms: float | None = None
    fps: Entry | None = None
    device: Device | None = None
    device_from: str = ""
    precision: Precision | None = None
    low_bits: bool = False

    @property
    def entry(self) -> Entry:
        """The figure to speak of."""
        found = self.latency or self.fps
        assert found is not None
        return found

    @property
    def image_ms(self) -> float:
        """Milliseconds of one call, from the rate where no latency is given; 0 for a rate of 0."""
        if self.latency:
            return self.latency.figure.value
        rate = self.entry.figure.value
        return 1e3 / rate if rate else 0.0


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table, or one section's `key: value` lines; `table` is the line of its header."""

    line: int
    table: int
    label: str
    network: Named | None = None
    params: Entry | None = None
    work: Entry | None = None
    timings: tuple[Timing, ...] = ()
    size: tuple[int, int] | None = None
    batch: int | None = None
    classes: int | None = None
    mious: tuple[Entry, ...] = ()
    blank: bool = False

    @property
    def area(self) -> int | None:
        """Pixels of one image."""
        return self.size[0] * self.size[1] if self.size else None


@dataclass(frozen=True, kw_only=True)
class Supplied:
    """What the caller says of a table that does not say it."""

    device: Device | None = None
    size: tuple[int, int] | None = None
    batch: int | None = None
    classes: int | None = None


@dataclass
class Rows:
    """All rows of a file; `assumed` are units taken for granted, `unread` cells that are no figures, `ragged` lines
    with more or fewer cells than their header.
    """

    rows: list[Row] = field(default_factory=list)
    assumed: list[tuple[int, str, str]] = field(default_factory=list)
    unread: list[Entry] = field(default_factory=list)
    ragged: list[tuple[int, int]] = field(default_factory=list)
    tables: int = 0
