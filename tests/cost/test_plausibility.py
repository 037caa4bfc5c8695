"""Rows that were published and cannot be true are refused, true ones are not; every limit is where it is said to be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cost import rules
from bench.cost.peaks import peak, winograd
from bench.cost.plausibility import Judgement, judge, unsteady
from bench.cost.statistics import describe
from bench.spec import Component
from bench.spec.timing import Series, Workload

DEEPLAB, DEEPLAB_FEWEST = 184_519_925_760, winograd(184_519_925_760, 4_332_367_872)
PIDNET, PIDNET_FEWEST = 5_893_029_888, winograd(5_893_029_888, 4_945_084_416)
UNET = 21_818_769_408


def work(model: str = "deeplabv2_resnet101", **changes: Any) -> Workload:
    """One image of 512 x 512 in fp32, unless said otherwise."""
    return Workload.model_validate({"model": Component(name=model), "num_classes": 7, "size": (512, 512), **changes})


def steady(median: float, std: float = 0.0) -> Series:
    """A series around `median` with about this standard deviation."""
    return describe([median, median + std, median - std, median] * 30)


def times(e2e: float, *, device: float | None = None, enqueue: float | None = None) -> dict[str, Series]:
    """Series of the times that are given, in ms."""
    given_ = {"e2e": e2e, "device": device, "enqueue": enqueue}
    return {name: steady(ms) for name, ms in given_.items() if ms is not None}


def verdict(
    found: dict[str, Series], workload: Workload | None = None, gpu: str | None = "Tesla T4", **changes: Any
) -> Judgement:
    """`judge`, for DeepLabV2 on a T4 unless said otherwise."""
    asked: dict[str, Any] = {
        "workload": workload or work(),
        "macs": DEEPLAB,
        "winograd_macs": DEEPLAB_FEWEST,
        "weight_bytes": 4 * 43_016_284,
        "io_bytes": 4 * 512 * 512 * 10,
        "gpu_name": gpu,
        "gpu_facts": {},
        **changes,
    }
    return judge(found, **asked)


# ------------------------------------------------------------------ published rows


def test_the_published_deeplab_row_on_a_t4_is_impossible_in_any_float_format() -> None:
    spread = describe([4.032 + 3.59 * (-1) ** i for i in range(100)])
    found = verdict({"e2e": spread})
    assert found.verdict == "impossible"
    assert found.refused == (
        "impossible: 4.03 ms for 184.5 GMAC is 91.5 TFLOP/s, 141 % of the card's peak in its fastest float mode; "
        "wait for the device before the clock stops"
    )
    assert verdict(times(60.0, device=59.9, enqueue=3.0)) == Judgement("ok", (), None)


def test_the_published_pidnet_row_passes_the_roofline_and_fails_by_its_scatter() -> None:
    workload, mine = work("pidnet_s"), {"macs": 6_274_318_336, "winograd_macs": None, "weight_bytes": 30_871_356}
    low, high = 5.090 - 3.142, 5.090 + 3.142
    found = verdict({"e2e": describe([low, high] * 50)}, workload, **mine)
    assert found.verdict == "invalid"
    assert "scatter by 62 % of their mean" in found.refused
    assert verdict(times(5.090), workload, **mine).verdict == "ok"


@pytest.mark.parametrize(("fps", "gmacs"), [(93.2, 47.19), (42.2, 177.33), (31.1, 274.93)])
def test_the_pidnet_papers_own_speeds_are_possible(fps: float, gmacs: float) -> None:
    """PIDNet-S, -M and -L without auxiliary heads, 1024 x 2048, RTX 3090."""
    found = verdict(
        times(1e3 / fps),
        work("pidnet_s", size=(1024, 2048), num_classes=19),
        gpu="NVIDIA GeForce RTX 3090",
        macs=round(gmacs * 1e9),
        winograd_macs=round(0.37 * gmacs * 1e9),
    )
    assert found == Judgement("ok", (), None)


BOUNDS = [
    ("Tesla P100-PCIE-16GB", (39.7, None, 19.7), (1.35, None, 0.67), (4.69, None, 2.33)),
    ("Tesla T4", (45.6, None, 5.68), (1.55, None, 0.19), (5.39, None, 0.67)),
    ("Tesla V100-SXM2-16GB", (23.5, None, 2.95), (0.80, None, 0.10), (2.78, None, 0.35)),
    ("NVIDIA GeForce RTX 2080 Ti", (26.0, None, 6.49), (0.88, None, 0.22), (3.07, None, 0.77)),
    ("NVIDIA A100-SXM4-40GB", (18.9, 2.37, 1.18), (0.64, 0.08, 0.04), (2.24, 0.28, 0.14)),
    ("NVIDIA GeForce RTX 3090", (10.4, 10.4, 5.20), (0.35, 0.35, 0.18), (1.23, 1.23, 0.62)),
    ("NVIDIA L4", (12.2, 6.15, 3.05), (0.41, 0.21, 0.10), (1.44, 0.73, 0.36)),
    ("NVIDIA GeForce RTX 4090", (4.47, 4.47, 2.23), (0.15, 0.15, 0.08), (0.53, 0.53, 0.26)),
    ("NVIDIA GeForce RTX 5090", (3.52, 3.52, 1.76), (0.12, 0.12, 0.06), (0.42, 0.42, 0.21)),
    ("NVIDIA H200", (5.51, 0.75, 0.37), (0.19, 0.025, 0.013), (0.65, 0.088, 0.044)),
    ("NVIDIA B200", (4.61, 0.34, 0.16), (0.16, 0.011, 0.006), (0.55, 0.040, 0.019)),
]


@pytest.mark.parametrize("row", BOUNDS, ids=lambda row: row[0])
def test_lower_bounds_of_one_image_are_recomputed(row: tuple[Any, ...]) -> None:
    """Direct convolution, one image of 512 x 512: DeepLabV2, PIDNet-S with heads, UNet-ResNet18."""
    found = peak(row[0], {})
    for macs, bounds in zip((DEEPLAB, 6_274_318_336, UNET), row[1:], strict=True):
        for flops, bound in zip((found.fp32, found.tf32, found.fp16), bounds, strict=True):
            assert (flops is None) == (bound is None)
            if flops is not None:
                digits = len(str(bound).partition(".")[2])
                assert rules.least_ms(macs, flops) == pytest.approx(bound, abs=0.6 * 10**-digits, rel=0.012)


# ------------------------------------------------------------------ R1 to R4


@given(st.sampled_from(["Tesla T4", "NVIDIA H200", "NVIDIA L4", "Tesla P100-PCIE-16GB"]), st.integers(10**9, 10**13))
def test_halving_a_time_flips_the_verdict_exactly_at_the_bound(card: str, macs: int) -> None:
    bound = rules.least_ms(macs, peak(card, {}).fastest) / rules.TOLERANCE
    asked: dict[str, Any] = {"gpu": card, "macs": macs, "winograd_macs": macs, "weight_bytes": 0, "io_bytes": 0}
    assert "fastest float mode" not in (verdict(times(1.0001 * bound), **asked).refused or "")
    for below in (0.9999, 0.5):
        refused = verdict(times(below * bound), **asked)
        assert refused.verdict == "impossible"
        assert "fastest float mode" in refused.refused


def test_a_batch_is_that_many_images() -> None:
    assert verdict(times(60.0), work(batch=1)).verdict == "ok"
    assert verdict(times(60.0), work(batch=8)).verdict == "impossible"
    assert verdict(times(480.0), work(batch=8)).verdict == "ok"


def test_less_than_the_declared_precision_needs() -> None:
    found = verdict(times(10.0))
    assert (found.verdict, found.flags) == ("impossible", ("not fp32",))
    assert "10.0 ms where the card needs at least 44.8 ms; a lower precision was on" in found.refused
    assert verdict(times(10.0), work(precision="fp16")).verdict == "ok"
    assert verdict(times(3.0), gpu="NVIDIA A100-SXM4-40GB").flags == ("not fp32",)
    assert verdict(times(3.0), work(precision="tf32"), gpu="NVIDIA A100-SXM4-40GB").verdict == "ok"


def test_winograd_is_allowed_for() -> None:
    """UNet's 3x3 convolutions may run in a quarter of the direct count, and then beat its bound of 5.39 ms."""
    mine = {"workload": work("unet_resnet18"), "macs": UNET, "weight_bytes": 57_316_316}
    fewest = winograd(UNET, 20_195_573_760)
    found = verdict(times(4.0), **mine, winograd_macs=fewest)
    assert (found.verdict, found.refused) == ("suspect", None)
    assert verdict(times(4.0), **mine, winograd_macs=None).verdict == "suspect"  # all of it might be
    assert verdict(times(4.0), **mine, winograd_macs=UNET).verdict == "impossible"
    assert verdict(times(1.1), **mine, winograd_macs=fewest).verdict == "impossible"


