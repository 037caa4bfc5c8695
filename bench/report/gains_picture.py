"""Gains of adaptation methods -> a picture: mIoU on the target per method, source-only and oracle as rules; offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.report import adaptation, wording
from bench.report.controls import ORACLE, SOURCE_ONLY
from bench.report.gains import Gains, is_control
from bench.spec import BenchError, printable
from bench.store import replace

WIDTH, BAR, SCALE = 460, 24, 2
COLOURS = {"above": "#1b7837", "not told apart": "#7f7f7f", "below": "#b2182b", "no claim": "#bdbdbd"}
"""What may be said of a method's gain; `no claim` for a single seed, a demonstration or an unmatched control."""
RULES = {SOURCE_ONLY: "#444444", ORACLE: "#2166ac"}


def picture(path: Path, found: Sequence[Gains]) -> None:
    """Write a panel per group, as PNG or SVG by the path's ending.

    Raises BenchError for another ending, or where no sweep compares a method with anything.
    """
    kinds = {".png": _png, ".svg": _svg}
    if path.suffix.lower() not in kinds:
        raise BenchError("pictures are .png or .svg", remedy="name the file so", file=path, key="--picture")
    shown = [one for one in found if any(not is_control(row) for row, _ in one.rows)]
    if not shown:
        what = "no sweep has a finished adaptation method"
        raise BenchError(what, remedy="run a sweep with `method: [source_only, oracle, ...]`", key="--picture")
    replace(path, kinds[path.suffix.lower()](_whole(shown)))


def points(found: Gains) -> list[dict[str, Any]]:
    """One {method, miou, low, high, told} per row that is no rule, in the order of the table; figures in %."""
    rows = []
    for row, figures in found.rows:
        score, verdict = figures.score[0], found.verdict(row, figures)
        if row.config.method.name in RULES or score.value is None:
            continue
        ends = {"low": score.low, "high": score.high}
        figures_in_percent = {k: None if v is None else 100 * v for k, v in {"miou": score.value, **ends}.items()}
        told = verdict if verdict in COLOURS else "no claim"
        rows.append({"method": printable(found.group.label(row), 40), **figures_in_percent, "told": told})
    return rows


def _panel(found: Gains) -> Any:
    import altair as alt

    rows = points(found)
    order = [row["method"] for row in rows]
    base = alt.Chart(alt.InlineData(values=rows))
    grid = alt.Axis(gridColor="#e6e6e6", tickCount=8)
    y = alt.Y("method:N", sort=order, title=None, axis=alt.Axis(labelLimit=260))
    x = alt.X("miou:Q", title="mIoU on the target (%)", axis=grid, scale=alt.Scale(zero=False, padding=24))
    legend = alt.Legend(orient="bottom", title="gain over source-only")
    colour = alt.Color("told:N", scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())), legend=legend)
    spans = alt.Chart(alt.InlineData(values=[r for r in rows if r["low"] is not None])).mark_rule(strokeWidth=2.5)
    layers = [*_rules(found), spans.encode(x=alt.X("low:Q"), x2="high:Q", y=y, color=colour)]
    layers.append(base.mark_point(size=90, filled=True, opacity=1).encode(x=x, y=y, color=colour))
    data = "synthetic data; " if found.group.board.synthetic else ""  # here, because a long title is cut
    title = alt.TitleParams(
        printable(adaptation.plain_title(found), 70),
        subtitle=printable(f"{data}95 % intervals over images and seeds; {_seeds(found)}", 80),
        fontSize=13,
        subtitleFontSize=11,
        subtitleColor="#666666",
    )
    return alt.layer(*layers).properties(width=WIDTH, height=alt.Step(BAR), title=title)


def _rules(found: Gains) -> list[Any]:
    """The two controls: a line with its name, its interval as a band."""
    import altair as alt

    layers = []
    for name, colour in RULES.items():
        row = found.group.control(name)
        if row is None:
            continue
        score = found.figures.rows[found.group.rows.index(row)].score[0]
        if score.value is None:
            continue
        values = [{"miou": 100 * score.value, "name": "source-only" if name == SOURCE_ONLY else name}]
        line = alt.Chart(alt.InlineData(values=values))
        if score.low is not None and score.high is not None:
            band = alt.Chart(alt.InlineData(values=[{"low": 100 * score.low, "high": 100 * score.high}]))
            layers.append(band.mark_rect(color=colour, opacity=0.08).encode(x=alt.X("low:Q"), x2="high:Q"))
        layers.append(line.mark_rule(color=colour, strokeDash=[5, 3], strokeWidth=1.5).encode(x=alt.X("miou:Q")))
        words = line.mark_text(color=colour, baseline="bottom", dy=-3, fontSize=11)
        layers.append(words.encode(x=alt.X("miou:Q"), y=alt.value(0), text="name:N"))
    return layers


def _seeds(found: Gains) -> str:
    counts = sorted({len(row.seeds) for row, _ in found.rows})
    return f"{wording.spread(counts)} seed{'s' if counts[-1] > 1 else ''} a method"


def _whole(shown: Sequence[Gains]) -> dict[str, Any]:
    import altair as alt

    whole: dict[str, Any] = alt.vconcat(*map(_panel, shown)).configure_view(strokeWidth=0).to_dict()
    return whole


def _png(chart: dict[str, Any]) -> bytes:
    import vl_convert

    content: bytes = vl_convert.vegalite_to_png(chart, scale=SCALE)
    return content


def _svg(chart: dict[str, Any]) -> bytes:
    import vl_convert

    text: str = vl_convert.vegalite_to_svg(chart)
    return text.encode()
