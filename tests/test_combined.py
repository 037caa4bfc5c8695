"""Several losses or methods in one place: written as a list, one component, one id, faults named by part."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench import names
from bench.spec import BenchError, Component, RunConfig
from bench.sweep import load_sweep

SWEEP = """
name: several
base:
  dataset: {name: landcover, tile_px: 64}
  model: unet_resnet18
  source: urban
  steps: 3
  loss: LOSS
"""


def swept(tmp_path: Path, loss: str, more: str = "") -> list[RunConfig]:
    file = tmp_path / "several.yaml"
    file.write_text(SWEEP.replace("LOSS", loss) + more)
    return [run.config for run in load_sweep(file).runs]


def one(tmp_path: Path, loss: str) -> RunConfig:
    return swept(tmp_path, loss)[0]


def test_a_list_is_one_component_with_every_option_spelled_out(tmp_path: Path) -> None:
    loss = one(tmp_path, "[cross_entropy, {name: ohem, threshold: 0.7, weight: 0.5}]").loss
    assert loss.name == "combined"
    first, second = loss.options["parts"]
    assert first == {"name": "cross_entropy", "aux_weight": 0.0, "weights": None, "label_smoothing": 0.0}
    assert second["threshold"] == 0.7
    assert second["weight"] == 0.5
    assert second["min_kept"] == names.options("loss", "ohem")["min_kept"].default


def test_defaults_spelled_out_keep_the_id_and_the_order_makes_another(tmp_path: Path) -> None:
    short = one(tmp_path, "[cross_entropy, ohem]")
    same = one(tmp_path, "[{name: cross_entropy, aux_weight: 0, weight: 1}, ohem]")
    assert names.id_of(short) == names.id_of(same)
    assert names.id_of(short) != names.id_of(one(tmp_path, "[cross_entropy, {name: ohem, weight: 2}]"))


def test_a_list_of_one_is_that_one(tmp_path: Path) -> None:
    assert one(tmp_path, "[ohem]") == one(tmp_path, "ohem")


def test_a_grid_goes_through_lists_as_through_names(tmp_path: Path) -> None:
    file = tmp_path / "several.yaml"
    file.write_text(SWEEP.replace("  loss: LOSS\n", "") + "grid:\n  loss: [ohem, [cross_entropy, ohem]]\n")
    runs = load_sweep(file).runs
    assert [run.config.loss.name for run in runs] == ["ohem", "combined"]
    assert "-cross_entropy+ohem-" in runs[1].name


def test_options_that_differ_stand_in_the_names(tmp_path: Path) -> None:
    file = tmp_path / "several.yaml"
    two = "grid:\n  loss: [[cross_entropy, ohem], [cross_entropy, {name: ohem, threshold: 0.6}]]\n"
    file.write_text(SWEEP.replace("  loss: LOSS\n", "") + two)
    assert [run.name.partition("-s0-")[2] for run in load_sweep(file).runs] == ["threshold=0.9", "threshold=0.6"]


@pytest.mark.parametrize(
    ("loss", "key", "words"),
    [
        ("[cross_entropy, nope]", "base.loss.1", "unknown loss 'nope'"),
        ("[cross_entropy, {name: ohem, treshold: 1}]", "base.loss.1.treshold", "unknown option 'treshold'"),
        ("[cross_entropy, {name: ohem, weight: 0}]", "base.loss", "no weight"),
        ("[cross_entropy, {name: ohem, weight: yes}]", "base.loss", "no weight"),
        ("[cross_entropy, 3]", "base.loss.1", "no component"),
        ("[cross_entropy, [ohem, pidnet]]", "base.loss.1", "inside a combination"),
        ("[]", "base.loss", ""),
        ("{name: combined, parts: [ohem]}", "base.loss", "at least two parts"),
        ("{name: combined, parts: 3}", "base.loss", "at least two parts"),
        ("{name: combined, parts: [ohem, {name: combined, parts: [ohem, ohem]}]}", "base.loss", "inside a combination"),
    ],
)
def test_faults_name_the_place(tmp_path: Path, loss: str, key: str, words: str) -> None:
    with pytest.raises(BenchError) as caught:
        swept(tmp_path, loss)
    assert caught.value.key.startswith(key)
    assert words in str(caught.value)


def test_a_sum_is_the_sum_and_so_is_its_gradient() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, 4, 4, requires_grad=True), torch.randint(0, 3, (2, 8, 8))
    both = names.build(
        "loss", Component(name="combined", options={"parts": ["cross_entropy", {"name": "ohem", "weight": 0.5}]})
    )
    first, second = (names.build("loss", Component(name=name)) for name in ("cross_entropy", "ohem"))
    wanted = first({"out": logits}, labels) + 0.5 * second({"out": logits}, labels)
    found = both({"out": logits}, labels)
    assert torch.equal(found, wanted)
    assert torch.equal(*(torch.autograd.grad(value, logits, retain_graph=True)[0] for value in (found, wanted)))


@pytest.mark.parametrize("other", ["oracle", "joint", "source_only"])
def test_a_reference_row_is_no_part_of_a_combination(other: str) -> None:
    part = Component(name="combined", options={"parts": [other, other]})
    with pytest.raises(BenchError, match="reference row"):
        names.build("method", part, lambda outputs, labels: outputs["out"].sum(), 3)
