"""The rows of the leaderboards as plain values -> CSV for spreadsheets and notebooks, JSON for programs.

Scores are raw, in [0, 1], and a score that was not measured is empty (null).  One line per row of a leaderboard.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from bench.report import adapted, costs, plain, staleness, timings, wording
from bench.report.controls import key
from bench.report.gains import Gains, gains
from bench.report.places import ranked
from bench.report.results import Cell
from bench.report.rows import Board, Row, boards
from bench.report.settings import done, unusual
from bench.report.works import image
from bench.spec import SCHEMA
from bench.store import Contents

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "'")
"""What a formula may start with, the full-width signs included; and the quote itself, so that guarding is undone."""

READ_CSV: dict[str, Any] = {"keep_default_na": False, "dtype": str}
"""Arguments with which `pandas.read_csv` gives back what was written: without them a model called `NA` or `00123`
turns into nothing or 123.  Columns of numbers are then converted on purpose (`pandas.to_numeric`)."""

COLUMNS = frozenset(["model", "dataset", "source", "target", "evaluate_on", "method", "loss", "optimizer", "scheduler"])
COLUMNS |= {"augment", "batch_size", "crop_px", "resize_px", "precision", "seed"}
"""Fields of a configuration that have columns of their own; `settings` holds the others that are not at their defaults,
`steps` and `epochs` as they were asked for."""


def rows(found: Sequence[Board], gained: Sequence[Gains] = ()) -> list[dict[str, Any]]:
    """One flat dictionary per leaderboard row; the scores of domain d are under `miou d`, `miou d low` and so on, and
    what its method gains there under `gain d`, `gap recovered d`."""
    more = adapted.columns(gained)
    return [_flat(board, row, place) | more.get(key(row), {}) for board in found for row, place in ranked(board.rows)]


def _flat(board: Board, row: Row, place: str) -> dict[str, Any]:
    config, record = row.config, row.records[0] if row.results else None
    ranked_row = place if row.state == "finished" and place != "not ranked" else None
    flat: dict[str, Any] = {
        "sweep": board.sweep,
        "dataset": wording.component(board.dataset),
        "synthetic": board.synthetic,
        "state": row.state,
        "reason": row.reason,
        "place": ranked_row,
        "model": config.model.name,
        "model_options": wording.number(config.model.options),
        "source": config.source,
        "target": config.target,
        "method": wording.component(config.method),
        "loss": wording.component(config.loss),
        "optimizer": wording.component(config.optimizer),
        "scheduler": wording.component(config.scheduler),
        "augment": wording.components(config.augment),
        "crop_px": wording.pixels(config.crop_px) or None,
        "resize_px": wording.pixels(config.resize_px) or None,
        "batch_size": config.batch_size,
        "precision": done(row, "precision"),
        "settings": unusual(config, COLUMNS),
        "seeds": " ".join(map(str, row.seeds)),
        "steps": record.steps if record else None,
        "images_seen": record.images_seen if record else None,
        "source_images": record.source_images if record else None,
        "origin": wording.ORIGINS[row.origin],
        "device": ", ".join(wording.distinct(r.device for r in row.records)),
        "commit": wording.commits((r.commit, r.dirty) for r in row.records),
        "stale": staleness.words(row) or None,
        "runs": " ".join(row.ids),
    }
    for domain in board.domains:
        flat |= _scores(f"miou {domain}", row.cells[domain])
    return flat | _scores("miou mean", row.mean)


def _scores(name: str, cell: Cell | None) -> dict[str, float | int | None]:
    keys = ("value", "std", "low", "high")
    return {f"{name} {k}".removesuffix(" value"): None if cell is None else getattr(cell, k) for k in keys}


def cost_rows(contents: Contents) -> list[dict[str, Any]]:
    """One flat dictionary per line of the table of counts."""
    found = []
    for stored in costs.newest(contents.costs):
        r = stored.record
        found.append(
            {
                "model": wording.component(r.model),
                "classes": r.num_classes,
                "input": image(r.input_shape[2:]),
                "params_deployed": r.params_deployed,
                "params_training": r.params_training,
                "macs": r.macs,
                "flop": 2 * r.macs,
                "fvcore_total": r.fvcore_total,
                "origin": wording.ORIGINS[stored.origin],
                "commit": wording.commits([(r.commit, r.dirty)]),
                "remarks": costs.remarks(r),
            }
        )
    return found


def latency_rows(contents: Contents) -> list[dict[str, Any]]:
    """One flat dictionary per network, settings, device and software that was timed."""
    return [plain.row(row) for row in timings.rows(contents)[0]]


# ------------------------------------------------------------------ formats


def to_json(contents: Contents) -> str:
    """{"schema": n, "rows": [...], "costs": [...], "latency": [...]}, ASCII, keys sorted, ends with a newline.

    "adaptation" has a row per method and target, "classes" one for each of its classes, "choosing" one per rule.
    """
    found = boards(contents)
    gained = gains(contents, found)
    whole: dict[str, Any] = {"schema": SCHEMA, "rows": rows(found), "costs": cost_rows(contents)}
    whole |= {"adaptation": adapted.rows(gained), "classes": adapted.classes(gained)}
    whole["choosing"] = adapted.choices(gained)
    whole["latency"] = latency_rows(contents)
    return json.dumps(whole, indent=1, sort_keys=True, allow_nan=False) + "\n"


def to_csv(contents: Contents) -> str:
    """The leaderboard rows, one header line, lines ended by CR LF; see READ_CSV for how to read it back.

    A text cell that a spreadsheet would run as a formula begins with a quote (OWASP ASVS 1.2.10); numbers do not.
    """
    every = boards(contents)
    found = rows(every, gains(contents, every))
    header = wording.distinct(key for row in found for key in row)
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n")
    writer.writerow([spreadsheet_safe(key) for key in header])
    for row in found:
        writer.writerow([spreadsheet_safe(row.get(key)) for key in header])
    return out.getvalue()


def spreadsheet_safe(value: Any) -> Any:
    """Text that starts like a formula, or like text so guarded, gets a leading quote; numbers and None stay.

    Taking one leading quote away gives the text back, but NUL, which no spreadsheet takes, is spelled out.
    """
    if not isinstance(value, str):
        return value
    value = value.replace("\0", "\\x00")
    return f"'{value}" if value.startswith(FORMULA) else value
