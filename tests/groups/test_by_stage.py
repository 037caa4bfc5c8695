"""Groups by stage: rates by depth, decay, rest; what is wrong is told by name."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from bench import names
from bench.groups import GROUPS
from bench.groups.by_stage import by_stage
from bench.models.segmodel import SegModel
from bench.optimizers.rate import set_lr
from bench.schedulers import SCHEDULERS
from bench.spec import BenchError, Component


@pytest.fixture
def model(four_convs: str) -> SegModel:
    found: SegModel = names.build("model", Component(name=four_convs), 3)
    return found


def on_meta(name: str) -> SegModel:
    with torch.device("meta"):
        found: SegModel = names.build("model", Component(name=name), 7)
    return found


def factors(groups: list[dict[str, Any]]) -> dict[str, float]:
    return {group["stage"]: group["lr_factor"] for group in groups}


@pytest.mark.parametrize("network", ["pidnet_s", "unet_resnet18", "deeplabv2_resnet101"])
@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("options", [{}, {"decay_norms": False, "first": 0.1, "frozen": ("stem",), "thaw": 0.5}])
def test_every_parameter_is_in_one_group(name: str, network: str, options: dict[str, Any]) -> None:
    known = names.options("groups", name)
    model = on_meta(network)
    chosen = {k: v for k, v in options.items() if k in known}
    groups = names.build("groups", Component(name=name, options=chosen), model)
    held = Counter(id(parameter) for group in groups for parameter in group["params"])
    assert held == Counter(id(parameter) for parameter in model.parameters())
    assert all(group["params"] for group in groups)


def test_rates_grow_by_equal_ratios_from_the_stem_to_the_head() -> None:
    found = factors(by_stage(on_meta("pidnet_s"), first=0.01))
    assert list(found) == ["stem", "layer1", "layer2", "layer3", "layer4", "layer5", "fusion", "head"]
    values = list(found.values())
    assert (values[0], values[-1]) == (0.01, 1.0)
    ratios = [late / early for early, late in pairwise(values)]
    assert ratios == pytest.approx([100 ** (1 / 7)] * 7)


def test_two_six_per_stage_is_a_first_of_that_power() -> None:
    values = list(factors(by_stage(on_meta("unet_resnet18"), first=2.6**-6)).values())
    assert [late / early for early, late in pairwise(values)] == pytest.approx([2.6] * 6)


def test_the_head_may_be_faster_and_the_rest_a_tenth(model: SegModel) -> None:
    assert factors(by_stage(model)) == {"stem": 1, "middle": 1, "head": 1}
    assert factors(by_stage(model, head=10)) == {"stem": 1, "middle": 1, "head": 10}
    assert factors(by_stage(model, rest=0.1)) == {"stem": 0.1, "middle": 0.1, "head": 1}
    assert factors(by_stage(model, first=0.25, head=2)) == {"stem": 0.25, "middle": 0.5, "head": 2}


def test_norms_and_biases_have_no_decay_where_that_is_asked_for(model: SegModel) -> None:
    optimizer = names.build(
        "optimizer", Component(name="sgd", options={"weight_decay": 0.1}), by_stage(model, decay_norms=False)
    )
    decay = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    norms = {id(p) for m in model.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()}
    for name, parameter in model.named_parameters():
        spared = id(parameter) in norms or name.endswith("bias")
        assert decay[id(parameter)] == (0.0 if spared else 0.1), name
    assert norms
    plain = names.build("optimizer", Component(name="sgd", options={"weight_decay": 0.1}), by_stage(model))
    assert {group["weight_decay"] for group in plain.param_groups} == {0.1}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_groups_keep_their_ratios_under_every_schedule(model: SegModel, name: str) -> None:
    optimizer = names.build(
        "optimizer", Component(name="adamw"), by_stage(model, first=0.04, head=5, decay_norms=False)
    )
    shape = names.build("scheduler", Component(name=name))
    seen = set()
    for step in range(50):
        set_lr([optimizer], shape(step / 50))
        rates = {group["stage"]: group["lr"] for group in optimizer.param_groups}
        assert rates["middle"] / rates["stem"] == pytest.approx(5.0)
        assert rates["head"] / rates["stem"] == pytest.approx(125.0)
        seen.add(rates["stem"])
    assert (len(seen) > 1) == (name not in ("constant", "plateau"))


def test_what_never_learns_is_in_no_group(model: SegModel) -> None:
    assert list(factors(by_stage(model, frozen=("stem",)))) == ["middle", "head"]
    assert list(factors(by_stage(model, frozen=("stem",), thaw=0.5))) == ["stem", "middle", "head"]


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"frozen": ("steam",)}, "frozen", r"no stage 'steam'; did you mean stem\? \(stages, stem to head: stem, middle"),
    ({"frozen": ("stem", "xyz")}, "frozen", "no stage 'xyz'; stages, stem to head: stem, middle, head"),
    ({"frozen": ("stem", "middle", "head")}, "frozen", "nothing is left to learn"),
    ({"frozen": ("stem", "middle", "head"), "thaw": 0.5}, "frozen", "nothing is left to learn"),
    ({"thaw": 0.5}, "thaw", "without `frozen`"),
    *(({"frozen": ("stem",), "thaw": value}, "thaw", "share of the run") for value in (0.0, 1.0, -1.0, float("nan"))),
    ({"first": 0.1, "rest": 0.1}, "rest", "keep one"),
    *(({key: value}, key, "above 0") for key in ("head", "first", "rest") for value in (0.0, -1.0, float("inf"))),
]


@pytest.mark.parametrize(("options", "key", "words"), WRONG)
def test_what_is_wrong_is_told_by_name(model: SegModel, options: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(BenchError) as caught:
        by_stage(model, **options)
    assert caught.value.key == f"groups.{key}"
    assert re.search(words, str(caught.value))
    assert all(parameter.requires_grad for parameter in model.parameters()), "nothing was put to rest on the way"
