"""Rules that choose a checkpoint without target labels: what they would have picked, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from adaptation_examples import CLASSES, DAY, DUSK, example, run
from report_examples import cells, column

from bench.report.choosing import Rule, markdown, rules
from bench.report.gains import gains
from bench.report.rows import boards
from bench.scores import miou
from bench.selection import SELECTORS
from bench.spec import Counts, Evaluation
from bench.store import Contents

K = len(CLASSES)


def flat(right: int, dead: bool = False) -> Counts:
    """Counts in which every class has 100 pixels and `right` hits; the last class none where it is dead."""
    hits = [right] * (K - 1) + [0 if dead else right]
    rows = [[0] * K for _ in range(K)]
    for k, hit in enumerate(hits):
        rows[k][k], rows[k][(k + 1) % K] = hit, 100 - hit
    return tuple(map(tuple, rows))


def looks(*points: tuple[int, int, dict[str, Any]], dead: tuple[int, ...] = ()) -> tuple[Evaluation, ...]:
    """(right on source, right on target, label-free scores) of every look."""
    return tuple(
        Evaluation(step=100 * (i + 1), split="val", confusion={DAY: flat(s), DUSK: flat(t, i in dead)}, label_free=free)
        for i, (s, t, free) in enumerate(points)
    )


TWO = (
    looks(
        (60, 50, {"entropy": 0.9, "infomax": 0.1, "snd": 1.0}),
        (70, 80, {"entropy": 0.5, "infomax": 0.4, "snd": None}),
        (80, 60, {"entropy": 0.1, "infomax": 0.2, "snd": 1.0}),
        dead=(2,),
    ),
    looks(
        (60, 40, {"entropy": 0.9, "infomax": 0.1}),
        (80, 60, {"entropy": 0.5, "infomax": 0.4}),
        (70, 70, {"entropy": 0.1, "infomax": 0.5}),
    ),
)


def found(folder: Path, along: tuple[tuple[Evaluation, ...], ...] = TWO, method: str = "fda") -> Contents:
    return Contents(runs=tuple(run(folder, method, seed, along=looks) for seed, looks in enumerate(along)))


def told(contents: Contents) -> dict[str, Rule]:
    (one,) = gains(contents, boards(contents))
    return {rule.name: rule for rule in rules(one.group)}


def at(right: int, dead: bool = False) -> float:
    value = miou(flat(right, dead))
    assert value is not None
    return value


def test_picks_regret_and_correlation_by_hand(tmp_path: Path) -> None:
    every = told(found(tmp_path))
    steps = {name: [pick.step for pick in rule.picks] for name, rule in every.items()}
    assert steps == {
        "last": [300, 300],
        "source_val": [300, 200],
        "entropy": [300, 300],  # less is better
        "infomax": [200, 300],
        "snd": [100],  # the first of equals; the second run has none
        "oracle": [200, 300],
    }
    lost = at(80) - at(60, dead=True)
    assert every["entropy"].regret == pytest.approx(lost / 2)
    assert every["entropy"].worst.seed == 0
    assert every["source_val"].regret == pytest.approx((lost + at(70) - at(60)) / 2)
    assert every["infomax"].regret == every["oracle"].regret == 0
    assert every["infomax"].miou == every["oracle"].miou == pytest.approx((at(80) + at(70)) / 2)
    assert (every["entropy"].lost, every["infomax"].lost) == (1, 0)
    first = 1 / 3 if at(50) < at(60, dead=True) else -1 / 3
    assert every["entropy"].correlation("kendall") == pytest.approx((first + 1) / 2)
    assert every["snd"].correlation("kendall") is None
    assert (*every,)[0] == "last"
    assert (*every,)[-1] == "oracle"


def test_a_score_of_which_less_is_better_is_turned_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: taken as it is, entropy picks the worst look."""
    monkeypatch.setattr("bench.report.choosing.worth", lambda name, value: value)
    assert [pick.step for pick in told(found(tmp_path))["entropy"].picks] == [100, 100]


def test_the_table_says_oracle_and_never_leaves_it_out(tmp_path: Path) -> None:
    contents = found(tmp_path)
    (one,) = gains(contents, boards(contents))
    text = markdown(one)
    names = column(text, "chosen by", "chosen by")
    assert names[0] == "last"
    assert names[-1] == "`oracle`: labels of the target"
    assert sum("oracle" in name for name in names) == 1
    assert column(text, "chosen by", "runs") == ["2", "2", "2", "2", "1", "2"]
    assert "seed 0, step 300" in column(text, "chosen by", "worst regret")[names.index("entropy")]
    assert "Over 3 evaluations in each run of FDA." in text


def test_scores_that_no_table_knows_are_not_shown(tmp_path: Path) -> None:
    (first, second) = TWO
    odd = tuple(e.model_copy(update={"label_free": {**e.label_free, "odd|name": 1.0}}) for e in first)
    assert told(found(tmp_path, (odd, second))).keys() <= {"last", *SELECTORS}


@pytest.mark.parametrize("along", [(), TWO[0][:1]], ids=["no look", "one look"])
def test_nothing_to_choose_from_gives_no_table(along: tuple[Evaluation, ...], tmp_path: Path) -> None:
    contents = found(tmp_path, (along,))
    (one,) = gains(contents, boards(contents))
    assert markdown(one) == ""
    assert rules(one.group) == []


def test_looks_without_the_target_do_not_count(tmp_path: Path) -> None:
    blind = tuple(e.model_copy(update={"confusion": {DAY: e.confusion[DAY]}}) for e in TWO[0])
    odd = tuple(e.model_copy(update={"confusion": {DUSK: ((1, 2), (3, 4))}}) for e in TWO[0])
    for along in (blind, odd):
        assert told(found(tmp_path, (along,))) == {}


def test_methods_trained_on_target_labels_stay_out(tmp_path: Path) -> None:
    oracle = found(tmp_path, method="oracle")
    assert told(replace(oracle, runs=(*oracle.runs, *found(tmp_path).runs))).keys() == told(found(tmp_path)).keys()
    assert told(oracle) == {}


def test_demonstrations_are_counted(tmp_path: Path) -> None:
    runs = [run(tmp_path, "fda", s, along=along, steps=40, images_seen=160) for s, along in enumerate(TWO)]
    contents = Contents(runs=tuple(runs))
    (one,) = gains(contents, boards(contents))
    assert "Demonstrations, of which nothing is claimed: 2 of 2 runs." in markdown(one)


def test_the_example_has_a_row_for_every_rule(tmp_path: Path) -> None:
    (one,) = gains(contents := example(tmp_path), boards(contents))
    header, _, *rows = cells(markdown(one), "chosen by")
    assert {len(row) for row in rows} == {len(header)}
    assert {row[1] for row in rows} == {"22"}
