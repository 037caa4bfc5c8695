"""Rows of one table -> in which settings they differ: only these need a column, the rest is said once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report import wording
from bench.report.rows import Row
from bench.spec import Component, RunConfig

COLUMNS = frozenset(
    ["model", "dataset", "source", "target", "evaluate_on", "method", "loss", "scheduler", "steps", "epochs", "seed"]
)
"""Fields of a configuration that have a column of their own in a leaderboard (or name the table)."""

LENGTH = frozenset(["steps", "epochs"])
"""Fields whose column tells what was done: it is empty in a row that has not run."""

COMPONENTS = ("model", "method", "loss", "optimizer", "groups", "scheduler", "sampler", "scoring")

USUAL = ("groups", "sampler", "scoring", "schedule_by", "accumulate", "channels_last")
"""Fields that go without saying while they are at their defaults."""


@dataclass(frozen=True)
class Differences:
    """`fields` without a column of their own in which rows differ; `options` in which components of one kind and name
    differ."""

    fields: tuple[str, ...]
    options: dict[tuple[str, str], tuple[str, ...]]

    def component(self, kind: str, part: Component) -> str:
        """The component with the options that tell rows apart."""
        return wording.component(part, self.options[kind, part.name])

    def settings(self, row: Row) -> str:
        """`batch size 6; augment flip, rotate90` for the fields that differ."""
        told = (f for f in self.fields if f not in LENGTH or getattr(row.config, f) is not None)
        return "; ".join(f"{words(f)} {self._value(row, f)}" for f in told)

    def _value(self, row: Row, field: str) -> str:
        return self.component(field, row.config.optimizer) if field == "optimizer" else done(row, field)


def differences(rows: Sequence[Row], columns: frozenset[str] = COLUMNS) -> Differences:
    """What differs among `rows` (at least one) in a table with these columns."""
    configs = [row.config for row in rows]
    shown = columns if all(row.results for row in rows) else columns - LENGTH
    fields = [f for f in RunConfig.model_fields if f not in shown]
    options = {}
    for kind in COMPONENTS:
        for same in wording.grouped((getattr(c, kind) for c in configs), lambda part: part.name):
            options[kind, same[0].name] = varying_options(same)
    first_config = configs[0]
    varying = (f for f in fields if any(getattr(c, f) != getattr(first_config, f) for c in configs))
    return Differences(tuple(varying), options)


def varying_options(parts: Sequence[Component]) -> tuple[str, ...]:
    """The options in which components of one name (at least one) differ."""
    first, keys = parts[0].options, sorted({k for part in parts for k in part.options})
    return tuple(k for k in keys if any(part.options.get(k) != first.get(k) for part in parts))


def common(rows: Sequence[Row], found: Differences) -> list[str]:
    """What every row has and no column says: `batch size 6`, `crop (96, 96)`, `precision auto: bf16`."""
    config = rows[0].config
    fields = [f for f in RunConfig.model_fields if f not in COLUMNS and f not in found.fields]
    told = (f for f in fields if f not in USUAL or getattr(config, f) != RunConfig.model_fields[f].default)
    said = {f: wording.distinct(done(row, f) for row in rows) for f in told if getattr(config, f)}
    return [f"{words(f)} {' or '.join(values)}" for f, values in said.items()]


def unusual(config: RunConfig, columns: frozenset[str]) -> str:
    """`scoring sliding(window_px: 64); steps 600`: the fields without a column that are not at their defaults."""
    told = (
        n for n, field in RunConfig.model_fields.items() if n not in columns and getattr(config, n) != field.default
    )
    return "; ".join(f"{words(f)} {value(config, f)}" for f in told)


PICKED = ("precision", "channels_last")
"""Fields that may say `auto`; the record knows what that was on its device."""


def done(row: Row, field: str) -> str:
    """A row's value of a field as text: `auto: bf16` where the runs picked it themselves."""
    told = value(row.config, field)
    if field not in PICKED or getattr(row.config, field) != "auto":
        return told
    found = wording.distinct(wording.number(r.picked[field]) for r in row.records if field in r.picked)
    return f"{told}: {' or '.join(found)}" if found else told


def value(config: RunConfig, field: str) -> str:
    """One field as text, `none` where it is not set."""
    found = getattr(config, field)
    if isinstance(found, Component):
        return wording.component(found)
    if field == "augment":
        return wording.components(found) or "none"
    if field.endswith("_px"):
        return wording.pixels(found) or "none"
    return wording.number(found)


def words(field: str) -> str:
    """A field's name as it stands in a sentence."""
    return field.removesuffix("_px").replace("_", " ")
