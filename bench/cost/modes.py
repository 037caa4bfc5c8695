"""A workload and its network -> something that can be called again and again on the device, on inputs that rotate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.cost.clock import Device
from bench.cost.counts import count_parameters
from bench.cost.timing import Call, Load
from bench.spec import BenchError, Workload

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
NEEDS = {"tf32": (8, 0), "bf16": (8, 0)}
"""Compute capability below which a card has no units for a precision (bf16 would be emulated)."""

POOL, MOST_POOL, POOL_SHARE = 8, 64, 0.05
"""Inputs at least, at most, and the share of free memory that they may take."""


@dataclass
class Runner:
    """A workload that is ready: `load(i)` puts input i in its place, `call()` runs on it."""

    load: Load
    call: Call
    params: int
    weight_bytes: int
    io_bytes: int
    """Of one image and its output."""
    pool: int
    """How many inputs rotate."""
    in_cache: bool
    """All of them fit into the device's cache: they are read faster than new ones."""
    first_call_ms: float
    """Until the first result was there, with all that happens only once: search, compilation, capture, export."""
    peak_bytes: int | None
    """The most that one call holds beside the weights: its images, results and what lies between."""
    whole_queue: bool = True
    """False where the work does not go through the queue that marks lie in (another runtime's)."""


def refuse(workload: Workload, device: Device) -> None:
    """Raise BenchError where this device lacks what the workload asks for."""
    needed, has = NEEDS.get(workload.precision), device.capability
    if workload.precision == "tf32" and not device.queued:
        raise BenchError("TF32 is a mode of CUDA devices of capability 8.0 and above", remedy="use fp32 here")
    if needed and has is not None and has < needed:
        said = ".".join(map(str, has))
        raise BenchError(f"{workload.precision} needs a device of capability 8.0; this one has {said}")
    if workload.mode == "graph" and not device.queued:
        raise BenchError("graphs are a mode of CUDA devices", remedy="use eager here")
    if workload.mode == "onnx" and workload.layout != "nchw":
        raise BenchError("onnxruntime chooses its layout itself", remedy="use nchw")


def prepare(workload: Workload, module: nn.Module, device: Device, *, seed: int, threads: int) -> Runner:
    """Move `module` (deployed, fp32, nchw, on the CPU) to where and what the workload says.

    The first call has been made.  Raises BenchError where the device lacks the mode, the extra is not installed, or the
    output is not that of the batch; torch's own errors pass (out of memory, a capture that fails).
    """
    refuse(workload, device)
    with torch.inference_mode(False), torch.no_grad():  # exporters and compilers refuse weights made in inference mode
        images = inputs(workload, device, seed=seed)
        module = to_device(module.eval(), workload, device)
    if any(image.shape != (workload.batch, 3, *workload.size) for image in images):
        raise BenchError(f"an input is not a batch of {workload.batch}: a smaller last batch is no reading of this one")
    params = count_parameters(module)
    weight_bytes = sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))
    device.synchronise()
    start = device.now_s()
    load, call, whole_queue = _MAKERS[workload.mode](workload, module, images, device, threads)
    load(0)
    call()
    device.synchronise()
    first_call_ms = 1e3 * (device.now_s() - start)
    # A replay keeps its memory and gives nothing back: the call it was captured from is looked at.
    one = call if workload.mode in ("eager", "compile") else lambda: module(images[0])
    outputs, peak_bytes = watched(one, device)
    check_outputs(outputs, workload)
    peak_bytes = None if peak_bytes is None else peak_bytes + images[0].nbytes
    io_bytes = (images[0].nbytes + outputs.numel() * outputs.element_size()) // workload.batch
    in_cache = device.cache_bytes is not None and len(images) * images[0].nbytes <= 2 * device.cache_bytes
    return Runner(
        load, call, params, weight_bytes, io_bytes, len(images), in_cache, first_call_ms, peak_bytes, whole_queue
    )


def watched(call: Call, device: Device) -> tuple[Any, int | None]:
    """What `call` returns, and the memory it takes; None where that cannot be told.

    Called for the second time: the first one's search for kernels needs memory of its own.
    """
    device.synchronise()
    device.forget_peak()
    before = device.held_bytes()
    outputs = call()
    device.synchronise()
    peak = device.peak_bytes()
    return outputs, None if before is None or peak is None else peak - before


def to_device(module: nn.Module, workload: Workload, device: Device) -> nn.Module:
    """`module` where, in the type and in the layout that the workload says."""
    return module.to(device.place, DTYPES[workload.precision], memory_format=memory_format(workload))  # type: ignore[call-overload,no-any-return]


def memory_format(workload: Workload) -> torch.memory_format:
    """What torch calls the layout."""
    return torch.channels_last if workload.layout == "nhwc" else torch.contiguous_format


def inputs(workload: Workload, device: Device, *, seed: int) -> list[Tensor]:
    """Normal images: 8, or as many as are twice the device's cache, within 5 % of its free memory."""
    generator = torch.Generator().manual_seed(seed)
    shape = (workload.batch, 3, *workload.size)
    one = math.prod(shape) * DTYPES[workload.precision].itemsize
    count, free = POOL, device.free_bytes()
    if device.cache_bytes is not None:
        count = min(MOST_POOL, max(POOL, 2 * device.cache_bytes // one + 1))
    if free is not None:
        count = max(1, min(count, int(POOL_SHARE * free) // one))
    layout = memory_format(workload)
    images = (torch.randn(shape, generator=generator) for _ in range(count))
    return [image.to(device.place, DTYPES[workload.precision]).contiguous(memory_format=layout) for image in images]


def check_outputs(outputs: Any, workload: Workload) -> None:
    """A timing is of a whole batch and of nothing else: a plain tensor with one output per image, all of it finite."""
    if not isinstance(outputs, Tensor):
        raise BenchError(f"a deployed model gives a tensor, not {type(outputs).__name__}")
    if outputs.ndim == 0 or outputs.shape[0] != workload.batch:
        raise BenchError(f"the output has the shape {tuple(outputs.shape)} for a batch of {workload.batch}")


# ------------------------------------------------------------------ modes

Made = tuple[Load, Call, bool]


def _eager(workload: Workload, module: nn.Module, images: list[Tensor], device: Device, threads: int) -> Made:
    current = images[0]

    def load(number: int) -> None:
        nonlocal current
        current = images[number % len(images)]

    return load, lambda: module(current), True


def _compiled(workload: Workload, module: nn.Module, images: list[Tensor], device: Device, threads: int) -> Made:
    return _eager(workload, torch.compile(module, dynamic=False), images, device, threads)  # type: ignore[arg-type]


def _graph(workload: Workload, module: nn.Module, images: list[Tensor], device: Device, threads: int) -> Made:
    static = images[0].clone()
    replay = device.capture(lambda: module(static))

    def load(number: int) -> None:
        static.copy_(images[number % len(images)])

    return load, replay, True


def _onnx(workload: Workload, module: nn.Module, images: list[Tensor], device: Device, threads: int) -> Made:
    from bench.cost.export import exported

    return (*exported(workload, module, images, device, threads), False)


Maker = Callable[[Workload, nn.Module, list[Tensor], Device, int], Made]
_MAKERS: dict[str, Maker] = {"eager": _eager, "compile": _compiled, "graph": _graph, "onnx": _onnx}
