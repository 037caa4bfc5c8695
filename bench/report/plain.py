"""Rows of timings and comparisons -> plain values for programs: times in ms, ratios as they are, null where unknown."""

from __future__ import annotations

from typing import Any

from bench.report import wording
from bench.report.comparison import Comparison
from bench.report.devices import Device
from bench.report.figures import joules, peak_share
from bench.report.repeats import Ratio
from bench.report.timings import Row

TIMES = ("e2e", "device", "enqueue", "cpu")


def row(found: Row) -> dict[str, Any]:
    """One flat dictionary; the statistics of time t are under `t_median_ms`, `t_mean_ms` and so on."""
    setting = found.work.setting
    plain: dict[str, Any] = {
        "model": wording.component(found.work.component),
        "classes": setting.classes,
        "input": wording.pixels(setting.size),
        "batch": setting.batch,
        "precision": setting.precision,
        "layout": setting.layout,
        "mode": setting.mode,
        **device(found.device),
        "processes": len(found.shown),
        "verdict": found.verdict,
        "shaky": found.shaky,
        "remarks": "; ".join(found.remarks),
        "no_figures": found.words or None,
        "peak_share": peak_share(found),
        "gross_j": joules(found, "gross_j"),
        "net_j": joules(found, "net_j"),
        "commit": wording.commits(sorted({(p.commit, p.dirty) for p in found.shown}, key=str)),
    }
    for time in TIMES:
        pooled = found.pooled.get(time)
        for name in ("median", "low", "high", "mean", "std"):
            plain[f"{time}_{name}_ms"] = getattr(pooled, name) if pooled else None
        plain[f"{time}_n"] = pooled.n if pooled else 0
        plain[f"{time}_between"] = pooled.between if pooled else None
    return plain


def device(found: Device) -> dict[str, Any]:
    """Folder, label and software of a device."""
    return {
        "device": found.slug,
        "label": found.label,
        "origin": wording.ORIGINS[found.origin],
        "protocol": found.protocol,
        "threads": found.threads or None,
        "torch": found.torch or None,
        "cudnn": found.cudnn or None,
        "cuda": found.cuda or None,
        "driver": found.driver or None,
    }


def comparison(found: Comparison) -> dict[str, Any]:
    """The whole of it: `rows` in the order of the table, each with its ratio to `against` where there is one."""
    rows = []
    for work in found.works:
        for on in found.devices:
            if cell := found.cells.get((work, on)):
                against = found.names[found.bases[on]]
                rows.append(
                    {**row(cell), "name": found.names[on], "against": against} | ratio(found.ratios.get((work, on)))
                )
    summaries = [
        {
            "name": found.names[s.device],
            "against": found.names[found.bases[s.device]],
            "setting": {"classes": s.setting.classes, "input": wording.pixels(s.setting.size), "batch": s.setting.batch}
            | {"precision": s.setting.precision, "layout": s.setting.layout, "mode": s.setting.mode},
            "models": s.models,
            "geometric_mean": s.mean.value,
            "low": s.mean.low,
            "high": s.mean.high,
            "smallest": s.smallest,
            "largest": s.largest,
            "kendall_tau": s.tau,
            "swaps": list(s.swaps),
        }
        for s in found.summaries
    ]
    return {
        "time": found.time,
        "reference": found.names[found.reference],
        "devices": [{"name": found.names[d], **device(d)} for d in found.devices],
        "rows": rows,
        "summaries": summaries,
        "not_comparable": list(found.reasons),
    }


def ratio(found: Ratio | None) -> dict[str, Any]:
    """Value, interval and verdict, null where there is no ratio."""
    return {
        "ratio": found.value if found else None,
        "ratio_low": found.low if found else None,
        "ratio_high": found.high if found else None,
        "compared": found.verdict if found else None,
    }
