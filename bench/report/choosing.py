"""Scores along the way of a group's runs -> how good a checkpoint each rule without target labels would have picked.

A run's evaluations hold scores that need no label of the target and, for the report alone, the counts on its val split.
The rule `oracle` picks by these counts: it is what a rule could reach at most, and no rule that anybody could use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report import wording
from bench.report.adaptation import title, usable
from bench.report.controls import JOINT, ORACLE, Group
from bench.report.gains import Gains
from bench.report.markdown import Markup, escape, joined, table
from bench.report.rows import Row
from bench.scores import miou
from bench.scores.collapse import dead
from bench.scores.ranks import kendall, spearman
from bench.selection import SELECTORS, worth
from bench.spec import RunRecord, counted

LAST, SOURCE_VAL, ORACLE_PICK = "last", "source_val", "oracle"

LEGEND = (
    "Each rule picks one evaluation of each run; `picked` is the mIoU on the target's val split there, `regret` what "
    "the best evaluation has more. `oracle` picks by the target's own labels: no rule can do better, and none that is "
    "honest can do it.",
    "Kendall's tau-b and Spearman's rho say how alike a score and the target mIoU order the evaluations of a run: 1 "
    "alike, 0 not at all, -1 the other way round; means over the runs that have both. Scores of which less is better "
    "are turned round. `lost classes`: runs in whose picked evaluation a labelled class is below 1 % IoU.",
)


@dataclass(frozen=True, kw_only=True)
class Pick:
    """What a rule did in one run, picking one `of` its evaluations: scores in [0, 1]; a correlation may be wanting."""

    row: Row
    seed: int
    step: int
    of: int
    miou: float
    regret: float
    lost: bool
    kendall: float | None
    spearman: float | None


@dataclass(frozen=True)
class Rule:
    """A rule's picks, a run each."""

    name: str
    picks: tuple[Pick, ...]

    @property
    def miou(self) -> float:
        return sum(p.miou for p in self.picks) / len(self.picks)

    @property
    def regret(self) -> float:
        return sum(p.regret for p in self.picks) / len(self.picks)

    @property
    def worst(self) -> Pick:
        """The pick of the largest regret, the first of equals."""
        return max(self.picks, key=lambda p: p.regret)

    @property
    def lost(self) -> int:
        return sum(p.lost for p in self.picks)

    def correlation(self, name: str) -> float | None:
        """Mean of `kendall` or `spearman` over the runs in which it exists."""
        known = [value for p in self.picks if (value := getattr(p, name)) is not None]
        return sum(known) / len(known) if known else None


def rules(group: Group) -> list[Rule]:
    """`last`, `source_val`, every label-free score in order of name, `oracle`; [] without two evaluations to choose
    from, or without a score beside them."""
    picks: dict[str, list[Pick]] = {}
    for row in group.rows:
        if row.config.method.name not in (ORACLE, JOINT):
            for record in row.records:
                for name, pick in _picks(row, record, group.target).items():
                    picks.setdefault(name, []).append(pick)
    ordered = [LAST, SOURCE_VAL, *sorted(picks.keys() - {LAST, SOURCE_VAL, ORACLE_PICK}), ORACLE_PICK]
    found = [Rule(name, tuple(picks[name])) for name in ordered if name in picks]
    return found if len(found) > len((LAST, ORACLE_PICK)) else []


def _picks(row: Row, record: RunRecord, target: str) -> dict[str, Pick]:
    """Rule -> its pick in one run; {} where there is nothing to choose."""
    looks = [e for e in sorted(record.evaluations, key=lambda e: e.step) if usable(e.confusion.get(target), row)]
    scored = [(e, value) for e in looks if (value := miou(e.confusion[target])) is not None]
    if len(scored) < 2:
        return {}
    truth = [value for _, value in scored]
    source = record.config.source
    columns: dict[str, list[float | None]] = {
        LAST: [float(e.step) for e, _ in scored],
        SOURCE_VAL: [miou(e.confusion[source]) if usable(e.confusion.get(source), row) else None for e, _ in scored],
        ORACLE_PICK: list(truth),
    }
    for name in SELECTORS.keys() - columns.keys():
        columns[name] = [worth(name, e.label_free.get(name)) for e, _ in scored]
    found = {}
    for name, column in columns.items():
        known = [(value, -i) for i, value in enumerate(column) if value is not None]
        if not known:
            continue
        best = -max(known)[1]  # the first of equals
        evaluation = scored[best][0]
        ours = [value for value, _ in known]
        theirs = [truth[-i] for _, i in known]
        ordering = name not in (LAST, ORACLE_PICK)
        found[name] = Pick(
            row=row,
            seed=record.config.seed,
            step=evaluation.step,
            of=len(scored),
            miou=truth[best],
            regret=max(truth) - truth[best],
            lost=bool(dead(evaluation.confusion[target])),
            kendall=kendall(ours, theirs) if ordering else None,
            spearman=spearman(ours, theirs) if ordering else None,
        )
    return found


# ------------------------------------------------------------------ words


def markdown(found: Gains) -> str:
    """Heading and table of one group; '' where there was nothing to choose."""
    every = rules(found.group)
    if not every:
        return ""
    home = found.group.board.dataset.name
    target = wording.domain(found.group.target, home)
    header = ["chosen by", "runs", f"picked: mIoU (%) {target} val", "regret (points)", "worst regret", "Kendall's tau"]
    header += ["Spearman's rho", "lost classes"]
    lines = [_line(found.group, rule) for rule in every]
    body = table(header, lines, right=["runs", header[2], "regret (points)", *header[5:]])
    notes = [f"- Over {_looks(every)} evaluations in each run of {joined(_methods(found.group, every))}."]
    short = sum(p.row.state != "finished" for p in every[0].picks)
    if short:
        every_run = counted(len(every[0].picks), "run")
        notes.append(f"- Demonstrations, of which nothing is claimed: {short} of {every_run}.")
    return "\n\n".join([f"#### {title(found)}", body, "\n".join(notes)]) + "\n"


def label(name: str) -> str:
    """A rule's words: `last`, `mIoU on source val`, ... and `oracle`, always so called."""
    return name if name == LAST else SELECTORS[name].label


def _line(group: Group, rule: Rule) -> list[str]:
    worst = rule.worst
    where = f"{100 * worst.regret:.1f} ({escape(group.label(worst.row))}, seed {worst.seed}, step {worst.step:,})"
    name = Markup(f"`{ORACLE_PICK}`: labels of the target") if rule.name == ORACLE_PICK else label(rule.name)
    return [
        name,
        str(len(rule.picks)),
        wording.percent(rule.miou),
        wording.percent(rule.regret),
        Markup(where if worst.regret else "0.0"),
        _correlation(rule.correlation("kendall")),
        _correlation(rule.correlation("spearman")),
        f"{rule.lost} of {len(rule.picks)}",
    ]


def _correlation(value: float | None) -> Markup:
    return Markup("" if value is None else f"{value:+.2f}".replace("-0.00", "+0.00"))


def _looks(every: Sequence[Rule]) -> str:
    return wording.spread(pick.of for pick in every[0].picks)


def _methods(group: Group, every: Sequence[Rule]) -> list[Markup]:
    return wording.distinct(escape(group.label(p.row)) for p in every[0].picks)
