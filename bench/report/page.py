"""A results folder's contents -> one HTML page that stands alone: no script, no picture, nothing loaded from elsewhere.

The template escapes every value; the policy in its head forbids what an escape could have missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.report import adaptation, adapted, export
from bench.report.gains import gains
from bench.report.rows import boards
from bench.spec import printable
from bench.store import Contents

TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>bench report</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #ccc; padding: .25em .6em; text-align: left; white-space: nowrap; }
tr.stale td { color: #767676; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
</style>
</head>
<body>
<h1>bench report</h1>
<p>mIoU in [0, 1]; an empty cell was not measured; a grey row was made by code that has changed since.</p>
{% for table in tables %}
<h2>{{ table.title }}</h2>
<table>
<thead><tr>{% for name in table.header %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}
<tr{% if row.stale %} class="stale"{% endif %}>
{%- for cell in row.cells %}<td{% if cell.number %} class="number"{% endif %}>{{ cell.text }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
{% endfor %}
</body>
</html>
"""


def to_html(contents: Contents) -> str:
    """The whole page: one table per leaderboard, then counts and times."""
    import jinja2

    tables = []
    found = boards(contents)
    for board in found:
        synthetic = " (synthetic data)" if board.synthetic else ""
        domains = " and ".join(board.domains)
        tables.append(_table(f"{board.sweep}: {board.dataset.name}{synthetic}, {domains}", export.rows([board])))
    for one in gains(contents, found):
        name = adaptation.plain_title(one)
        tables.append(_table(f"Adaptation: {name}", adapted.rows([one])))
        tables.append(_table(f"Adaptation, per class: {name}", adapted.classes([one])))
        if chosen := adapted.choices([one]):
            tables.append(_table(f"Choosing a checkpoint without target labels: {name}", chosen))
    if contents.costs:
        tables.append(_table("Costs", export.cost_rows(contents)))
    if timed := export.latency_rows(contents):
        tables.append(_table("Latency (ms)", timed))
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE).render(tables=tables)


def _table(title: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    header = list(rows[0]) if rows else []
    cells = [{"cells": [_cell(row[key]) for key in header], "stale": bool(row.get("stale"))} for row in rows]
    return {"title": printable(title), "header": [printable(key) for key in header], "rows": cells}


def _cell(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"text": "yes" if value else "no", "number": False}
    if isinstance(value, float):
        return {"text": f"{value:.6g}", "number": True}
    return {"text": "" if value is None else printable(str(value)), "number": isinstance(value, int)}
