"""A row of timings -> the words and figures of its cells; a figure that is not there is a word or nothing."""

from __future__ import annotations

import re
import statistics

from bench.cost.peaks import peak
from bench.report import wording
from bench.report.markdown import Markup
from bench.report.timings import Row

DAGGER = "†"
FAR_APART = 3
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")


def median(row: Row, time: str = "e2e") -> Markup:
    """`61.73 [61.50, 61.97] †`; `refused` or `failed` where there are no figures."""
    found = row.pooled.get(time)
    if found is None:
        return Markup("" if row.shown else "refused" if any(p.refused for p in row.others) else "failed")
    text = interval(found.median, found.low, found.high)
    return Markup(f"{text} {DAGGER}" if row.shaky else text)


def interval(value: float, low: float | None, high: float | None) -> Markup:
    """`61.73 [61.50, 61.97]`, without the interval where there is none; bounds far apart have digits of their own."""
    text = wording.milliseconds(value)
    if low is None or high is None:
        return Markup(text)
    like = value if high < FAR_APART * low else None
    return Markup(f"{text} [{wording.milliseconds(low, like)}, {wording.milliseconds(high, like)}]")


def mean_and_std(row: Row, time: str = "e2e") -> str:
    """`61.80 ± 0.93 (n = 600)`."""
    found = row.pooled.get(time)
    if found is None:
        return ""
    spread = "" if found.std is None else f" ± {wording.milliseconds(found.std, found.mean)}"
    return f"{wording.milliseconds(found.mean)}{spread} (n = {found.n:,})"


def peak_share(row: Row, time: str = "e2e") -> float | None:
    """The share of the card's published peak in this precision that the median implies; None where one is unknown."""
    found, macs = row.pooled.get(time), row.macs
    setting, card = row.work.setting, row.shown[0].card if row.shown else {}
    top = peak(str(card.get("name") or ""), card) if card and setting.precision in PRECISIONS else None
    best = getattr(top, setting.precision) if top else None
    if found is None or macs is None or not best:
        return None
    return float(2 * macs * setting.batch / (found.median / 1e3) / best)


def percent(share: float | None) -> str:
    """`12 %`, two digits."""
    return "" if share is None else f"{100 * share:.2g} %"


def joules(row: Row, name: str) -> float | None:
    """Median over processes of `gross_j` or `net_j`, J per image; None where the device did not tell."""
    found = [p.timing.energy.get(name) for p in row.shown if p.timing and p.timing.energy]
    known = [v for v in found if isinstance(v, (int, float)) and 0 < v < 1e12]
    return statistics.median(known) if known else None


def remarks(row: Row) -> str:
    """Why there is no figure, or what to know of it beside the verdict."""
    energies = [p.timing.energy for p in row.shown if p.timing and p.timing.energy]
    doubts = sorted({f"energy doubtful ({e['flag']})" for e in energies if isinstance(e.get("flag"), str)})
    return row.words or "; ".join([*(told for told in row.remarks if told != row.verdict), *doubts])


def flags(row: Row) -> str:
    """The verdict where it is not ok, and what else is to be known, each in a few words."""
    said = [row.words] if row.words else [row.verdict, *row.remarks]
    short = (re.split(r" \(|(?<!refused)(?<!failed): ", text)[0] for text in said)
    return "; ".join(wording.distinct(text for text in short if text not in ("ok", "not checked")))