def test_a_card_that_lacks_the_precision_is_not_checked_against_it() -> None:
    found = verdict(times(10.0), work(precision="tf32"))
    assert (found.verdict, found.flags) == ("not checked", ("no tf32 peak known",))


def test_efficiency_at_its_limits() -> None:
    at_peak = rules.least_ms(DEEPLAB, 8.1e12)
    assert verdict(times(at_peak / 0.899), winograd_macs=DEEPLAB).verdict == "ok"
    assert verdict(times(at_peak / 0.901), winograd_macs=DEEPLAB).verdict == "suspect"
    assert verdict(times(at_peak / 0.0101)).verdict == "ok"
    slow = verdict(times(at_peak / 0.0099))
    assert (slow.verdict, slow.flags) == ("suspect", ("slow (0.99 % of peak)",))


def test_a_slow_row_is_excused_by_its_launches() -> None:
    mine = {"workload": work("pidnet_s"), "macs": PIDNET, "winograd_macs": PIDNET_FEWEST, "gpu": "NVIDIA B200"}
    assert verdict(times(30.0, device=30.0, enqueue=29.5), **mine) == Judgement("launch-bound", ("launch-bound",), None)
    assert verdict(times(30.0, device=30.0, enqueue=2.0), **mine).verdict == "suspect"


