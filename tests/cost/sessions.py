"""Measuring sessions on virtual devices, for the tests of the session and of what can go wrong in it."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from torch import nn

from bench.cost.session import Session, measure_session
from bench.cost.stopping import CPU_LIMITS, GPU_LIMITS
from bench.spec import Component, Timing, Workload

from .fake_cuda import MEGAHERTZ, FakeCuda, FakeHost, FakeNet, FakeWatch


@pytest.fixture(scope="module", autouse=True)
def quick_collections() -> Iterator[None]:
    """A session collects garbage before it starts; what lies here already (torch) need not be searched every time."""
    gc.freeze()
    yield
    gc.unfreeze()


DEEPLAB_MACS = 184_519_925_760
SHORT = dataclasses.replace(GPU_LIMITS, min_kept_s=1.5, cap_s=12.0)
SHORT_CPU = dataclasses.replace(CPU_LIMITS, min_kept_s=1.0, cap_s=10.0)


def workload(model: str = "deeplab", **fields: Any) -> Workload:
    """One of a small network in tests: images of 4 x 4, whose cost the fake network knows."""
    return Workload(model=Component(name=model, options={}), num_classes=7, size=(4, 4), **fields)


def deeplab(device: FakeCuda | FakeHost, **options: Any) -> FakeNet:
    """Device time of 60 ms per image, as DeepLabV2 in fp32 on a T4 (76 % of its peak), in 20 kernels."""
    return FakeNet(device, kernels=20, kernel_s=0.003, **options)


def session(
    device: FakeCuda | FakeHost | None = None,
    *workloads: Workload,
    net: Callable[[Workload], nn.Module] | None = None,
    watch: FakeWatch | None = None,
    macs: int | None = DEEPLAB_MACS,
    **options: Any,
) -> Session:
    """Time `workloads` (one eager one) of `net` (`deeplab`) on `device` (a T4) as a user's session would."""
    device = FakeCuda() if device is None else device
    here: Any = device
    queued = isinstance(device, FakeCuda)
    gpu = {"name": device.card, "max_sm_clock_mhz": MEGAHERTZ} if isinstance(device, FakeCuda) else None
    options.setdefault("limits", SHORT if queued else SHORT_CPU)
    if watch is None and isinstance(device, FakeCuda):
        watch = FakeWatch(device)
    return measure_session(
        workloads or (workload(),),
        net or (lambda asked: deeplab(device)),
        device=here,
        watch=watch,
        facts={"gpu": gpu},
        macs=lambda asked: macs,
        winograd_macs=lambda asked: macs,
        **options,
    )


def timing(*args: Any, **options: Any) -> Timing:
    """The first timing of such a session."""
    return session(*args, **options).timings[0]
