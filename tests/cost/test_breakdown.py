"""The parts of a network add up to the whole, in every column, and stand where the network does the work."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bench.cost.breakdown import ELSEWHERE, Row, break_down, describe, stages
from bench.cost.counts import Counts, count, count_parameters
from bench.cost.published import IMAGES, origins
from bench.models import make_model

from .nets import HEAD, NORM, STEM, Attention, TwoHeads
from .test_counts import state

SHAPE = (1, 3, 64, 96)
PIXELS = 64 * 96


@functools.cache
def graph(name: str, deployed: bool) -> tuple[nn.Module, Counts]:
    with torch.device("meta"):
        model: Any = make_model(name, 7)
    model = model.deployed() if deployed else model
    return model, count(model, SHAPE)


def sums(rows: tuple[Row, ...]) -> tuple[int, int, int]:
    return tuple(sum(getattr(row, column) or 0 for row in rows) for column in ("parameters", "macs", "fvcore"))


@pytest.mark.parametrize("by", ["stage", "module"])
@pytest.mark.parametrize("deployed", [True, False], ids=["deployed", "training"])
@pytest.mark.parametrize("name", ["pidnet_s", "unet_resnet18"])
def test_the_rows_add_up(name: str, deployed: bool, by: Any) -> None:
    model, counts = graph(name, deployed)
    assert sums(break_down(model, SHAPE, by, counts)) == (count_parameters(model), counts.macs, counts.fvcore.total)


@pytest.mark.parametrize("name", ["pidnet_s", "unet_resnet18"])
def test_operators_add_up_and_uncounted_ones_are_listed(name: str) -> None:
    model, counts = graph(name, True)
    rows = break_down(model, SHAPE, "operator", counts)
    assert sums(rows)[1:] == (counts.macs, counts.fvcore.total)
    assert {row.name: row.macs for row in rows if row.macs} == {"conv": counts.macs}
    assert {"aten::" + row.name: row.met for row in rows if row.met} == counts.fvcore.uncounted


def test_stages_follow_the_network_from_input_to_output() -> None:
    model, counts = graph("pidnet_s", False)
    rows = break_down(model, SHAPE, "stage", counts)
    assert [row.name for row in rows] == [name for name, _ in stages(model)] + [ELSEWHERE]
    resized = rows[-1]  # between its branches PIDNet resizes maps, and nothing else
    assert (resized.parameters, resized.macs) == (0, 0)
    assert resized.fvcore == 4 * (8 * 12) * (32 + 64 + 128)


def test_heads_that_only_training_needs_are_in_the_training_graph_alone() -> None:
    heads = []
    for deployed in (False, True):
        model, counts = graph("pidnet_s", deployed)
        heads += [row for row in break_down(model, SHAPE, "stage", counts) if row.name == "head"]
    assert heads[0].parameters - heads[1].parameters == 93_672
    assert heads[0].macs > heads[1].macs > 0


def test_a_network_without_stages_is_divided_into_its_children() -> None:
    rows = break_down(TwoHeads(), SHAPE, "stage")
    assert [(row.name, row.macs) for row in rows] == [
        ("stem", PIXELS * STEM),
        ("norm", 0),
        ("head", PIXELS * HEAD),
        ("aux", PIXELS * HEAD),
    ]
    assert rows[1].fvcore == PIXELS * NORM


def test_modules_are_named_as_in_the_network_and_described() -> None:
    model, counts = graph("pidnet_s", True)
    rows = break_down(model, SHAPE, "module", counts)
    by_name = {row.name: row for row in rows}
    assert by_name["conv1.0"].what == "Conv2d 3x3, 3 -> 32, stride 2"
    assert by_name[ELSEWHERE].what == "PIDNet"
    assert set(by_name) - {ELSEWHERE} <= {name for name, _ in model.model.named_modules()}
    assert describe(nn.Conv2d(8, 8, 3, groups=8, dilation=2)) == "Conv2d 3x3, 8 -> 8, dilation 2, 8 groups"
    assert describe(nn.Linear(3, 4)) == "Linear, 3 -> 4"


class Shared(nn.Module):
    """One layer called from two places, resizing in the root, a tied weight."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.Conv2d(3, 3, 3, padding=1)
        self.first, self.second = nn.Sequential(layer, nn.BatchNorm2d(3)), nn.Sequential(layer)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return F.interpolate(self.second(self.first(images)), scale_factor=2.0)


@pytest.mark.parametrize("by", ["stage", "module"])
def test_a_layer_in_two_places_counts_its_weights_once_and_its_work_twice(by: Any) -> None:
    model, counts = Shared(), count(Shared(), SHAPE)
    assert counts.macs == 2 * 81 * PIXELS
    rows = break_down(model, SHAPE, by, counts)
    assert sums(rows) == (count_parameters(model), counts.macs, counts.fvcore.total)
    assert all(value >= 0 for row in rows for value in (row.parameters, row.macs, row.fvcore))


def test_without_fvcores_sum_the_multiply_adds_remain() -> None:
    for by in ("stage", "module", "operator"):
        rows = break_down(Attention(), (1, 3, 8, 8), by)
        assert sum(row.macs for row in rows) == 2 * 3 * 3 * 64
        assert {row.fvcore for row in rows} == {None}


def test_breaking_down_changes_nothing() -> None:
    net = TwoHeads().train()
    net.stem.eval()
    before = state(net)
    for by in ("stage", "module", "operator"):
        break_down(net, (1, 3, 8, 8), by)
    assert state(net) == before


def test_two_published_figures_are_reproduced_to_the_digit() -> None:
    def build(*args: Any, **options: Any) -> nn.Module:
        with torch.device("meta"):
            return make_model(*args, **options)

    deeplab, pidnet = origins(build)
    assert deeplab.batch == IMAGES * deeplab.fvcore == 1_110_090_932_736
    assert f"{deeplab.batch / 1e12:.2f}T" == deeplab.printed
    assert pidnet.batch == 37_902_200_832
    assert f"{pidnet.batch / 1e9:.3f}G" == pidnet.printed
    assert (deeplab.deployed_macs, pidnet.deployed_macs) == (184_519_925_760, 5_893_029_888)
    assert (deeplab.macs, pidnet.macs) == (184_519_925_760, 6_274_318_336)