def test_memory_bounds_only_what_the_cache_cannot_hold() -> None:
    tiny = {"macs": 10**6, "winograd_macs": 10**6, "io_bytes": 0}
    # 320 MB at 320 GB/s are 1 ms; 4 MB of them may lie in the cache.
    edge = (1 - 4 / 320) / rules.TOLERANCE
    refused = verdict(times(0.999 * edge), weight_bytes=320_000_000, **tiny).refused
    assert "memory needs at least 0.988 ms for 316 MB of weights and images" in refused
    assert verdict(times(1.001 * edge), weight_bytes=320_000_000, **tiny).refused is None
    assert verdict(times(0.001), weight_bytes=4_000_000, **tiny).refused is None


def test_unknown_cards_and_processors_are_never_ok() -> None:
    assert verdict(times(50.0), gpu="a new card") == Judgement("not checked", ("peak not checked",), None)
    assert verdict(times(500.0), gpu=None) == Judgement("not checked", (), None)
    assert verdict(times(50.0), macs=None).verdict == "not checked"
    assert verdict({}).verdict == "not checked"
    chip = {"capability": "7.5", "sm_count": 40, "max_sm_clock_mhz": 1590}
    assert verdict(times(4.0), gpu="a new card", gpu_facts=chip).verdict == "impossible"


# ------------------------------------------------------------------ R5 to R9


def test_batches_that_take_one_and_the_same_time() -> None:
    siblings = [(work(batch=b), times(4.0 + b / 100, enqueue=3.9), DEEPLAB) for b in (1, 2, 4)]
    found = verdict(times(4.08, enqueue=3.9), work(batch=8), gpu=None, siblings=siblings)
    assert found.verdict == "invalid"
    assert "batches of 1, 2, 4, 8 take the same time" in found.refused
    honest = [(work(batch=b), times(4.0 * b, enqueue=3.9), DEEPLAB) for b in (1, 2, 4)]
    assert verdict(times(32.0, enqueue=3.9), work(batch=8), gpu=None, siblings=honest).refused is None
    smaller = verdict(times(4.01, enqueue=3.9), work(batch=1), gpu=None, siblings=siblings)
    assert smaller.refused is None  # said once, of the largest batch


def test_a_batch_that_hardly_takes_longer() -> None:
    one = (work(), times(300.0), DEEPLAB)
    found = verdict(times(500.0), work(batch=8), siblings=[one])
    assert "hardly grows with batch" in found.flags
    assert verdict(times(700.0), work(batch=8), siblings=[one]).flags == ()
    bound = (work(), times(300.0, device=300.0, enqueue=290.0), DEEPLAB)
    assert verdict(times(500.0), work(batch=8), siblings=[bound]).flags == ()


