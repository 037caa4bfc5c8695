"""Readable names are all different, slugs, and what `-k` matches."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweep_stand_ins.plug import stand_ins  # noqa: F401

from bench.spec import BenchError, RunConfig
from bench.sweep import load_sweep
from bench.sweep.readable import readable
from bench.sweep.selection import selector

BASE = "name: x\nbase:\n  model: pidnet_s\n  dataset: land\n  source: urban\n  steps: 5\n"


def names_of(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "named.yaml"
    file.write_text(BASE + text)
    found = [run.name for run in load_sweep(file).runs]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._=+-]*", name) for name in found)
    return found


def test_a_name_is_model_source_loss_schedule_method_seed(tmp_path: Path) -> None:
    assert names_of(tmp_path, "  loss: ohem\nseeds: [0, 7]\n") == [
        "pidnet_s-urban-ohem-poly-source_only-s0",
        "pidnet_s-urban-ohem-poly-source_only-s7",
    ]


def test_a_source_of_another_dataset_says_so(tmp_path: Path) -> None:
    found = names_of(tmp_path, "grid: {source: [rural, aerial/north, land/urban]}\n")
    assert [name.split("-")[1] for name in found] == ["rural", "aerial_north", "urban"]


def test_names_that_would_be_shared_carry_what_differs(tmp_path: Path) -> None:
    text = "grid:\n  optimizer.lr: [0.1, 0.001]\n  crop_px: [32, [48, 64]]\n"
    stem = "pidnet_s-urban-cross_entropy-poly-source_only-s0"
    assert names_of(tmp_path, text) == [
        f"{stem}-crop_px=32x32-lr=0.1",
        f"{stem}-crop_px=48x64-lr=0.1",
        f"{stem}-crop_px=32x32-lr=0.001",
        f"{stem}-crop_px=48x64-lr=0.001",
    ]


def test_only_those_that_share_a_name_are_lengthened(tmp_path: Path) -> None:
    text = "include:\n  - {model: unet}\n  - {augment: [flip]}\n  - {augment: [flip, {name: jitter, strength: 0.1}]}\n"
    stem = "-urban-cross_entropy-poly-source_only-s0"
    assert names_of(tmp_path, text) == [
        f"unet{stem}",
        f"pidnet_s{stem}-augment=flip",
        f"pidnet_s{stem}-augment=flip+jitter",
    ]


def test_targets_are_told_as_domains(tmp_path: Path) -> None:
    text = "include: [{target: rural}, {target: aerial/north}, {evaluate_on: [rural]}]\n"
    ends = [name.partition("-s0-")[2] for name in names_of(tmp_path, text)]
    assert ends == [
        "evaluate_on=urban+rural-target=rural",
        "evaluate_on=urban+rural-target=aerial_north",
        "evaluate_on=rural",
    ]


def test_values_that_read_alike_are_told_apart_by_id(tmp_path: Path) -> None:
    text = "grid: {method: [{name: dann, weight: 1, note: 'a b'}, {name: dann, weight: 1, note: 'a  b'}]}\n"
    assert all(re.search(r"-r-[0-9a-f]{16}$", name) for name in names_of(tmp_path, text))


def named(**fields: Any) -> RunConfig:
    plain = {"model": "net", "dataset": "land", "source": "land/urban", "evaluate_on": ["land/urban"], "steps": 5}
    return RunConfig.model_validate({**plain, **fields})


STEM = "net-urban-cross_entropy-poly-source_only-s0"


def combination(**second: Any) -> dict[str, Any]:
    return {"name": "combined", "parts": [{"name": "dice", "p": 1}, {"name": "ohem", **second}]}


@pytest.mark.parametrize(
    ("one", "two", "ends"),
    [
        ({"crop_px": [1, 2]}, {"crop_px": [1, 3]}, ["crop_px=1x2", "crop_px=1x3"]),
        ({"crop_px": [1, 2]}, {}, ["crop_px=1x2", ""]),
        ({"steps": 6}, {}, ["steps=6", "steps=5"]),
        ({"deterministic": True}, {}, ["deterministic=true", "deterministic=false"]),
        ({"target": "land/rural"}, {}, ["target=rural", ""]),
        ({"target": "land/Ru ral"}, {"target": "sea/a"}, ["target=ru_ral", "target=sea_a"]),
        ({"evaluate_on": ["land/a", "sea/b"]}, {}, ["evaluate_on=a+sea_b", "evaluate_on=urban"]),
        ({"dataset": "sea"}, {}, None),
        ({"sampler": "rare"}, {}, ["sampler=rare", "sampler=uniform"]),
        ({"sampler": {"name": "rare", "t": 1}}, {}, ["sampler=rare", "sampler=uniform"]),
        ({"loss": {"name": "cross_entropy", "parts": 3}}, {}, ["parts=3", ""]),
        (
            {"loss": {"name": "cross_entropy", "w": [1, [2, 3]]}},
            {"loss": {"name": "cross_entropy", "w": []}},
            ["w=1x2x3", ""],
        ),
        (
            {"loss": {"name": "cross_entropy", "w": "", "v": "--"}},
            {"loss": {"name": "cross_entropy", "w": 1}},
            ["v=_-w=_", "w=1"],
        ),
        ({"augment": []}, {"augment": ["flip"]}, ["", "augment=flip"]),
        (
            {"augment": [{"name": "Flip-1", "p": 0.5, "q": [1, 2]}, "jitter"]},
            {"augment": ["jitter"]},
            ["augment=flip_1+jitter", "augment=jitter"],
        ),
        (
            {"augment": [{"name": "Flip-1", "p": 0.5, "q": [1, 2]}, "jitter"]},
            {"augment": [{"name": "Flip-1", "p": 1, "q": [1, 2]}, "jitter"]},
            ["p=0.5", "p=1"],
        ),
        ({"sampler": {"name": "rare", "t": 1}}, {"sampler": {"name": "rare", "t": 2}}, ["t=1", "t=2"]),
        (
            {"loss": {"name": "cross_entropy", "w": 1}, "optimizer": {"name": "sgd", "w": 2}},
            {"loss": {"name": "cross_entropy", "w": 2}, "optimizer": {"name": "sgd", "w": 1}},
            ["loss.w=1-optimizer.w=2", "loss.w=2-optimizer.w=1"],
        ),
        (
            {"groups": {"name": "uniform", "steps": 1}},
            {"groups": {"name": "uniform", "steps": 2}},
            ["groups.steps=1", "groups.steps=2"],
        ),
    ],
)
def test_what_differs_is_told_in_words(one: dict[str, Any], two: dict[str, Any], ends: list[str] | None) -> None:
    first, second = readable([named(**one), named(**two)], ["r-1", "r-2"])
    if ends is None:  # the source is of another dataset, so the names differ as they are
        assert (first, second) == (STEM.replace("urban", "land_urban"), STEM)
    else:
        assert [first, second] == [f"{STEM}-{end}".rstrip("-") for end in ends]


def test_parts_of_a_combination_stand_in_the_name_and_their_options_where_they_differ() -> None:
    configs = [named(loss=combination(w=1, v=2)), named(loss=combination(w=3, v=2)), named(loss="dice")]
    stem = STEM.replace("cross_entropy", "dice+ohem")
    assert readable(configs, ["r-1", "r-2", "r-3"]) == [
        f"{stem}-w=1",
        f"{stem}-w=3",
        STEM.replace("cross_entropy", "dice"),
    ]


def test_an_option_is_told_where_two_of_one_component_differ_in_it() -> None:
    """Where the components differ their names say so, and options that only one of them has go without saying."""
    parts = [
        {"name": "sgd", "lr": 1, "momentum": 0.9},
        {"name": "sgd", "lr": 2, "momentum": 0.9},
        {"name": "adam", "lr": 3},
    ]
    assert readable([named(optimizer=part) for part in parts], ["r-1", "r-2", "r-3"]) == [
        f"{STEM}-optimizer=sgd-lr=1",
        f"{STEM}-optimizer=sgd-lr=2",
        f"{STEM}-optimizer=adam-lr=3",
    ]
    assert [
        name.removeprefix(STEM) for name in readable([named(optimizer=part) for part in parts[1:]], ["r-2", "r-3"])
    ] == [
        "-optimizer=sgd",
        "-optimizer=adam",
    ]


def test_three_of_one_name_carry_all_in_which_any_two_differ() -> None:
    configs = [named(batch_size=1, steps=2), named(batch_size=1, steps=3), named(batch_size=4, steps=3), named(seed=7)]
    assert readable(configs, ["r-1", "r-2", "r-3", "r-4"]) == [
        f"{STEM}-batch_size=1-steps=2",
        f"{STEM}-batch_size=1-steps=3",
        f"{STEM}-batch_size=4-steps=3",
        STEM[:-1] + "7",
    ]


def test_domains_of_one_name_differ_by_their_dataset_alone() -> None:
    land, sea = (named(dataset=d, source=f"{d}/urban", evaluate_on=[f"{d}/urban"]) for d in ("land", "sea"))
    assert readable([land, sea], ["r-1", "r-2"]) == [f"{STEM}-dataset=land", f"{STEM}-dataset=sea"]


def test_what_reads_alike_carries_its_id() -> None:
    configs = [named(init="a b"), named(init="a  b"), named(init="c"), named(batch_size=2)]
    assert readable(configs, ["r-1", "r-2", "r-3", "r-4"]) == [
        f"{STEM}-batch_size=6-init=a_b-r-1",
        f"{STEM}-batch_size=6-init=a_b-r-2",
        f"{STEM}-batch_size=6-init=c",
        f"{STEM}-batch_size=2",
    ]
    assert readable([named()] * 2, ["r-1", "r-2"]) == [f"{STEM}-r-1", f"{STEM}-r-2"]
    assert readable([named()], ["r-1"]) == [STEM]


def test_one_object_under_two_datasets_is_told_for_each() -> None:
    """A domain of one dataset reads otherwise under another: what was put into words once is not taken for both."""
    land, sea = (named(dataset=name, source="land/urban", target="land/rural") for name in ("land", "sea"))
    sea = sea.model_copy(update={"target": land.target})
    pairs = [land, land.model_copy(update={"steps": 6}), sea, sea.model_copy(update={"target": "sea/rural"})]
    found = readable(pairs, ["r-1", "r-2", "r-3", "r-4"])
    assert [name.partition("-s0-")[2] for name in found] == ["steps=5", "steps=6", "target=land_rural", "target=rural"]


# ------------------------------------------------------------------ -k

NAMES = ["pidnet_s-urban-ohem", "pidnet_s-rural-ohem", "unet-urban-cross_entropy", "deeplab-rural-cross_entropy"]


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("urban", [0, 2]),
        ("URBAN", [0, 2]),
        ("not urban", [1, 3]),
        ("not not urban", [0, 2]),
        ("urban and ohem", [0]),
        ("urban or ohem", [0, 1, 2]),
        ("urban or rural and unet", [0, 2]),
        ("(urban or rural) and unet", [2]),
        ("not (urban or ohem)", [3]),
        ("not urban and not ohem", [3]),
        ("-urban-", [0, 2]),
        ("((unet))", [2]),
        ("cross_entropy and(unet)", [2]),
        ("android", []),
        ("notes", []),
    ],
)
def test_an_expression_chooses(expression: str, chosen: list[int]) -> None:
    test = selector(expression)
    assert [i for i, name in enumerate(NAMES) if test(name)] == chosen


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "  ",
        "and",
        "a and",
        "or a",
        "not",
        "(a",
        "a)",
        "()",
        "a b",
        "a (b)",
        "(" * 5000,
        "not " * 60 + "a",
        "x" * 2000,
    ],
)
def test_an_expression_that_cannot_be_read_is_one_line(expression: str) -> None:
    with pytest.raises(BenchError) as caught:
        selector(expression)
    assert caught.value.key == "-k"
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "a word is missing at the end"),
        ("a and", "a word is missing at the end"),
        ("not", "a word is missing at the end"),
        ("and a", "a word is missing before 'and'"),
        ("a or or b", "a word is missing before 'or'"),
        ("()", "a word is missing before ')'"),
        ("(a", "a bracket that is not closed"),
        ("(a b)", "a bracket that is not closed"),
        ("a b", "'b' after the end of the expression"),
        ("a) or b", "')' after the end of the expression"),
        ("a not b", "'not' after the end of the expression"),
        ("x" * 1001, "longer than 1000 characters"),
        ("(" * 51 + "a" + ")" * 51, "nested deeper than 50 levels"),
        ("not " * 51 + "a", "nested deeper than 50 levels"),
        ("(a) and " + "(" * 51 + "a", "nested deeper than 50 levels"),
        ("a or " + "not " * 51 + "a", "nested deeper than 50 levels"),
    ],
)
def test_what_an_expression_lacks_is_said(expression: str, problem: str) -> None:
    with pytest.raises(BenchError) as caught:
        selector(expression)
    assert str(caught.value) == f"-k: {problem}; write words joined by `and`, `or`, `not` and brackets"


def test_the_longest_and_the_deepest_expression() -> None:
    assert selector("x" * 1000)("x" * 1000)
    assert selector("(" * 50 + "a" + ")" * 50)("a")
    assert selector("not " * 50 + "a")("a")
    assert selector(" and ".join(["(not " * 25 + "a" + ")" * 25] * 5))("b")


def test_capitals_do_not_matter_on_either_side() -> None:
    assert selector("NOT Urban")("rural")
    assert not selector("urban")("rural")
    assert selector("urBAN aNd (x OR y)")("Urban-X")


TREES = st.recursive(
    st.sampled_from(["urban", "rural", "ohem", "unet"]),
    lambda t: st.one_of(st.tuples(st.just("not"), t), st.tuples(t, st.sampled_from(["and", "or"]), t)),
    max_leaves=8,
)


def written(tree: object) -> str:
    return tree if isinstance(tree, str) else "(" + " ".join(map(written, tree)) + ")"  # type: ignore[call-overload]


def holds(tree: object, name: str) -> bool:
    match tree:
        case str(word):
            return word in name
        case ("not", inner):
            return not holds(inner, name)
        case (left, "and", right):
            return holds(left, name) and holds(right, name)
        case (left, "or", right):
            return holds(left, name) or holds(right, name)
    raise AssertionError(tree)


@given(TREES)
@settings(derandomize=True, max_examples=60, deadline=None)
def test_any_bracketed_expression_means_what_it_says(tree: object) -> None:
    test = selector(written(tree))
    assert [test(name) for name in NAMES] == [holds(tree, name) for name in NAMES]


def test_select_keeps_names_and_order_and_refuses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "some.yaml"
    file.write_text(BASE + "grid: {model: [unet, pidnet_s], optimizer.lr: [0.1, 0.2]}\n")
    whole = load_sweep(file)
    assert load_sweep(file, select="unet or lr=0.2").runs == (whole.runs[0], whole.runs[1], whole.runs[3])
    with pytest.raises(BenchError, match=r"-k: 'unat' matches none of 4 runs; did you mean unet"):
        load_sweep(file, select="unat")
    with pytest.raises(BenchError, match="matches none"):
        load_sweep(file, select="unet and pidnet_s")
