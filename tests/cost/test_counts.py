"""Counts are exact, come from counters that agree, and leave the network as it was."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch._ops import HigherOrderOperator
from torch.nn import functional as F
from torch.utils import flop_counter
from torch.utils.flop_counter import FlopCounterMode

from bench.cost import tracing, watching
from bench.cost.copies import twin
from bench.cost.counts import (
    count,
    count_fvcore,
    count_macs,
    count_parameters,
    parameters,
    winograd_macs,
)
from bench.models import MODELS, make_model
from bench.spec import BenchError

from .nets import HEAD, NORM, STEM, Attention, Prior, TwoHeads

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


@pytest.mark.parametrize("counter", [count_macs, count_fvcore, winograd_macs, count])
def test_counting_changes_nothing(counter: Any) -> None:
    net = TwoHeads().train()
    net.stem.eval()
    before = state(net)
    counter(net, (2, 3, 16, 16))
    assert state(net) == before


def test_a_naive_count_in_train_mode_moves_the_statistics() -> None:
    """The negative control of the test above."""
    net = TwoHeads().train()
    before = state(net)
    with FlopCounterMode(display=False):
        net(torch.ones(2, 3, 16, 16))
    assert state(net) != before


@pytest.mark.parametrize("counter", [count_macs, count_fvcore])
def test_a_pass_that_fails_says_so_in_one_line_and_leaves_no_hook(counter: Any) -> None:
    net = TwoHeads().train()
    before = state(net)
    with pytest.raises(BenchError, match="the forward pass that counts operations fails") as caught:
        counter(net, (1, 4, 16, 16))
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
        count(Prior(), (1, 3, 4, 4))
    assert count(TwoHeads(), (6, 3, 4, 4)).macs == count_macs(TwoHeads(), (1, 3, 4, 4))


def test_every_counter_is_linear_in_the_batch() -> None:
    net = TwoHeads()
    for counter in (count_macs, winograd_macs, lambda *a: count_fvcore(*a)[0]):
        assert counter(net, (6, 3, 16, 16)) == 6 * counter(net, (1, 3, 16, 16))


# ------------------------------------------------------------------ the three networks

FIGURES = [
    # name, parameters, multiply-adds, fvcore's sum of one 512 x 512 image, training heads included
    ("deeplabv2_resnet101", 43_016_284, 184_519_925_760, 185_007_815_424),
    ("pidnet_s", 7_717_839, 6_274_318_336, 6_317_033_472),
    ("unet_resnet18", 14_329_079, 21_818_769_408, 21_893_480_448),
]


@pytest.mark.parametrize(("name", "held", "macs", "fvcore"), FIGURES)
def test_exact_figures(name: str, held: int, macs: int, fvcore: int) -> None:
    seen, traced = readings(name, 1)
    assert count_parameters(network(name)) == held
    assert (sum(seen.flops.values()) // 2, traced.total) == (macs, fvcore)
    assert "aten::add" in traced.uncounted


def test_a_deployed_pidnet_is_the_one_without_auxiliary_heads() -> None:
    counts = count(network("pidnet_s").deployed(), SHAPE)
    assert count_parameters(network("pidnet_s").deployed()) == 7_624_167
    assert (counts.macs, counts.fvcore.total) == (5_893_029_888, 5_933_385_728)


def vector_cases() -> list[Any]:
    file = VECTORS / "counts.json"
    if not file.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no counts.json: set BENCH_VECTORS"))]
    return [pytest.param(case, id=case["id"]) for case in json.loads(file.read_text()) if case["mode"] == "eval"]


@pytest.mark.parametrize("case", vector_cases())
def test_reference_counts_without_values(case: dict[str, Any]) -> None:
    with torch.device("meta"):
        model = make_model(case["arch"], case["num_classes"], **case["options"])
    shape = tuple(case["shape"])
    assert count_parameters(model) == case["params"]
    traced = tracing.trace(model, shape)
    assert (traced.rows[""], traced.total) == (case["fvcore_by_op"], case["fvcore_total"])
    if shape == SHAPE:  # any other size and batch takes another half a second and no other way
        assert sum(watching.watch(model, shape).flops.values()) == case["torch_flops"] == 2 * case["conv_macs"]


# ------------------------------------------------------------------ three counters, every registered network


def by_module_attributes(model: nn.Module, shape: tuple[int, ...]) -> int:
    """A fourth opinion: multiply-adds from what each layer says of itself and the map that came out of it."""
    found = []

    def layer(part: Any, inputs: Any, output: torch.Tensor) -> None:
        if isinstance(part, nn.Linear):
            found.append(output.numel() * part.in_features)
            return
        window = part.kernel_size[0] * part.kernel_size[1]
        grown = isinstance(part, nn.ConvTranspose2d)  # each of its inputs is spread over a window
        each = inputs[0].numel() * part.out_channels if grown else output.numel() * part.in_channels
        found.append(window * each // part.groups)

    copied = twin(model, "meta")
    for part in copied.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            part.register_forward_hook(layer)
    with torch.no_grad():
        copied(torch.zeros(shape, device="meta"))
    return sum(found)


@functools.cache
def network(name: str) -> nn.Module:
    with torch.device("meta"):
        return make_model(name, 7)


@functools.cache
def readings(name: str, images: int) -> tuple[watching.Watched, tracing.Traced]:
    shape = (images, *SHAPE[1:])
    return watching.watch(network(name), shape), tracing.trace(network(name), shape)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_all_counters_agree_on_every_network(name: str) -> None:
    found = []
    for images in (1, 2):
        seen, traced = readings(name, images)
        macs = sum(product.macs for product in seen.products)
        assert sum(seen.flops.values()) == 2 * macs > 0
        assert traced.macs == macs
        assert (traced.convolutions == macs) is not any(isinstance(part, nn.Linear) for part in network(name).modules())
        found.append((macs, traced.total))
    assert found[1] == (2 * found[0][0], 2 * found[0][1])
    assert by_module_attributes(network(name), SHAPE) == found[0][0]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_fvcore_says_without_values_what_it_says_with_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = tracing.trace(network(name), (1, 3, 64, 64), values=True)
    monkeypatch.setattr(tracing, "attempt", lambda *a: pytest.fail("a pass with values"))
    assert tracing.trace(network(name), (1, 3, 64, 64)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MODELS))
def test_fvcore_says_without_values_what_it_says_with_them_at_full_size(name: str) -> None:
    model = make_model(name, 7)
    for graph in (model, model.deployed()):
        assert tracing.trace(graph, SHAPE) == tracing.trace(graph, SHAPE, values=True)


def test_a_network_that_cannot_be_traced_without_values_is_traced_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the detour every convolution is such a case: the control of the test above."""
    expected = tracing.trace(TwoHeads(), (1, 3, 16, 16))
    monkeypatch.setattr(tracing, "_TraceableConvolutions", contextlib.nullcontext)
    assert tracing.trace(TwoHeads(), (1, 3, 16, 16)) == expected
    assert tracing.trace(TwoHeads().to("meta"), (1, 3, 16, 16)) == expected
    monkeypatch.setattr(tracing, "attempt", lambda *a: pytest.fail("a pass with values"))
    with pytest.raises(pytest.fail.Exception, match="a pass with values"):
        tracing.trace(TwoHeads(), (1, 3, 16, 16))


