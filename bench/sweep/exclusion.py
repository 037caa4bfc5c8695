"""The `exclude` entries of a file -> which cells of the grid are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.spec import JSON, Domain, RunConfig
from bench.sweep.cells import Cell, flat, normal
from bench.sweep.document import Where
from bench.sweep.sections import Point, Setting


class Exclusion:
    """Removes the cells that agree with every key of one entry; `idle` are the entries that removed none."""

    def __init__(self, entries: Sequence[Point]) -> None:
        self.entries = entries
        self.idle: list[Where] = [entry[0].where[:2] for entry in entries]

    def removes(self, cell: Cell, config: RunConfig | None) -> bool:
        """Whether an entry names this cell: by its resolved values, or as written when it cannot be resolved."""
        if cell.included or not self.entries:
            return False
        values = cell.raw if config is None else flat(config)
        dataset = values.get("dataset")
        home = str(dataset.get("name") if isinstance(dataset, Mapping) else dataset)
        hits = [entry[0].where[:2] for entry in self.entries if all(_agrees(s, values, home) for s in entry)]
        self.idle = [where for where in self.idle if where not in hits]
        return bool(hits)


def _agrees(setting: Setting, values: Mapping[str, JSON], home: str) -> bool:
    head, dot, option = setting.key.partition(".")
    have = values.get(head)
    if dot:
        return isinstance(have, Mapping) and option in have and _same(setting.value, have[option])
    wanted = normal(head, setting.value)
    if head in ("source", "target", "evaluate_on"):
        wanted, have = _domains(wanted, home), _domains(have, home)
    return _same(wanted, have)


def _domains(value: JSON, home: str) -> JSON:
    if isinstance(value, list):
        return [_domains(inner, home) for inner in value]
    return str(Domain.parse(value, home)) if isinstance(value, str) else value


def _same(wanted: JSON, have: JSON) -> bool:
    """Equal; a mapping needs only what it names (`{name: ohem}` is every ohem), and true is not 1."""
    if isinstance(wanted, Mapping):
        return isinstance(have, Mapping) and all(key in have and _same(wanted[key], have[key]) for key in wanted)
    if isinstance(wanted, list):
        same_length = isinstance(have, list) and len(wanted) == len(have)
        return same_length and all(map(_same, wanted, have))
    return bool(wanted == have) and isinstance(wanted, bool) == isinstance(have, bool)
