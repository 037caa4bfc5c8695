"""Boards -> groups in which methods may be held against source-only and oracle, and in words why some may not.

Controls are matched: same model, settings, schedule, seeds, starting weights and images.  A difference between runs
that differ in more than the method is nobody's gain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.names.combined import COMBINED, PARTS
from bench.report import settings, wording
from bench.report.rows import Board, Row
from bench.spec import Component, RunConfig, RunRecord

SOURCE_ONLY, ORACLE, JOINT = CONTROLS = ("source_only", "oracle", "joint")
FREE = frozenset(["method", "target", "seed"])
"""Fields in which the rows of a group may differ."""

METHOD_LABELS = {ORACLE: "oracle", JOINT: "joint", SOURCE_ONLY: "source-only"}


@dataclass(frozen=True)
class Group:
    """Rows of one board, with results on `target`, that differ in the method alone; controls first, then the plan's
    order.  `left_out` are rows that belong here and have no results."""

    board: Board
    target: str
    rows: tuple[Row, ...]
    left_out: tuple[Row, ...] = ()

    @property
    def config(self) -> RunConfig:
        return self.rows[0].config

    @cached_property
    def labels(self) -> dict[str, str]:
        """Row's key -> its method in words, with the options that tell rows apart."""
        parts = [part for row in (*self.rows, *self.left_out) for part in _parts(row.config.method)]
        named = wording.grouped(parts, lambda part: part.name)
        shown = {same[0].name: settings.varying_options(same) for same in named}
        found = {key(row): _label(row.config.method, shown) for row in (*self.rows, *self.left_out)}
        stale = {key(row) for row in self.rows if row.stale and row.origin == "local"}
        return {name: f"{label} (stale)" if name in stale else label for name, label in found.items()}

    def label(self, row: Row) -> str:
        return self.labels[key(row)]

    def control(self, name: str) -> Row | None:
        """The row of `source_only`, `oracle` or `joint`; of several the one that names the target, has most seeds."""
        found = [row for row in self.rows if row.config.method.name == name]
        order = {id(row): (row.config.target is None, -len(row.seeds), bool(row.stale), row.ids) for row in found}
        return min(found, key=lambda row: order[id(row)], default=None)

    @property
    def methods(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.config.method.name not in CONTROLS)

    def unmatched(self, row: Row, name: str) -> str:
        """Why `row` may not be held against the control `name`, or ''."""
        control = self.control(name)
        return mismatch(row, control, METHOD_LABELS[name]) if control else self._nearest(name)

    def _nearest(self, name: str) -> str:
        """What a control that is not there would have to be like, told by the one that is most alike."""
        there = [row for row in self.board.rows if row.config.method.name == name and row.results]
        told = sorted((_differing(row.config, self.config, row, self.rows[0]) for row in there), key=_fewest)
        missing = f"no {METHOD_LABELS[name]} run has these settings"
        return f"{missing} (one has {'; '.join(told[0])})" if told else f"there is no {METHOD_LABELS[name]} run"


def groups(board: Board) -> Iterator[Group]:
    """The groups of a board, in the plan's order, target by target; none where nothing but source-only has results."""
    alike = wording.grouped(board.rows, lambda row: wording.key_of([_settings(row.config), row.origin]))
    for rows in alike:
        for target in _targets(rows):
            own = [row for row in rows if row.config.target in (None, target)]
            done = [row for row in own if row.results and row.cells.get(target) is not None]
            if any(row.config.method.name != SOURCE_ONLY for row in done):
                ordered = sorted(done, key=lambda row: (_rank(row), row.order, wording.key_of(row.ids)))
                yield Group(board, target, tuple(ordered), tuple(row for row in own if not row.results))


def key(row: Row) -> str:
    """One text per row."""
    return wording.key_of([row.config.model_dump(mode="json", exclude={"seed"}), row.origin, row.ids])


def method_name(component: Component) -> str:
    """`fda + mic`: names as they stand in a sweep file."""
    return " + ".join(part.name for part in _parts(component))


