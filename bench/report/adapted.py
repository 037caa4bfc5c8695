"""Gains and choices -> plain values for CSV, JSON and the page: scores and gains raw in [-1, 1], None where refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bench.report import adaptation, choosing, wording
from bench.report.controls import ORACLE, SOURCE_ONLY, key, method_name
from bench.report.effort import effort, per_hour
from bench.report.gains import Figure, Gains
from bench.report.rows import Row


def rows(found: Iterable[Gains]) -> list[dict[str, Any]]:
    """One flat dictionary per row of the tables of adaptation."""
    return [_flat(one, row) for one in found for row, _ in one.rows]


def columns(found: Iterable[Gains]) -> dict[str, dict[str, Any]]:
    """Row's key -> what a leaderboard's row has to say of adaptation, under the names of its targets."""
    told: dict[str, dict[str, Any]] = {}
    for one in found:
        for row, figures in one.rows:
            target = one.group.target
            cells = {
                **_bounds(f"gain {target}", _first(figures.gain)),
                **_bounds(f"gap recovered {target}", _first(figures.share)),
                f"against source-only {target}": one.verdict(row, figures) or None,
            }
            told.setdefault(key(row), {}).update(cells)
    return told


def classes(found: Iterable[Gains]) -> list[dict[str, Any]]:
    """One dictionary per row and class: IoU, gain and gap recovered on the target."""
    lines = []
    for one in found:
        for row, figures in one.rows:
            for k, name in enumerate(row.records[0].classes):
                line = {**_names(one, row), "class": name, **_bounds("iou", figures.score[k + 1])}
                line |= _bounds("gain", figures.gain[k + 1] if figures.gain else None)
                line |= _bounds("gap recovered", figures.share[k + 1] if figures.share else None)
                lines.append(line)
    return lines


def choices(found: Iterable[Gains]) -> list[dict[str, Any]]:
    """One dictionary per rule by which a checkpoint could have been chosen."""
    return [_choice(one, rule) for one in found for rule in choosing.rules(one.group)]


def _names(found: Gains, row: Row) -> dict[str, Any]:
    return {
        "sweep": found.group.board.sweep,
        "dataset": wording.component(found.group.board.dataset),
        "source": row.config.source,
        "target": found.group.target,
        "model": wording.component(row.config.model),
        "method": method_name(row.config.method),
        "label": found.group.label(row),
        "runs": " ".join(row.ids),
    }


def _flat(found: Gains, row: Row) -> dict[str, Any]:
    figures = found.figures.rows[found.group.rows.index(row)]
    cost, (gain_per_hour, share_per_hour) = effort(found, row), per_hour(found, row)
    home = row.cells.get(row.config.source)
    lost = adaptation.collapses(found, row)
    names = row.records[0].classes
    return {
        **_names(found, row),
        "synthetic": found.group.board.synthetic,
        "state": row.state,
        "origin": wording.ORIGINS[row.origin],
        "place": found.place(row),
        "seeds": " ".join(map(str, row.seeds)),
        **_bounds("miou target", figures.score[0]),
        "miou source": home.value if home else None,
        **_bounds("gain", _first(figures.gain)),
        "against source-only": found.verdict(row, figures) or None,
        **_bounds("gap recovered", _first(figures.share)),
        "refused": _refused(found, row) or None,
        "train_s": cost.train_s,
        "train_s times": cost.times.get("train_s"),
        "memory_bytes": cost.memory_bytes,
        "memory_bytes times": cost.times.get("memory_bytes"),
        "memory of": cost.memory_of if cost.memory_bytes is not None else None,
        "training_macs": cost.macs,
        "training_macs times": cost.times.get("macs"),
        "images_seen": row.records[0].images_seen,
        "target_images": row.records[0].target_images,
        "gain per hour": gain_per_hour,
        "gap recovered per hour": share_per_hour,
        "lost classes": ", ".join(f"{names[c.index]} ({c.seeds} of {c.of})" for c in lost) or None,
        "device": ", ".join(wording.distinct(r.device for r in row.records)),
    }


def _refused(found: Gains, row: Row) -> str:
    """Why there is no gain, or no share of the gap."""
    if row.config.method.name == SOURCE_ONLY:
        return ""
    figures = found.figures.rows[found.group.rows.index(row)]
    if reason := found.refused(row):
        return reason
    if row.config.method.name == ORACLE:
        return ""
    return found.refused(row, ORACLE) or (figures.share[0].refused if figures.share else "")


def _choice(found: Gains, rule: choosing.Rule) -> dict[str, Any]:
    return {
        "sweep": found.group.board.sweep,
        "dataset": wording.component(found.group.board.dataset),
        "source": found.group.config.source,
        "target": found.group.target,
        "model": wording.component(found.group.config.model),
        "chosen by": rule.name,
        "runs": len(rule.picks),
        "picked miou": rule.miou,
        "regret": rule.regret,
        "worst regret": rule.worst.regret,
        "kendall": rule.correlation("kendall"),
        "spearman": rule.correlation("spearman"),
        "lost classes": rule.lost,
    }


def _first(figures: Sequence[Figure]) -> Figure | None:
    return figures[0] if figures else None


def _bounds(name: str, figure: Figure | None) -> dict[str, float | None]:
    keys = ("value", "low", "high")
    return {f"{name} {k}".removesuffix(" value"): getattr(figure, k) if figure else None for k in keys}
