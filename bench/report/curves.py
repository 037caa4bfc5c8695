"""A run's history and the scores along the way -> curves.png: loss, learning rate and mIoU over the steps; offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.scores import miou
from bench.spec import Evaluation, History, printable
from bench.store import replace

WIDTH, HEIGHT, SCALE = 620, 170, 2
LOG_FROM = 10
"""Losses that span more than this factor get a logarithmic axis."""


def curves(path: Path, history: History, evaluations: Sequence[Evaluation] = (), *, title: str) -> bool:
    """Write the curves that there are points for, one below the other; returns False, writing nothing, without any."""
    loss = _points((name, zip(history.steps, values, strict=False)) for name, values in history.losses.items())
    lr = _points([("lr", zip(history.steps, history.lr, strict=False))])
    scores = _points((f"{d} ({split})", line) for (d, split), line in _scores(evaluations).items())
    charts = [
        *([_chart(loss, "loss", log=_spans(loss))] if loss else []),
        *([_chart(lr, "learning rate", legend=False)] if lr else []),
        *([_chart(scores, "mIoU (%)", marked=True)] if scores else []),
    ]
    if not charts:
        return False
    replace(path, _png(charts, printable(title, 100)))
    return True


def _points(lines: Any) -> list[dict[str, Any]]:
    """Long form: one {step, value, line} per value that exists."""
    return [
        {"step": step, "value": value, "line": printable(name, limit=60)}
        for name, line in lines
        for step, value in line
        if value is not None
    ]


def _scores(evaluations: Sequence[Evaluation]) -> dict[tuple[str, str], list[tuple[int, float | None]]]:
    lines: dict[tuple[str, str], list[tuple[int, float | None]]] = {}
    for evaluation in evaluations:
        for domain, counts in evaluation.confusion.items():
            value = miou(counts)
            percent = None if value is None else 100 * value
            lines.setdefault((domain, evaluation.split), []).append((evaluation.step, percent))
    return lines


def _spans(points: Sequence[dict[str, Any]]) -> bool:
    low, high = min(p["value"] for p in points), max(p["value"] for p in points)
    return bool(low > 0 and high / low > LOG_FROM)


def _chart(
    points: list[dict[str, Any]], title: str, *, log: bool = False, marked: bool = False, legend: bool = True
) -> Any:
    import altair as alt

    last = max(p["step"] for p in points)
    # Without a count a logarithmic axis draws a line for every digit.
    axis = alt.Axis(tickCount=6, gridColor="#e6e6e6")
    steps = alt.Axis(tickCount=6, tickMinStep=1, format=",d", gridColor="#e6e6e6")
    colour = alt.Color("line:N", title=None, sort=None, legend=alt.Legend(orient="right") if legend else None)
    return (
        alt.Chart(alt.InlineData(values=points), width=WIDTH, height=HEIGHT)
        .mark_line(point=marked or len(points) == 1, strokeWidth=1.5)
        .encode(
            x=alt.X("step:Q", title="step", axis=steps, scale=alt.Scale(domain=[0, last], nice=False)),
            y=alt.Y("value:Q", title=title, axis=axis, scale=alt.Scale(type="log" if log else "linear", zero=not log)),
            color=colour,
        )
    )


def _png(charts: Sequence[Any], title: str) -> bytes:
    import altair as alt
    import vl_convert

    whole = alt.vconcat(*charts, title=title).resolve_scale(color="independent", x="shared")
    whole = whole.configure_view(strokeWidth=0)
    content: bytes = vl_convert.vegalite_to_png(whole.to_dict(), scale=SCALE)
    return content