LAYERS = {
    "1d": (nn.Conv1d(3, 4, 3, padding=1), (2, 3, 20)),
    "3d": (nn.Conv3d(3, 4, (1, 2, 3), stride=(1, 2, 1)), (2, 3, 5, 6, 7)),
    "uneven": (nn.Conv2d(3, 4, (3, 5), stride=(2, 1), padding=(0, 2), dilation=(1, 2)), (2, 3, 20, 24)),
    "grouped": (nn.Conv2d(6, 12, 3, groups=3), (2, 6, 20, 24)),
    "depthwise": (nn.Conv2d(6, 6, 3, groups=6, padding="same"), (2, 6, 20, 24)),
    "same": (nn.Conv2d(3, 4, 5, padding="same", dilation=2), (2, 3, 20, 24)),
    "valid": (nn.Conv2d(3, 4, 5, padding="valid"), (2, 3, 20, 24)),
    "circular": (nn.Conv2d(3, 4, 5, padding=2, padding_mode="circular"), (2, 3, 20, 24)),
    "transposed": (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), (2, 4, 10, 12)),
    "transposed 1d": (nn.ConvTranspose1d(4, 6, 3, dilation=2), (2, 4, 10)),
    "linear": (nn.Linear(5, 7), (2, 3, 5)),
    "linear without bias": (nn.Linear(5, 7, bias=False), (2, 5)),
}


@pytest.mark.parametrize("which", LAYERS)
def test_all_counters_agree_on_every_kind_of_layer(which: str) -> None:
    layer, shape = LAYERS[which]
    counts = count(layer, shape)
    assert counts.macs > 0
    assert counts.fvcore_refused == ""
    assert tracing.trace(layer, shape) == tracing.trace(layer, shape, values=True) or which in (
        "same",
        "depthwise",
        "valid",
    )


