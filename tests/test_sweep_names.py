"""Readable names are all different, slugs, and what `-k` matches."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweep_stand_ins.plug import stand_ins  # noqa: F401

from bench.spec import BenchError
from bench.sweep import load_sweep
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
        f"{stem}-crop_px=32x32-optimizer.lr=0.1",
        f"{stem}-crop_px=48x64-optimizer.lr=0.1",
        f"{stem}-crop_px=32x32-optimizer.lr=0.001",
        f"{stem}-crop_px=48x64-optimizer.lr=0.001",
    ]


def test_only_those_that_share_a_name_are_lengthened(tmp_path: Path) -> None:
    text = "include:\n  - {model: unet}\n  - {augment: [flip]}\n  - {augment: [flip, {name: jitter, strength: 0.1}]}\n"
    stem = "-urban-cross_entropy-poly-source_only-s0"
    assert names_of(tmp_path, text) == [
        f"unet{stem}",
        f"pidnet_s{stem}-augment=flip+p.0.5",
        f"pidnet_s{stem}-augment=flip+p.0.5xjitter+strength.0.1",
    ]


def test_targets_are_told_as_domains(tmp_path: Path) -> None:
    text = "include: [{target: rural}, {target: aerial/north}, {evaluate_on: [rural]}]\n"
    ends = [name.partition("-s0-")[2] for name in names_of(tmp_path, text)]
    assert ends == [
        "evaluate_on=urban+rural-target=rural",
        "evaluate_on=urban+rural-target=aerial_north",
        "evaluate_on=rural-target=none",
    ]


def test_values_that_read_alike_are_told_apart_by_id(tmp_path: Path) -> None:
    text = "grid: {method: [{name: dann, weight: 1, note: 'a b'}, {name: dann, weight: 1, note: 'a  b'}]}\n"
    assert all(re.search(r"-r-[0-9a-f]{16}$", name) for name in names_of(tmp_path, text))


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
    with pytest.raises(BenchError, match=r"-k: 'unat' matches none of the 4 runs; did you mean unet"):
        load_sweep(file, select="unat")
    with pytest.raises(BenchError, match="matches none"):
        load_sweep(file, select="unet and pidnet_s")
