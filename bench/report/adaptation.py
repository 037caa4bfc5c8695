"""Gains of adaptation methods -> their tables: what each adds to source-only, what it costs, which classes it loses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.report import effort, wording
from bench.report.controls import ORACLE, SOURCE_ONLY
from bench.report.gains import Figure, Gains, RowFigures, is_control
from bench.report.leaderboard import data_title
from bench.report.markdown import Markup, escape, joined, table
from bench.report.rows import Row
from bench.report.settings import common, differences, value
from bench.scores.collapse import Collapse, collapsed

LEGEND = (
    "Every method stands beside controls that differ from it in nothing but the method: same network, settings, seeds, "
    "starting weights and images. Where a control is missing or not matched, what rests on it is `refused`, and why is "
    "said below the table. `oracle` and `joint` train on labels of the target: they are no adaptation methods.",
    "[low, high] is the 95 % interval over images (bootstrap, each counted as independent: for frames of one drive it "
    "is too narrow) and over seeds (Student's t: what a few seeds leave open). Images and seeds are drawn jointly for "
    "all methods, so intervals of a difference are narrower than those of its ends suggest. One seed's interval is of "
    "images alone and says nothing of other seeds.",
    "`gain` is the mIoU minus that of source-only, in points. `above` and `below`: the interval lies wholly on that "
    "side of 0; `not told apart`: it holds 0. No allowance is made for the number of methods.",
    "`gap recovered` is gain / (oracle - source-only): 0 as source-only, 100 as with the target's labels. It is "
    "refused where the interval of the gap itself is not wholly above 0.",
    "`place` is the range that the paired differences between methods leave open.",
    "`train` is the time of updates and of their batches, without scoring; `x` is how many times source-only's. Points "
    "and gap per hour of training stand only for methods that are `above`.",
)


def markdown(found: Gains) -> str:
    """Heading, scores, notes, cost and classes of one group."""
    parts = [f"#### {title(found)}", _scores(found), _notes(found), effort.markdown(found), _classes(found)]
    return "\n\n".join(part for part in parts if part) + "\n"


def title(found: Gains) -> Markup:
    """`adapt: landcover (synthetic data), urban to rural, PIDNet-S`."""
    board, config = found.group.board, found.group.config
    data = data_title(board.dataset.name, board.domains, board.synthetic).partition(", scored on")[0]
    way = (wording.domain(domain, board.dataset.name) for domain in (config.source, found.group.target))
    origin = " (reference)" if found.group.rows[0].origin == "reference" else ""
    model = wording.model(config.model, differences(board.rows).options["model", config.model.name])
    return Markup(f"{escape(board.sweep)}: {data}, {joined(way, ' to ')}, {escape(model)}{origin}")


def plain_title(found: Gains) -> str:
    """The same for what escapes by itself."""
    board, config = found.group.board, found.group.config
    synthetic = " (synthetic data)" if board.synthetic else ""
    way = " to ".join(wording.domain(domain, board.dataset.name) for domain in (config.source, found.group.target))
    return f"{board.sweep}: {board.dataset.name}{synthetic}, {way}, {wording.model_label(config.model.name)}"


# ------------------------------------------------------------------ scores


def _scores(found: Gains) -> str:
    group, home = found.group, found.group.board.dataset.name
    source = group.config.source if group.config.source in group.board.domains else None
    target_title = f"mIoU (%) {wording.domain(group.target, home)}"
    header = ["place", "method", "seeds", target_title]
    header += [f"mIoU (%) {wording.domain(source, home)}"] if source else []
    header += ["gain (points)", "gap recovered (%)", "against source-only"]
    lines = []
    for row, figures in found.rows:
        cells = [found.place(row), group.label(row), ", ".join(map(str, row.seeds)), percent(figures.score[0])]
        if source:
            home_cell = row.cells.get(source)
            cells.append(wording.percent(home_cell.value) if home_cell else "not measured")
        cells += [_gain(row, figures), _share(row, found, figures), _verdict(found.verdict(row, figures))]
        lines.append(cells)
    return table(header, lines, right=header[3:-1])


def _gain(row: Row, figures: RowFigures) -> Markup:
    if row.config.method.name == SOURCE_ONLY:
        return Markup("0")
    return points(figures.gain[0]) if figures.gain else Markup("refused")


def _share(row: Row, found: Gains, figures: RowFigures) -> Markup:
    """Source-only has 0 and the oracle 100 by definition, where there is a gap at all."""
    name = row.config.method.name
    if name in (SOURCE_ONLY, ORACLE):
        return Markup(("0" if name == SOURCE_ONLY else "100") if there_is_a_gap(found) else "")
    return share(figures.share[0] if figures.share else None)


def there_is_a_gap(found: Gains) -> bool:
    """Whether the oracle is above source-only with its whole interval."""
    return bool(found.figures.gap) and found.figures.gap[0].above


def _verdict(told: str) -> Markup:
    return Markup(f"**{told}**" if told.startswith(("above", "below")) else told)


# ------------------------------------------------------------------ notes


def _notes(found: Gains) -> str:
    """What a reader must know and no cell can hold, a line each."""
    lines = [*_gap(found), *_verdicts(found), *_refusals(found), *_collapses(found), *_left_out(found)]
    if found.group.config.choose == "oracle":
        lines.append(Markup("Checkpoints were chosen by labels of the target (`oracle`): compare with nothing else."))
    rows = found.group.rows
    shared = [f"{w} {value(found.group.config, w)}" for w in ("loss", "scheduler")] + [
        f"{rows[0].records[0].steps:,} updates"
    ]
    lines.append(Markup(f"In every row: {escape('; '.join([*shared, *common(rows, differences(rows))]))}."))
    return "\n".join(f"- {line}" for line in lines)


def _gap(found: Gains) -> Iterable[Markup]:
    if not found.figures.gap:
        return
    told = points(found.figures.gap[0])
    if there_is_a_gap(found):
        yield Markup(f"The gap to recover, oracle - source-only, is {told} points.")
    else:
        yield Markup(f"No share of the gap is told: oracle - source-only is {told} points, not wholly above 0.")


def _verdicts(found: Gains) -> Iterable[Markup]:
    """The methods by what may be said of them, by name."""
    said: dict[str, list[str]] = {}
    for row, figures in found.rows:
        if not is_control(row):
            said.setdefault(found.verdict(row, figures), []).append(found.group.label(row))
    words = {
        "above": "Above source-only, with the whole interval",
        "below": "**Below source-only**, with the whole interval (adapting hurt)",
        "not told apart": "Not told apart from source-only",
        "above, one seed": "Above source-only in the one seed there is",
        "below, one seed": "**Below source-only** in the one seed there is",
        "not told apart, one seed": "Not told apart from source-only in the one seed there is",
    }
    for verdict, start in words.items():
        if verdict in said:
            yield Markup(f"{start}: {joined(said[verdict])}.")
    short = [found.group.label(row) for row, _ in found.rows if row.state == "demonstration" and not is_control(row)]
    if short:
        yield Markup(f"Demonstrations, of which nothing is claimed: {joined(short)}.")


def _refusals(found: Gains) -> Iterable[Markup]:
    """Why there is no gain or no share, the same reason once."""
    reasons: dict[str, list[str]] = {}
    for row, figures in found.rows:
        if row.config.method.name == SOURCE_ONLY:
            continue
        if reason := found.refused(row):
            reasons.setdefault(f"no gain and no gap recovered, for {reason}.", []).append(found.group.label(row))
        elif row.config.method.name != ORACLE and (reason := found.refused(row, ORACLE)):
            reasons.setdefault(f"no gap recovered, for {reason}.", []).append(found.group.label(row))
        elif figures.share and figures.share[0].refused and there_is_a_gap(found):
            reasons.setdefault(f"no gap recovered, for {figures.share[0].refused}.", []).append(found.group.label(row))
    for reason, labels in reasons.items():
        yield Markup(f"{joined(labels)}: {escape(reason)}")


def collapses(found: Gains, row: Row) -> list[Collapse]:
    """The classes that a row's runs lost on the target."""
    target = found.group.target
    runs = []
    for record in row.records:
        along = [(e.step, e.confusion[target]) for e in record.evaluations if usable(e.confusion.get(target), row)]
        runs.append((record.confusion[target], along))
    return collapsed(runs)


