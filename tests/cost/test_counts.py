"""Counts are exact, come from two counters that agree, and leave the network as it was."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bench.cost.counts import count_fvcore, count_macs, count_parameters, macs_per_image, twin
from bench.models import make_model
from bench.spec import BenchError

from .nets import HEAD, NORM, STEM, Attention, Prior, Resized, TwoHeads

SHAPE = (1, 3, 512, 512)
VECTORS = Path(os.environ.get("BENCH_VECTORS", Path(__file__).parents[3] / "shared" / "vectors"))


def state(model: nn.Module) -> tuple[Any, ...]:
    """Everything a count could leave behind: weights and statistics, modes, hooks, gradients."""
    tensors = hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in model.state_dict().values())).hexdigest()
    parts = [(m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    return tensors, parts, [p.grad is None for p in model.parameters()]


# ------------------------------------------------------------------ by hand


def test_small_net_by_hand() -> None:
    net, pixels = TwoHeads(), 16 * 24
    assert count_macs(net, (1, 3, 16, 24)) == pixels * (STEM + 2 * HEAD)
    assert count_macs(net.deployed(), (1, 3, 16, 24)) == pixels * (STEM + HEAD)
    assert count_fvcore(net, (1, 3, 16, 24)) == (pixels * (STEM + 2 * HEAD + NORM), {})
    assert count_parameters(net) == STEM + 16 + 2 * 45
    assert count_parameters(net.deployed()) == STEM + 16 + 45


def test_a_tensor_used_twice_counts_once_and_a_buffer_never() -> None:
    tied = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4, affine=False))
    assert count_parameters(tied) == 32
    tied[1].weight = tied[0].weight
    assert count_parameters(tied) == 16
    assert count_macs(tied, (1, 4)) == 32  # but is multiplied twice


def test_linear_and_grouped_layers_agree_between_the_counters() -> None:
    net = nn.Sequential(nn.Conv2d(3, 12, 3, groups=3), nn.Flatten(), nn.Linear(12 * 6 * 6, 7))
    macs = 36 * 12 * 9 + 12 * 36 * 7
    assert count_macs(net, (1, 3, 8, 8)) == macs
    assert count_fvcore(net, (1, 3, 8, 8))[0] == macs


# ------------------------------------------------------------------ nothing is left behind


@pytest.mark.parametrize("count", [count_macs, count_fvcore, macs_per_image])
def test_counting_changes_nothing(count: Any) -> None:
    net = TwoHeads().train()
    net.stem.eval()
    before = state(net)
    count(net, (2, 3, 16, 16))
    assert state(net) == before


def test_a_naive_count_in_train_mode_moves_the_statistics() -> None:
    """The negative control of the test above."""
    net = TwoHeads().train()
    before = state(net)
    with FlopCounterMode(display=False):
        net(torch.ones(2, 3, 16, 16))
    assert state(net) != before


@pytest.mark.parametrize("count", [count_macs, count_fvcore])
def test_a_pass_that_fails_says_so_in_one_line_and_leaves_no_hook(count: Any) -> None:
    net = TwoHeads().train()
    before = state(net)
    with pytest.raises(BenchError, match="the forward pass that counts operations fails") as caught:
        count(net, (1, 4, 16, 16))
    assert "\n" not in str(caught.value)
    assert state(net) == before


def test_no_values_are_needed_or_made() -> None:
    net = TwoHeads().to("meta")
    assert count_macs(net, (1, 3, 8, 8)) == 64 * (STEM + 2 * HEAD)
    assert all(tensor.is_meta for tensor in twin(TwoHeads(), "meta").state_dict().values())
    net = TwoHeads()
    assert all(a is b for a, b in zip(twin(net).parameters(), net.parameters(), strict=True))


def test_tensors_that_are_neither_parameter_nor_buffer_are_followed() -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mean, self.conv = torch.zeros(1, 3, 1, 1), nn.Conv2d(3, 2, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.conv(images - self.mean)

    assert count_macs(Shifted(), (1, 3, 4, 4)) == 96


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_counts_do_not_depend_on_the_precision(dtype: torch.dtype) -> None:
    net = TwoHeads()
    plain = count_macs(net, (1, 3, 8, 8)), count_fvcore(net, (1, 3, 8, 8))
    net.autocast_dtype = dtype
    assert (count_macs(net, (1, 3, 8, 8)), count_fvcore(net, (1, 3, 8, 8))) == plain
    assert net.autocast_dtype is dtype


# ------------------------------------------------------------------ figures that are refused


def test_a_sum_of_fvcore_that_misses_multiply_adds_is_refused() -> None:
    assert count_macs(Attention(), (1, 3, 8, 8)) > 0
    with pytest.raises(BenchError, match="fvcore counts 0 multiply-adds where torch counts"):
        count_fvcore(Attention(), (1, 3, 8, 8))


def test_a_net_that_does_not_count_per_image_is_refused() -> None:
    with pytest.raises(BenchError, match="a figure per image would mislead"):
        macs_per_image(Prior(), (1, 3, 4, 4))
    assert macs_per_image(TwoHeads(), (6, 3, 4, 4)) == count_macs(TwoHeads(), (1, 3, 4, 4))


def test_both_counters_are_linear_in_the_batch() -> None:
    net = TwoHeads()
    for count in (count_macs, lambda *a: count_fvcore(*a)[0]):
        assert count(net, (6, 3, 16, 16)) == 6 * count(net, (1, 3, 16, 16))


# ------------------------------------------------------------------ the three networks

FIGURES = [
    # name, options, parameters, multiply-adds, fvcore's sum of one 512 x 512 image
    ("pidnet_s", {"aux": True}, 7_717_839, 6_274_318_336, 6_317_033_472),
    ("pidnet_s", {"aux": False}, 7_624_167, 5_893_029_888, 5_933_385_728),
    ("unet_resnet18", {}, 14_329_079, 21_818_769_408, 21_893_480_448),
]


@pytest.mark.parametrize(("name", "options", "parameters", "macs", "fvcore"), FIGURES)
def test_exact_figures(name: str, options: dict[str, Any], parameters: int, macs: int, fvcore: int) -> None:
    model = make_model(name, 7, **options)
    assert count_parameters(model) == parameters
    assert macs_per_image(model, SHAPE) == macs
    total, uncounted = count_fvcore(model, SHAPE)
    assert total == fvcore
    assert "aten::add" in uncounted


def test_a_deployed_pidnet_is_the_one_without_auxiliary_heads() -> None:
    deployed = make_model("pidnet_s", 7).deployed()
    assert (count_parameters(deployed), count_macs(deployed, SHAPE)) == (7_624_167, 5_893_029_888)


def test_the_published_pidnet_figure_counts_six_images_with_training_heads() -> None:
    model = make_model("pidnet_s", 7, aux=True)
    assert count_fvcore(model, (6, 3, 512, 512))[0] == 37_902_200_832
    assert count_macs(model, (6, 3, 512, 512)) == 37_645_910_016


def test_the_published_deeplab_figure_counts_six_images_resized_to_the_input() -> None:
    model = make_model("deeplabv2_resnet101", 7, variant="caffe")
    assert count_parameters(model) == 43_016_284
    assert macs_per_image(model, SHAPE) == 184_519_925_760
    assert 6 * count_fvcore(Resized(model), SHAPE)[0] == 1_110_090_932_736


@pytest.mark.slow
def test_deeplab_six_images_traced_as_published() -> None:
    model = make_model("deeplabv2_resnet101", 7, variant="caffe")
    assert count_fvcore(model, (6, 3, 512, 512))[0] == 1_110_046_892_544
    assert count_fvcore(Resized(model), (6, 3, 512, 512))[0] == 1_110_090_932_736


def vector_cases() -> list[Any]:
    file = VECTORS / "counts.json"
    if not file.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no counts.json: set BENCH_VECTORS"))]
    return [pytest.param(case, id=case["id"]) for case in json.loads(file.read_text()) if case["mode"] == "eval"]


@pytest.mark.parametrize("case", vector_cases())
def test_reference_counts_without_values(case: dict[str, Any]) -> None:
    with torch.device("meta"):
        model = make_model(case["arch"], case["num_classes"], **case["options"])
    assert count_parameters(model) == case["params"]
    assert count_macs(model, tuple(case["shape"])) == case["conv_macs"]