def test_a_larger_image_that_takes_no_longer() -> None:
    small = (work(size=(256, 256)), times(180.0), DEEPLAB // 4)
    assert "hardly grows with size" in verdict(times(190.0), siblings=[small]).flags
    assert verdict(times(240.0), siblings=[small]).flags == ()
    larger = (work(size=(1024, 1024)), times(800.0), 4 * DEEPLAB)
    assert verdict(times(190.0), siblings=[small, larger]).flags == ()  # only the top step is judged


@pytest.mark.parametrize(("std", "expected"), [(4.99, False), (5.2, True)])
def test_scatter_at_its_limit(std: float, expected: bool) -> None:
    series = steady(100.0).model_copy(update={"mean": 10.0, "std": std, "median": 100.0})
    assert (verdict({"e2e": series}).verdict == "invalid") is expected


def test_times_that_contradict_one_another() -> None:
    unwaited = verdict(times(4.0, device=60.0, enqueue=3.9), gpu=None)
    assert (unwaited.verdict, unwaited.flags) == ("invalid", ("no wait for the device",))
    assert verdict(times(50.0, device=55.0, enqueue=4.0), gpu=None).flags == ("times contradict",)
    assert verdict(times(50.0, device=50.9, enqueue=4.0), gpu=None).flags == ()
    assert "times contradict" in verdict(times(50.0, device=50.0, enqueue=52.0), gpu=None).flags


def test_a_graph_slower_than_its_calls() -> None:
    eager = (work(), times(50.0, device=49.0, enqueue=3.0), DEEPLAB)
    assert verdict(times(52.0, device=52.0), work(mode="graph"), siblings=[eager]).flags == ("graph slower than eager",)
    eager = (work(), times(60.0, device=59.0, enqueue=3.0), DEEPLAB)
    assert verdict(times(60.0, device=60.0), work(mode="graph"), siblings=[eager]).flags == ()


def test_two_models_out_of_proportion() -> None:
    """The seed's pair: 0.79 where 29.4 is expected, on a device whose peak nobody knows."""
    other = (work("pidnet_s"), times(5.09), PIDNET)
    found = verdict(times(4.032), gpu=None, siblings=[other])
    assert found.flags == ("out of proportion to pidnet_s",)
    assert verdict(times(5.09 * 21.4), gpu=None, siblings=[other]).flags == ()
    elsewhere = (work("pidnet_s", precision="fp16"), times(5.09), PIDNET)
    assert verdict(times(4.032), gpu=None, siblings=[elsewhere]).flags == ()


def test_launch_bound_models_have_no_proportion() -> None:
    other = (work("pidnet_s"), times(3.0, device=2.9, enqueue=2.8), PIDNET)
    assert verdict(times(9.0, device=8.9, enqueue=3.0), gpu="NVIDIA H200", siblings=[other]).flags == ()


# ------------------------------------------------------------------ R10, flags


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, False),
        ({"slept_share": 0.89}, True),
        ({"slept_share": 1.11}, True),
        ({"no_op_ms": 0.11}, True),
        ({"product_share": 0.39}, True),
        ({"product_share": 1.06}, True),
        ({"slept_share": None, "product_share": None}, False),
    ],
)
def test_canaries(changes: dict[str, float | None], wrong: bool) -> None:
    read: dict[str, Any] = {"slept_share": 1.0, "no_op_ms": 0.01, "product_share": 0.8, **changes}
    assert (rules.canaries(**read) is not None) is wrong


def test_flags_of_a_spread() -> None:
    quiet = describe([10.0 + 0.01 * (i % 7) for i in range(100)])
    assert unsteady(quiet, on_gpu=True) == []
    loud = quiet.model_copy(update={"cv": 0.03, "iqr": 1.2, "max": 16.0, "ac1": 0.6, "drift": 0.01})
    assert unsteady(loud, on_gpu=True) == [
        "std 3.0 % of mean",
        "IQR 12 % of median",
        "max 1.6 x mean",
        "readings depend on one another (ac1 0.60)",
        "drift +1.0 %",
    ]
    assert unsteady(loud.model_copy(update={"iqr": 0.1, "max": 11.0, "ac1": 0.1}), on_gpu=False) == []
    assert unsteady(None, on_gpu=True) == []


@pytest.mark.parametrize(
    ("ms", "text"), [(0.0321, "0.032 ms"), (4.032, "4.03 ms"), (45.56, "45.6 ms"), (1234.5, "1234 ms")]
)
def test_times_in_words(ms: float, text: str) -> None:
    assert rules.ms(ms) == text


def test_a_judgement_keeps_all_flags_and_the_reason_of_the_worst() -> None:
    found = verdict({"e2e": describe([2.0, 6.0] * 60)})
    assert found.verdict == "impossible"
    assert found.refused.startswith("impossible")
    assert replace(found, flags=()).flags == ()
    assert any(flag.startswith("std") for flag in found.flags)