def usable(counts: Sequence[Sequence[int]] | None, row: Row) -> bool:
    """Whether the counts of an evaluation are there, and of the classes of their record."""
    k = len(row.records[0].classes)
    return counts is not None and len(counts) == k and all(len(line) == k and min(line) >= 0 for line in counts)


def _collapses(found: Gains) -> Iterable[Markup]:
    control = found.group.control(SOURCE_ONLY)
    never = {c.index: c.seeds for c in collapses(found, control)} if control else {}
    for row, _ in found.rows:
        names, lost = row.records[0].classes, collapses(found, row)
        alike = [c.index for c in lost if row is not control and never.get(c.index) == c.seeds]
        told = [_collapse(c, names[c.index]) for c in lost if c.index not in alike]
        if alike:
            told.append(Markup(f"as source-only {joined([names[k] for k in alike])}"))
        if told:
            yield Markup(f"Lost classes (IoU below 1 %), {escape(found.group.label(row))}: {'; '.join(told)}.")


def _collapse(lost: Collapse, name: str) -> Markup:
    """`water in 2 of 3 seeds, from step 300, 450 on`."""
    known = sorted(step for step in lost.since if step is not None)
    when = f"from step {', '.join(f'{step:,}' for step in wording.distinct(known))} on" if known else ""
    when += " (never seen alive)" if known and not lost.born else ""
    told = f"{escape(name)} in {lost.seeds} of {lost.of} seed{'s' if lost.of > 1 else ''}"
    return Markup(", ".join(word for word in (told, when) if word))


