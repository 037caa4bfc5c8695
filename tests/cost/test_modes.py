"""Workloads on this host: precision, layout, inputs, compilation, onnxruntime; a fake one where a card is needed."""

from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.cost import export, modes
from bench.cost.clock import CpuDevice
from bench.cost.modes import inputs, prepare
from bench.spec import BenchError, ExitCode

from .fake_cuda import FakeCuda
from .sessions import workload

DEVICE = CpuDevice()


class Net(nn.Module):
    """Writes down what it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 5, 1)
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        if not torch.compiler.is_compiling():
            self.seen.append(images)
        return self.last(torch.relu(self.first(images)))


def ready(net: nn.Module | None = None, **asked: Any) -> modes.Runner:
    asked.setdefault("size", (8, 8))
    with torch.inference_mode():
        return prepare(workload().model_copy(update=asked), net or Net(), DEVICE, seed=0, threads=1)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_module_and_images_have_the_type_and_layout_asked_for(precision: str, dtype: torch.dtype, layout: str) -> None:
    net = Net()
    runner = ready(net, precision=precision, layout=layout, batch=2)
    wanted = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    for images in net.seen:
        assert (images.dtype, tuple(images.shape)) == (dtype, (2, 3, 8, 8))
        assert images.is_contiguous(memory_format=wanted)
    assert net.first.weight.dtype == dtype
    assert net.first.weight.is_contiguous(memory_format=wanted)
    weights = 8 * 27 + 8 + 5 * 8 + 5
    assert (runner.params, runner.weight_bytes) == (weights, weights * dtype.itemsize)
    assert runner.io_bytes == (3 + 5) * 64 * dtype.itemsize


def test_images_rotate_and_are_normal() -> None:
    net = Net()
    runner = ready(net, size=(64, 64))
    net.seen.clear()
    with torch.inference_mode():
        for number in range(2 * modes.POOL):
            runner.load(number)
            runner.call()
    assert [a is b for a, b in zip(net.seen[: modes.POOL], net.seen[modes.POOL :], strict=True)] == [True] * modes.POOL
    assert len({images.data_ptr() for images in net.seen}) == modes.POOL == runner.pool
    pixels = torch.stack(net.seen[: modes.POOL])
    assert abs(float(pixels.mean())) < 0.02
    assert abs(float(pixels.std()) - 1) < 0.02


@pytest.mark.parametrize(
    ("cache_bytes", "memory_bytes", "count", "hot"),
    [
        (None, 2**30, 8, False),
        (40 * 2**10, 2**30, 27, False),  # 27 x 3072 bytes are more than twice the cache
        (1000, 2**30, 8, False),
        (2**20, 2**30, modes.MOST_POOL, True),
        (40 * 2**10, 200_000, 3, True),
    ],
)
def test_there_are_more_images_than_fit_into_the_cache(
    cache_bytes: int | None, memory_bytes: int, count: int, hot: bool
) -> None:
    device: Any = FakeCuda(cache_bytes=cache_bytes, memory_bytes=memory_bytes)
    asked = workload().model_copy(update={"size": (16, 16)})
    assert len(inputs(asked, device, seed=0)) == count
    runner = prepare(asked, nn.Identity(), device, seed=0, threads=1)
    assert (runner.pool, runner.in_cache) == (count, hot)


def test_the_seed_draws_the_images() -> None:
    first, again, other = (inputs(workload(), DEVICE, seed=seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [({"out": torch.zeros(1)}, "gives a tensor, not dict"), (torch.zeros(3, 2), r"\(3, 2\) for a batch of 1")],
)
def test_what_is_no_output_of_the_batch_is_refused(outputs: Any, problem: str) -> None:
    class Odd(nn.Module):
        def forward(self, images: Tensor) -> Any:
            return outputs

    with pytest.raises(BenchError, match=problem):
        ready(Odd())


@pytest.mark.slow
def test_compiled_networks_give_the_same() -> None:
    net = Net()
    runner = ready(net, mode="compile")
    runner.load(3)
    images = inputs(workload().model_copy(update={"size": (8, 8)}), DEVICE, seed=0)[3]
    with torch.inference_mode():
        assert torch.allclose(runner.call(), net(images), atol=1e-5)
    assert runner.first_call_ms > 0


# ------------------------------------------------------------------ onnxruntime

installed = all(importlib.util.find_spec(name) for name in export.NEEDED)


@pytest.mark.skipif(not installed, reason="the extra [export] is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_onnxruntime_gives_the_same() -> None:
    net = Net()
    runner = ready(net, mode="onnx", batch=2)
    assert not runner.whole_queue
    runner.load(3)
    asked = workload().model_copy(update={"size": (8, 8), "batch": 2})
    with torch.inference_mode():
        assert torch.allclose(runner.call(), net(inputs(asked, DEVICE, seed=0)[3]), atol=1e-5)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BenchError, match="onnx, onnxscript, onnxruntime") as error:
        ready(mode="onnx")
    assert "bench[export]" in error.value.remedy
    assert error.value.code == ExitCode.ENVIRONMENT


class Session:
    """onnxruntime's session as far as it is used; `wrong` is added to the logits."""

    wrong = 0.0

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="images")]

    def run(self, outputs: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [self.net(torch.from_numpy(feed["images"])).numpy() + self.wrong]


@pytest.fixture
def fake_runtime(monkeypatch: pytest.MonkeyPatch) -> Net:
    net = Net()
    monkeypatch.setattr(export, "_require", lambda: None)
    monkeypatch.setattr(export, "_model", lambda module, example: b"")
    options = SimpleNamespace
    library = SimpleNamespace(SessionOptions=options, InferenceSession=lambda content, options, providers: Session(net))
    monkeypatch.setitem(sys.modules, "onnxruntime", library)
    return net


def test_another_network_is_not_timed(fake_runtime: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = ready(fake_runtime, mode="onnx")
    runner.load(2)
    with torch.inference_mode():
        assert runner.call().shape == (1, 5, 8, 8)
    monkeypatch.setattr(Session, "wrong", 0.1)
    with pytest.raises(BenchError, match=r"logits are 0\.1 from torch's"):
        ready(fake_runtime, mode="onnx")


def test_a_precision_that_onnxruntime_does_not_run_is_refused(fake_runtime: Net) -> None:
    with pytest.raises(BenchError, match="runs no bf16 convolutions"):
        ready(fake_runtime, mode="onnx", precision="bf16")


def test_a_network_that_cannot_be_exported_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise RuntimeError("no such operator\nand a page of traces")

    monkeypatch.setattr(export, "_require", lambda: None)
    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(BenchError, match=r"cannot be exported: no such operator$"):
        ready(mode="onnx")