def mismatch(row: Row, control: Row, called: str) -> str:
    """Why the runs of `row` are no match for those of `control`, in words; '' where they are."""
    if row.seeds != control.seeds or len(set(row.seeds)) != len(row.seeds):
        return f"{called} has the seeds {_seeds(control)}, not {_seeds(row)}"
    if row.state != control.state:
        return f"{called} is {_article(control)}, this is {_article(row)}"
    for ours, theirs in zip(row.records, control.records, strict=True):
        if reason := _unlike(ours, theirs):
            return f"{called} {reason}"
    return ""


def _unlike(ours: RunRecord, theirs: RunRecord) -> str:
    if ours.steps != theirs.steps:
        return f"made {theirs.steps:,} updates, not {ours.steps:,}"
    if ours.images_seen != theirs.images_seen:
        return f"saw {theirs.images_seen:,} images, not {ours.images_seen:,}"
    if ours.weights_sha256 and theirs.weights_sha256 and ours.weights_sha256 != theirs.weights_sha256:
        return "started from other weights"
    parts = sorted((ours.code.keys() & theirs.code.keys()) - {"method"})
    if changed := [part for part in parts if ours.code[part] != theirs.code[part]]:
        return f"was made by other code ({', '.join(changed)})"
    shared = sorted(ours.data_digests.keys() & theirs.data_digests.keys())
    other = [name for name in shared if ours.data_digests[name] != theirs.data_digests[name]]
    return f"read other images of {other[0]}" if other else ""


def _settings(config: RunConfig) -> Mapping[str, object]:
    return config.model_dump(mode="json", exclude=set(FREE))


def _targets(rows: Sequence[Row]) -> list[str]:
    """Domains that these rows adapt to; methods that name none are held to every domain but their source."""
    named = sorted({row.config.target for row in rows if row.config.target is not None})
    nameless = any(row.config.target is None and row.config.method.name != SOURCE_ONLY for row in rows)
    others = [d for d in rows[0].config.evaluate_on if d != rows[0].config.source] if nameless else []
    return wording.distinct([*named, *others])


def _rank(row: Row) -> int:
    name = row.config.method.name
    return CONTROLS.index(name) if name in CONTROLS else len(CONTROLS)


def _differing(theirs: RunConfig, ours: RunConfig, their_row: Row, our_row: Row) -> list[str]:
    fields = [f for f in RunConfig.model_fields if f not in FREE and getattr(theirs, f) != getattr(ours, f)]
    told = [f"{settings.words(f)} {settings.value(theirs, f)}, not {settings.value(ours, f)}" for f in fields]
    if their_row.origin != our_row.origin:
        told.append(f"figures of {wording.ORIGINS[their_row.origin]}, not {wording.ORIGINS[our_row.origin]}")
    return told or ["another target"]


def _fewest(told: Sequence[str]) -> tuple[int, Sequence[str]]:
    return len(told), told


def _parts(component: Component) -> list[Component]:
    """The components of a combination, or the one; what is no component is shown as what it is called."""
    parts = component.options.get(PARTS)
    if component.name != COMBINED or not isinstance(parts, (list, tuple)) or not parts:
        return [component]
    return [_component(part) for part in parts]


def _component(part: object) -> Component:
    if isinstance(part, Mapping) and isinstance(part.get("name"), str):
        return Component(name=part["name"], options={k: v for k, v in part.items() if k != "name"})
    return Component(name=str(part))


def _label(component: Component, shown: Mapping[str, Sequence[str]]) -> str:
    named = {name: METHOD_LABELS.get(name) or wording.method_label(name) for name in shown}
    parts = _parts(component)
    return " + ".join(
        wording.component(p.model_copy(update={"name": named.get(p.name, p.name)}), shown.get(p.name, ()))
        for p in parts
    )


def _seeds(row: Row) -> str:
    return ", ".join(map(str, row.seeds))


def _article(row: Row) -> str:
    return "a demonstration" if row.state == "demonstration" else row.state
