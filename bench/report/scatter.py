"""Scores and times of models per device -> a picture: score over time, the front drawn through; offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.report import wording
from bench.report.devices import Device, named
from bench.report.pareto import Point, Trade
from bench.report.works import Labels
from bench.spec import BenchError, printable
from bench.store import replace

WIDTH, HEIGHT, SCALE, IN_A_ROW = 300, 260, 2, 3
ROOM = 2
"""Factor left of the fastest and right of the slowest model, so that names beside points have room."""


def scatter(path: Path, trades: Sequence[Trade]) -> None:
    """Write a panel per board and device, as PNG or SVG by the path's ending.

    Raises BenchError for another ending, or where no board has two models with a score and a time.
    """
    kinds = {".png": _png, ".svg": _svg}
    if path.suffix.lower() not in kinds:
        raise BenchError("pictures are .png or .svg", remedy="name the file so", file=path, key="--picture")
    panels = [panel for trade in trades for panel in _panels(trade)]
    if not panels:
        what = "no table has two models with both a finished run and a time"
        raise BenchError(what, remedy="run a sweep, and time its models at its number of classes", key="--picture")
    replace(path, kinds[path.suffix.lower()](panels))


def _panels(trade: Trade) -> list[Any]:
    """One chart per device and setting."""
    names, labels = named(p.device for p in trade.points), Labels(p.work for p in trade.points)
    groups = wording.grouped(trade.points, lambda p: (p.device, p.work.setting))
    colours = sorted({labels.model(p.work) for p in trade.points})
    return [_panel(trade, group, names, labels, colours) for group in groups]


def _panel(
    trade: Trade, points: Sequence[Point], names: dict[Device, str], labels: Labels, colours: Sequence[str]
) -> Any:
    import altair as alt

    rows = [
        {"ms": p.ms, "miou": 100 * p.miou, "model": printable(labels.model(p.work), 40), "best": p.best}
        for p in sorted(points, key=lambda p: p.ms)
    ]
    shades = [printable(colour, 40) for colour in colours]
    grid = alt.Axis(gridColor="#e6e6e6", tickCount=5)
    low, high = min(p.ms for p in points) / ROOM, max(p.ms for p in points) * ROOM
    x = alt.X("ms:Q", title="end to end, median (ms)", axis=grid, scale=alt.Scale(type="log", domain=[low, high]))
    y = alt.Y("miou:Q", title="mean mIoU (%)", axis=grid, scale=alt.Scale(zero=False, padding=18))
    base = alt.Chart(alt.InlineData(values=rows))
    front = alt.Chart(alt.InlineData(values=[row for row in rows if row["best"]]))
    title = printable(f"{names[points[0].device]} ({labels.setting(points[0].work.setting)})", 48)
    about = printable(f"{trade.board.sweep}: {trade.board.dataset.name}", 48)
    line = front.mark_line(interpolate="step-after", color="#999999", strokeDash=[4, 3]).encode(x=x, y=y)
    colour = alt.Color("model:N", scale=alt.Scale(domain=shades), legend=None)
    filled = alt.condition("datum.best", alt.value(1.0), alt.value(0.0))
    dots = base.mark_point(size=90, filled=True, strokeWidth=2).encode(
        x=x, y=y, stroke=colour, color=colour, fillOpacity=filled
    )
    words = base.mark_text(dy=-12, fontSize=11).encode(x=x, y=y, text="model:N", color=colour)
    shown = alt.TitleParams(title, subtitle=about, fontSize=12, subtitleFontSize=11, subtitleColor="#666666")
    return alt.layer(line, dots, words).properties(width=WIDTH, height=HEIGHT, title=shown)


def _whole(panels: Sequence[Any]) -> dict[str, Any]:
    import altair as alt

    rows = [alt.hconcat(*panels[first : first + IN_A_ROW]) for first in range(0, len(panels), IN_A_ROW)]
    whole: dict[str, Any] = alt.vconcat(*rows).configure_view(strokeWidth=0).to_dict()
    return whole


def _png(panels: Sequence[Any]) -> bytes:
    import vl_convert

    content: bytes = vl_convert.vegalite_to_png(_whole(panels), scale=SCALE)
    return content


def _svg(panels: Sequence[Any]) -> bytes:
    import vl_convert

    text: str = vl_convert.vegalite_to_svg(_whole(panels))
    return text.encode()
