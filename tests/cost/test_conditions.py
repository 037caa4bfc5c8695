"""The conditions of a timing: they hold inside and are put back, also after an error."""

from __future__ import annotations

import gc

import pytest
import torch

from bench.cost.clock import CpuDevice, device_for
from bench.cost.conditions import cpu_threads, launches_block, no_garbage_collection, numerics


def test_threads_and_collector_are_put_back_after_an_error() -> None:
    before = torch.get_num_threads()

    def fail_inside() -> None:
        with cpu_threads(before + 1), no_garbage_collection():
            assert torch.get_num_threads() == before + 1
            assert not gc.isenabled()
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    assert torch.get_num_threads() == before
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with no_garbage_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def state() -> tuple[object, ...]:
    cudnn, mkldnn = torch.backends.cudnn, torch.backends.mkldnn
    precisions = (cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision, mkldnn.conv.fp32_precision)
    return (*precisions, cudnn.benchmark, cudnn.benchmark_limit)


@pytest.mark.parametrize(("precision", "inside"), [("fp32", "ieee"), ("tf32", "tf32"), ("bf16", "ieee")])
def test_the_precision_of_float32_is_set_and_put_back(precision: str, inside: str) -> None:
    def fail_inside() -> None:
        with numerics(precision):
            assert state() == (inside, inside, "ieee", True, 0)
            assert torch.backends.cudnn.allow_tf32 is (precision == "tf32"), "the exporter asks the older switch"
            raise RuntimeError("inside")

    before = state()
    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    assert state() == before


def test_newer_switches_alone_are_put_back_too() -> None:
    """After them torch refuses to say what the older ones are; the refusal is the negative control."""
    conv = torch.backends.cudnn.conv
    before = conv.fp32_precision
    try:
        conv.fp32_precision = "ieee"
        with pytest.raises(RuntimeError, match="mix"):
            assert torch.backends.cudnn.allow_tf32
        with numerics("tf32"):
            assert conv.fp32_precision == "tf32"
        assert conv.fp32_precision == "ieee"
    finally:
        conv.fp32_precision = before


@pytest.mark.parametrize(("value", "blocks"), [(None, False), ("", False), ("0", False), ("1", True)])
def test_blocking_launches_are_seen(value: str | None, blocks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_LAUNCH_BLOCKING", raising=False)
    if value is not None:
        monkeypatch.setenv("CUDA_LAUNCH_BLOCKING", value)
    assert launches_block() is blocks


def test_the_host_is_a_device_without_a_queue() -> None:
    device = device_for(torch.device("cpu"))
    assert isinstance(device, CpuDevice)
    first = device.now_s(), device.cpu_s(), device.preemptions()
    while device.cpu_s() <= first[1]:
        pass
    device.synchronise()
    device.wait(0.0)
    assert device.now_s() > first[0]
    assert device.preemptions() >= first[2]
    assert not device.queued
    for ask in (device.mark, lambda: device.spin(1), lambda: device.capture(device.release)):
        with pytest.raises(NotImplementedError, match="no queue"):
            ask()


def test_float32_that_is_not_kept_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    device = CpuDevice()
    assert device.keeps_float32() is True

    def coarse(images: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nchw,kcij->nkhw", images.bfloat16(), weights.bfloat16()).float()

    monkeypatch.setattr(torch.nn.functional, "conv2d", coarse)
    assert device.keeps_float32() is False
