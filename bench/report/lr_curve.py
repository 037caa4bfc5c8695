"""Losses over learning rates -> a picture of a range test: readings, the smooth curve, what is suggested; offline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.spec import printable
from bench.store import replace

WIDTH, HEIGHT, SCALE = 620, 300, 2
INK, FAINT, NOW = "#1f4e79", "#9db4c8", "#555555"
COLOURS = ("#b5402a", "#d99a2b", "#4f9d69")
ROOM = 0.06
"""Share of the curve's height that stays free above and below it."""


def lr_curve(
    path: Path,
    rates: Sequence[float],
    losses: Sequence[float],
    smooth: Sequence[float],
    *,
    title: str,
    suggestions: Mapping[str, float],
    now: float,
) -> None:
    """Write the curve as a PNG with a line at each of `suggestions`, COLOURS at most, and at the rate `now`.

    The loss axis ends where the smooth curve does, so readings that broke away leave the picture.
    """
    import altair as alt
    import vl_convert

    low, high = min(smooth), max(smooth)
    room = ROOM * (high - low) or 0.1
    points = [
        {"rate": rate, "loss": loss, "smooth": level, "seen": low - room <= loss <= high + room}
        for rate, loss, level in zip(rates, losses, smooth, strict=True)
    ]
    x = alt.X(
        "rate:Q",
        title="learning rate",
        scale=alt.Scale(type="log", domain=[rates[0], rates[-1]], nice=False),
        axis=alt.Axis(values=_powers(rates[0], rates[-1]), format=".2~e", gridColor="#e6e6e6"),
    )
    span = alt.Scale(domain=[low - room, high + room], nice=False, zero=False)
    axis = alt.Axis(gridColor="#e6e6e6", tickCount=6)
    base = alt.Chart(alt.InlineData(values=points)).encode(x=x)
    seen = alt.Chart(alt.InlineData(values=[p for p in points if p["seen"]])).encode(x=x)
    dots = seen.mark_circle(size=18, color=FAINT, opacity=0.9).encode(y=alt.Y("loss:Q", scale=span, axis=axis))
    line = base.mark_line(color=INK, strokeWidth=2).encode(y=alt.Y("smooth:Q", title="loss", scale=span, axis=axis))
    picture = alt.layer(dots, line, _marks(rates, suggestions, now, x)).properties(
        width=WIDTH, height=HEIGHT, title=alt.TitleParams(printable(title, 90), fontSize=12, anchor="start")
    )
    whole = picture.configure_view(strokeWidth=0).to_dict()
    replace(path, vl_convert.vegalite_to_png(whole, scale=SCALE))


def _powers(low: float, high: float) -> list[float]:
    """The powers of ten from `low` to `high`, and these two where there are fewer than two powers."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    powers = [10.0**power for power in range(first, last + 1)]
    return powers if len(powers) > 1 else [low, *powers, high]


def _marks(rates: Sequence[float], suggestions: Mapping[str, float], now: float, x: Any) -> Any:
    """A line for each rate worth one that lies within the curve, named in a legend above the picture."""
    import altair as alt

    said = [(rate, f"{rule}: {rate:.2g}") for rule, rate in suggestions.items()] + [(now, f"configured: {now:.2g}")]
    colours = [*COLOURS[: len(suggestions)], NOW]
    dashes = [*([1, 0] for _ in suggestions), [5, 4]]
    texts = [text for _, text in said]
    legend = alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=2.5, labelFontSize=12)
    shown = [{"rate": rate, "text": text} for rate, text in said if rates[0] <= rate <= rates[-1]]
    return (
        alt.Chart(alt.InlineData(values=shown))
        .mark_rule(strokeWidth=2)
        .encode(
            x=x,
            color=alt.Color("text:N", scale=alt.Scale(domain=texts, range=colours), legend=legend),
            strokeDash=alt.StrokeDash("text:N", scale=alt.Scale(domain=texts, range=dashes), legend=legend),
        )
    )