def test_a_convolution_outside_a_layer_is_counted() -> None:
    class Sobel(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return F.conv2d(images, torch.ones(1, 3, 3, 3, device=images.device), padding=1)

    assert count(Sobel(), (1, 3, 8, 8)).macs == 27 * 64


def test_attention_written_as_one_call_is_counted_but_not_by_fvcore() -> None:
    counts = count(Attention(), (1, 3, 8, 8))
    assert counts.macs == 2 * 3 * 3 * 64
    assert counts.fvcore is None
    assert "unknown to it: aten::scaled_dot_product_attention" in counts.fvcore_refused
    block = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    assert count(block, (1, 5, 8)).macs == 5 * 8 * (3 * 8 + 8 + 16 + 16) + 2 * 5 * 5 * 8
    assert torch.backends.mha.get_fastpath_enabled()


def test_reference_networks_of_the_literature() -> None:
    from torchvision import models

    for build, macs, held in (
        (models.resnet18, 1_814_073_344, 11_689_512),
        (models.resnet101, 7_801_405_440, 44_549_160),
    ):
        with torch.device("meta"):
            model = build(weights=None)
        assert (count(model, (1, 3, 224, 224)).macs, count_parameters(model)) == (macs, held)


# ------------------------------------------------------------------ a counter that is wrong is caught


def doubled(formula: Any) -> Any:
    def wrong(*args: Any, **options: Any) -> Any:
        found = formula(*args, **options)
        return (2 * found[0], found[1]) if isinstance(found, tuple) else found + found

    return wrong


def test_a_wrong_formula_of_torch_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    packet = torch.ops.aten.convolution
    monkeypatch.setitem(flop_counter.flop_registry, packet, doubled(flop_counter.flop_registry[packet]))
    with pytest.raises(BenchError, match=r"the multiply-adds of 'convolution': torch 37,888, shapes 18,944"):
        count(TwoHeads(), (1, 3, 8, 8))


def test_a_wrong_closed_form_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(watching._FORMULAS, "convolution", doubled(watching._FORMULAS["convolution"]))
    with pytest.raises(BenchError, match=r"torch 18,944, shapes 37,888"):
        count(TwoHeads(), (1, 3, 8, 8))


def test_a_wrong_handle_of_fvcore_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    tracing.trace(TwoHeads(), (1, 3, 8, 8))  # imports fvcore, which would warn here
    from fvcore.nn.flop_count import _DEFAULT_SUPPORTED_OPS as handles

    name = "aten::_convolution"
    monkeypatch.setitem(handles, name, doubled(handles[name]))
    with pytest.raises(BenchError, match=r"'convolution': torch 18,944, fvcore 37,888"):
        count(TwoHeads(), (1, 3, 8, 8))


def test_a_count_that_forgets_the_batch_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    one_image = watching.watch(TwoHeads(), (1, 3, 8, 8))
    monkeypatch.setattr("bench.cost.counts.watch", lambda *a: one_image)
    with pytest.raises(BenchError, match="a figure per image would mislead"):
        count(TwoHeads(), (1, 3, 8, 8))


# ------------------------------------------------------------------ operators that nobody counts


@torch.library.custom_op("bench_tests::blend", mutates_args=())
def blend(images: torch.Tensor) -> torch.Tensor:
    return images @ images.transpose(-1, -2)


@blend.register_fake
def _(images: torch.Tensor) -> torch.Tensor:
    return images.new_empty(*images.shape[:-1], images.shape[-2])


class Odd(HigherOrderOperator):
    """An operator over functions, as flex_attention is one, that no counter has a rule for."""

    def __init__(self) -> None:
        super().__init__("bench_tests_odd")

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return super().__call__(images)


odd = Odd()
odd.py_impl(torch._C.DispatchKey.CompositeExplicitAutograd)(lambda images: images * 2)


@odd.py_impl(torch._C.DispatchKey.Autograd)
def _(images: torch.Tensor) -> torch.Tensor:
    with torch._C._AutoDispatchBelowAutograd():
        return odd(images)


def deformed(images: torch.Tensor) -> torch.Tensor:
    from torchvision.ops import deform_conv2d

    offset = images.new_zeros(len(images), 18, *images.shape[2:])
    return deform_conv2d(images, offset, images.new_zeros(4, 3, 3, 3), padding=1)


UNCOUNTED = {
    "bench_tests.blend": lambda images: blend(images),
    "bench_tests_odd": odd,
    "torchvision.deform_conv2d": deformed,
    "aten.mv": lambda images: torch.mv(images[0, 0], images[0, 0, 0]),
    "aten.dot": lambda images: torch.dot(images[0, 0, 0], images[0, 0, 1]),
    "aten._fft_r2c": lambda images: torch.fft.rfft2(images).real,
    "aten._cdist_forward": lambda images: torch.cdist(images, images),
}


class Calls(nn.Module):
    """A network that does one thing."""

    def __init__(self, what: Any) -> None:
        super().__init__()
        self.what = what

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.what(images)


@pytest.mark.parametrize("name", UNCOUNTED)
@pytest.mark.parametrize("counter", [count, count_macs, count_fvcore, winograd_macs])
def test_an_operator_that_nobody_counts_is_named(name: str, counter: Any) -> None:
    with pytest.raises(BenchError) as caught:
        counter(Calls(UNCOUNTED[name]), (1, 3, 8, 8))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_operator_that_multiplies_nothing_is_no_reason_to_refuse() -> None:
    harmless = Calls(lambda images: F.gelu(images.cumsum(2).softmax(1).bfloat16().float().roll(1, 2)).sort(-1).values)
    assert count(harmless, (1, 3, 8, 8)).macs == 0


def test_the_formula_a_user_gives_is_believed() -> None:
    @torch.library.custom_op("bench_tests::gain", mutates_args=())
    def gain(images: torch.Tensor) -> torch.Tensor:
        return images * 2

    gain.register_fake(torch.empty_like)
    with pytest.raises(BenchError, match="register_flop_formula"):
        count(Calls(lambda images: gain(images)), (1, 3, 8, 8))
    packet = torch.ops.bench_tests.gain
    flop_counter.register_flop_formula(packet)(lambda shape, out_shape=None, **_: 2 * shape.numel())
    try:
        assert count(Calls(lambda images: gain(images)), (1, 3, 8, 8)).macs == 192
    finally:
        del flop_counter.flop_registry[packet]


def test_words_that_only_look_heavy() -> None:
    heavy = "aten::_convolution aten::conv2d aten::mkldnn_convolution aten::_sparse_mm aten::_int_mm aten::bilinear"
    light = "aten::upsample_bilinear2d aten::linspace prims::convert_element_type aten::add aten::comm aten::norm"
    assert all(map(watching.is_heavy, [*heavy.split(), "aten::_native_multi_head_attention", "mine::relu", "odd::x"]))
    assert not any(map(watching.is_heavy, light.split()))


# ------------------------------------------------------------------ Winograd


@pytest.mark.parametrize(
    ("layer", "eligible"),
    [
        (nn.Conv2d(3, 8, 3), True),
        (nn.Conv2d(3, 8, 3, padding="same", bias=False), True),
        (nn.Conv2d(3, 8, 3, stride=2), False),
        (nn.Conv2d(3, 8, 3, stride=(1, 2)), False),
        (nn.Conv2d(3, 8, 3, dilation=2), False),
        (nn.Conv2d(3, 3, 3, groups=3), False),
        (nn.Conv2d(3, 8, 1), False),
        (nn.Conv2d(3, 8, 5), False),
        (nn.Conv2d(3, 8, (1, 3)), False),
        (nn.ConvTranspose2d(3, 8, 3), False),
    ],
    ids=str,
)
def test_which_convolutions_winograd_shortens(layer: nn.Module, eligible: bool) -> None:
    macs = count_macs(layer, (1, 3, 12, 16))
    assert winograd_macs(layer, (1, 3, 12, 16)) == (macs // 4 if eligible else macs)


def test_winograd_leaves_a_quarter_of_what_is_eligible() -> None:
    pixels = 16 * 24
    assert winograd_macs(TwoHeads(), (1, 3, 16, 24)) == pixels * (STEM // 4 + 2 * HEAD)
    assert count(TwoHeads(), (1, 3, 16, 24)).winograd_macs == pixels * (STEM // 4 + 2 * HEAD)


def test_bounds_of_the_published_rows_on_a_t4(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two FLOP per multiply-add at 8.1 TFLOP/s: 44.8 ms and 0.56 ms, where 4.032 ms and 5.090 ms were published."""
    for name, expected in (("deeplabv2_resnet101", 44.8), ("pidnet_s", 0.56)):
        monkeypatch.setattr("bench.cost.counts.watch", lambda *a, name=name: readings(name, 1)[0])
        assert 2 * winograd_macs(network(name), SHAPE) / 8.1e9 == pytest.approx(expected, abs=0.05)


# ------------------------------------------------------------------ parameters


def test_what_a_network_holds() -> None:
    net = TwoHeads()
    net.aux.requires_grad_(False)
    held = parameters(net.half())
    assert held.total == STEM + 16 + 2 * 45
    assert held.trainable == held.total - 45
    assert held.bytes == 2 * held.total
    assert (held.buffers, held.buffer_bytes) == (8 + 8 + 1, 2 * 16 + 8)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_deployed_network_never_holds_more(name: str) -> None:
    deployed, training = parameters(network(name).deployed()), parameters(network(name))
    assert 0 < deployed.total <= training.total
    assert training.bytes == 4 * training.total
