"""A results folder's contents -> the whole text between README's markers.

A pure function of the contents: the same bytes for any order, locale, time zone or hash seed; no clock is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from bench.report import (
    adaptation,
    choosing,
    classes,
    compared,
    costs,
    latency,
    leaderboard,
    models,
    pareto,
    timings,
    wording,
)
from bench.report.comparison import compare
from bench.report.gains import Gains, gains
from bench.report.markdown import code, escape
from bench.report.rows import ENOUGH_STEPS, Board, boards
from bench.spec import counted
from bench.store import Contents

STATES = ("finished", "demonstration", "planned", "interrupted", "data", "failed", "diverged", "oom", "died", "hung")
"""The order in which the first line counts them."""

LEGEND = (
    "mIoU is from one confusion matrix over the whole split, void pixels left out; `(6 of 7 classes)`: the others "
    "occur neither as label nor as prediction.",
    "[low, high] is the 95 % bootstrap interval over images, each counted as independent of the others: for frames of "
    "one drive it is too narrow. ± is the standard deviation (n-1) over the row's seeds.",
    "`place` gives the range that a row's interval leaves open: rows whose ranges meet cannot be told apart. A row of "
    "several seeds has the interval that encloses those of its seeds. A row without an interval for every domain is "
    "`not ranked`.",
    "`images seen` is updates x batch size, and how many times the source split's number of images that is. An image "
    "that is drawn again counts again: only the sampler `uniform` draws each once a pass.",
    f"`demonstration`: the run made fewer than {ENOUGH_STEPS} updates, or saw fewer images, so counted, than its "
    "source split holds; it shows that the run works and is never ranked.",
    "`settings`, where the column is there, holds what tells rows apart and has no column; what all rows share stands "
    "below their table.",
    "`gap` is the mIoU (%) on the source domain minus the mean over the other domains.",
    "`measured` says whether the project ships the figure (reference) or this machine made it, on which device, at "
    "which commit; + marks uncommitted changes. `runs` names the records.",
)


def render(contents: Contents) -> str:
    """Markdown of all leaderboards, costs, times, devices and models' tables; ends with a newline."""
    found = boards(contents)
    parts = ["<!-- written by `bench report`; edits between the markers are lost -->\n", _overview(found)]
    parts += [_problems(contents)] if contents.problems else []
    if found:
        parts += ["### Leaderboards\n", "\n".join(f"- {line}" for line in LEGEND) + "\n"]
        parts += [part for b in found for part in (leaderboard.markdown(b), classes.markdown(b)) if part]
    if adapted := gains(contents, found):
        parts += _adaptation(adapted)
    timed, left_out = timings.rows(contents)
    if contents.costs:
        parts += ["### Costs\n", costs.markdown(contents.costs)]
    if timed:
        parts += ["### Latency\n", latency.markdown(timed, left_out)]
    comparison = compare(timed)
    if comparison and len(comparison.devices) > 1:
        parts += ["### Devices compared\n", compared.markdown(comparison)]
    if trades := pareto.trades(found, timed):
        parts += ["### Score against time\n", pareto.markdown(trades)]
    if found:
        parts += ["### Models\n", models.markdown(found, contents.costs, timed)]
    return "\n".join(parts).rstrip() + "\n"


def _adaptation(found: Sequence[Gains]) -> list[str]:
    """Methods against their controls, then rules that choose a checkpoint."""
    parts = ["### Domain adaptation\n", "\n".join(f"- {line}" for line in adaptation.LEGEND) + "\n"]
    parts += [adaptation.markdown(one) for one in found]
    if chosen := [text for one in found if (text := choosing.markdown(one))]:
        parts += ["### Choosing a checkpoint without target labels\n"]
        parts += ["\n".join(f"- {line}" for line in choosing.LEGEND) + "\n", *chosen]
    return parts


def _overview(found: Sequence[Board]) -> str:
    """How many runs there are in which state; each run counted once, in however many sweeps it stands."""
    states = {(row.origin, name): row.state for board in found for row in board.rows for name in row.ids}
    if not states:
        return "No runs yet.\n"
    counts = Counter[str](states.values())
    told = (f"{counts[s]} {wording.state(s)}" for s in STATES if counts[s])
    shipped = sum(origin == "reference" for origin, _ in states)
    total = counted(len(states), "run")
    return f"{total} ({shipped} reference, {len(states) - shipped} of this machine): {', '.join(told)}.\n"


def _problems(contents: Contents) -> str:
    """Files that could not be read, by name: paths differ between machines."""
    lines = {f"- {code(PurePath(p.file).name) if p.file else 'a file'}: {escape(p.problem)}" for p in contents.problems}
    return "Not shown, because these files cannot be read:\n\n" + "\n".join(sorted(lines)) + "\n"