def _left_out(found: Gains) -> Iterable[Markup]:
    states: dict[str, list[str]] = {}
    for row in found.group.left_out:
        states.setdefault(wording.state(row.state), []).append(found.group.label(row))
    for state, labels in states.items():
        yield Markup(f"Without figures, {escape(state)}: {joined(wording.distinct(labels))}.")


# ------------------------------------------------------------------ classes


def _classes(found: Gains) -> str:
    """A folded table: IoU of the controls, and the part of each class's gap that each method recovers."""
    rows = {row.config.method.name: figures for row, figures in found.rows if is_control(row)}
    if not any(figures.share for _, figures in found.rows) or not {SOURCE_ONLY, ORACLE} <= rows.keys():
        return ""
    shown = [(row, figures) for row, figures in found.rows if figures.share and row.config.method.name != ORACLE]
    header = ["class", "source-only IoU (%)", "oracle IoU (%)", "gap (points)"]
    header += [f"{found.group.label(row)} (%)" for row, _ in shown]
    lines = []
    for k, name in enumerate(found.group.rows[0].records[0].classes, start=1):
        cells = [
            name,
            percent(rows[SOURCE_ONLY].score[k]),
            percent(rows[ORACLE].score[k]),
            points(found.figures.gap[k]),
        ]
        lines.append([*cells, *(share(figures.share[k]) for _, figures in shown)])
    body = table(header, lines, right=header[1:])
    about = "Gap recovered per class, in %; `refused` where the interval of a class's gap is not wholly above 0"
    return f"<details>\n<summary>{about.replace('`', '')}</summary>\n\n{body}\n\n</details>"


# ------------------------------------------------------------------ figures


def percent(figure: Figure) -> Markup:
    """`37.9 [35.0, 40.7]`; `absent` where a class occurs neither as label nor as prediction."""
    return _written(figure, "{:.1f}", "absent")


def points(figure: Figure) -> Markup:
    """`+3.2 [+1.0, +5.4]`."""
    return _written(figure, "{:+.1f}", "absent")


def share(figure: Figure | None) -> Markup:
    """`45 [31, 60]`, or `refused`."""
    return _written(figure, "{:.0f}", "refused") if figure else Markup("refused")


def _written(figure: Figure, style: str, missing: str) -> Markup:
    def plain(number: float) -> str:
        text = style.format(100 * number)
        return text.lstrip("-") if not float(text) and style == "{:.0f}" else text.replace("-0.0", "+0.0")

    if figure.value is None:
        return Markup(missing)
    if figure.low is None or figure.high is None:
        return Markup(plain(figure.value))
    return Markup(f"{plain(figure.value)} [{plain(figure.low)}, {plain(figure.high)}]")
