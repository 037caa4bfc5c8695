"""Class shares by group -> a picture of bars side by side; offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.spec import DatasetInfo, printable
from bench.store import replace

WIDTH, BAR, SCALE = 520, 14, 2


def shares(path: Path, groups: Mapping[str, Sequence[float]], info: DatasetInfo) -> None:
    """Write bars of each class's share of the labelled pixels (in %), one colour for each group.

    The title names the dataset, and says so where it is synthetic.
    """
    import altair as alt
    import vl_convert

    points = [
        {"class": printable(name, 40), "share": 100 * share, "group": printable(group, 40)}
        for group, values in groups.items()
        for name, share in zip(info.class_names, values, strict=True)
    ]
    title = printable(info.label, 60) + (" (synthetic data)" if info.synthetic else "")
    chart = (
        alt.Chart(alt.InlineData(values=points), width=WIDTH, height=alt.Step(BAR), title=title)
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="share of labelled pixels (%)", axis=alt.Axis(gridColor="#e6e6e6", tickCount=8)),
            y=alt.Y("class:N", sort=None, title=None),
            yOffset=alt.YOffset("group:N", sort=None),
            color=alt.Color("group:N", sort=None, title=None, legend=alt.Legend(orient="top")),
        )
        .configure_view(strokeWidth=0)
    )
    replace(path, vl_convert.vegalite_to_png(chart.to_dict(), scale=SCALE))
