"""The same session on a real card: `pytest -m gpu tests/cost/test_gpu.py`."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from bench import machine
from bench.cost.canary import check_timer
from bench.cost.clock import device_for
from bench.cost.session import Session, measure_session
from bench.cost.stopping import GPU_LIMITS
from bench.cost.timing import Ahead, cycles_per_s, read
from bench.spec import Workload

from .sessions import workload

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
SHORT = dataclasses.replace(GPU_LIMITS, min_kept_s=1.0, cap_s=10.0)


class Deep(nn.Module):
    """60 small convolutions: bound by launches at batch 1."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Conv2d(3 if i == 0 else 32, 32, 3, padding=1) for i in range(60)))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def asked(**fields: object) -> Workload:
    return workload(**fields).model_copy(update={"size": (64, 64)})


def taken(*workloads: Workload, **options: object) -> Session:
    device = torch.device("cuda")
    with machine.watch("cuda") as watch:
        return measure_session(
            workloads,
            lambda w: Deep(),
            device=device,
            limits=SHORT,
            facts=machine.describe("cuda"),
            watch=watch,
            **options,  # type: ignore[arg-type]
        )


def test_the_canaries_pass() -> None:
    found = check_timer(device_for(torch.device("cuda")), machine.describe("cuda"))
    assert found["sleep"]["device_ms"] == pytest.approx(5.0, rel=0.1)
    assert found["float32"]["exact"] is True


def test_tf32_is_seen_where_the_card_has_it() -> None:
    device = device_for(torch.device("cuda"))
    if (device.capability or (0, 0)) < (8, 0):
        pytest.skip("no TF32 before capability 8.0")
    with device.precision("tf32"):
        assert device.keeps_float32() is False
    with device.precision("fp32"):
        assert device.keeps_float32() is True


def test_the_queue_is_kept_ahead() -> None:
    device = device_for(torch.device("cuda"))
    net, images = Deep().cuda().eval(), torch.randn(1, 3, 64, 64, device="cuda")
    ahead = Ahead(cycles_per_s(device))
    with torch.inference_mode():
        for _ in range(10):
            read(device, lambda: net(images))
        times = ahead.read(device, lambda number: None, lambda: net(images), first=0, count=50)
    assert len(times) == 50
    assert ahead.behind == 0


def test_a_session_of_all_modes_that_need_no_extra() -> None:
    eager, graph, half, nhwc = taken(
        asked(), asked(mode="graph"), asked(precision="fp16"), asked(layout="nhwc")
    ).timings
    for each in (eager, graph, half, nhwc):
        assert each.failed is None
        assert set(each.times) == {"e2e", "device", "enqueue"}
        assert each.memory_bytes["inference"]
        assert each.rounds[0]["sm_clock_mhz"] is None or each.rounds[0]["sm_clock_mhz"] > 0
        e2e, device = each.times["e2e"].median, each.times["device"].median
        assert device <= 1.02 * e2e + 0.05
    assert graph.times["enqueue"].median < eager.times["enqueue"].median
    assert graph.times["device"].median <= 1.05 * eager.times["device"].median


def test_a_batch_that_does_not_fit_fails_in_words_and_the_rest_stands() -> None:
    huge, one = taken(asked(batch=2**20), asked()).timings
    assert str(huge.failed).startswith("out of memory at batch")
    assert one.failed is None


def test_a_network_that_waits_cannot_be_captured_and_says_so() -> None:
    class Waits(Deep):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) * float(images.sum().item() * 0 + 1)

    found = measure_session(
        (asked(mode="graph"), asked()), lambda w: Waits(), device=torch.device("cuda"), limits=SHORT
    ).timings
    assert found[0].failed
    assert found[1].failed is None


def test_energy_where_the_card_tells_it() -> None:
    spent = taken(asked(mode="graph"), energy=True).timings[0].energy
    assert spent is not None
    assert spent["gross_j"] is None or 0 < spent["gross_j"] < 100
