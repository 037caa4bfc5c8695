"""A network, an input shape and a device -> all that a CostRecord says of the network itself."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.cost.clock import clock_for
from bench.cost.conditions import evaluating, strict_fp32
from bench.cost.counts import Shape, count_fvcore, count_parameters, macs_per_image, twin
from bench.cost.latency import Latency, measure_latency
from bench.cost.peaks import fastest_flops
from bench.spec import JSON, BenchError, Measurement


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Fields as in `bench.spec.CostRecord`; counts are for one image of `input_shape` = (1, 3, H, W)."""

    input_shape: Shape
    params_deployed: int
    params_training: int
    macs: int
    macs_training_graph: int
    fvcore_total: int | None
    fvcore_total_training_graph: int | None
    fvcore_uncounted: dict[str, int]
    latency: Measurement | None
    latency_flags: tuple[str, ...]
    latency_refused: str | None
    protocol: dict[str, JSON]
    memory_bytes: dict[str, int | None]


def profile(
    model: Any,
    input_shape: Shape,
    *,
    device: torch.device | str,
    budget_s: float = 15.0,
    latency: bool = True,
    threads: int = 1,
    machine: Mapping[str, JSON] | None = None,
) -> Profile:
    """Count `model` (a SegModel: a module with `deployed()`), move it to `device`, time its deployed form on one image.

    The training graph is the forward pass with every output the model has (auxiliary heads), in eval mode.  `machine`
    is what `bench.machine.describe` said: its card's name finds the peak that a timing may not exceed.  Raises
    BenchError where the network cannot be run at `input_shape`; a sum that fvcore cannot give is None, and
    `protocol["fvcore"]` says why.
    """
    device, shape = torch.device(device), (1, *input_shape[1:])
    deployed = model.deployed()
    macs, macs_training_graph = macs_per_image(deployed, shape), macs_per_image(model, shape)
    protocol: dict[str, JSON] = {"precision": _precision(model), "layout": "nchw", "mode": "eager"}
    fvcore = _fvcore(deployed, shape, protocol)
    # The pass is slow (one forward on the CPU), and without other outputs both graphs are one.
    fvcore_training = _fvcore(model, shape, protocol) if _has_more_outputs(model, shape) else fvcore
    timed, memory = Latency(None), None
    if latency:
        deployed = model.to(device).deployed()
        example = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
        with _precision_of(device):
            timed = _time(deployed, example, budget_s, threads, macs, machine or {})
            memory = _peak_memory(deployed, example)
    protocol["memory"] = "weights, image and torch's peak allocation in one forward" if memory else "not measured"
    return Profile(
        input_shape=shape,
        params_deployed=count_parameters(deployed),
        params_training=count_parameters(model),
        macs=macs,
        macs_training_graph=macs_training_graph,
        fvcore_total=fvcore[0],
        fvcore_total_training_graph=fvcore_training[0],
        fvcore_uncounted=fvcore[1],
        latency=timed.measurement,
        latency_flags=timed.flags,
        latency_refused=timed.refused,
        protocol={**protocol, **timed.protocol},
        memory_bytes={"inference": memory},
    )


def _fvcore(model: nn.Module, shape: Shape, protocol: dict[str, JSON]) -> tuple[int | None, dict[str, int]]:
    try:
        return count_fvcore(model, shape)
    except BenchError as error:
        protocol["fvcore"] = f"refused: {error.problem}"
        return None, {}


def _has_more_outputs(model: nn.Module, shape: Shape) -> bool:
    with torch.no_grad():
        outputs = twin(model, "meta")(torch.zeros(shape, device="meta"))
    return isinstance(outputs, dict) and set(outputs) != {"out"}


def _time(
    deployed: nn.Module, example: Tensor, budget_s: float, threads: int, macs: int, machine: Mapping[str, JSON]
) -> Latency:
    name = (machine.get("gpu") or {}).get("name") if example.is_cuda else None
    peak = fastest_flops(name) if name else None
    clock = clock_for(example.device)
    timed = measure_latency(
        deployed, example, clock=clock, budget_s=budget_s, threads=threads, macs=macs, peak_flops=peak
    )
    if example.is_cuda and peak is None and timed.measurement is not None:
        flags = (*timed.flags, "plausibility not checked (unknown card)")
        return Latency(timed.measurement, flags, protocol=timed.protocol)
    return timed


def _peak_memory(deployed: nn.Module, example: Tensor) -> int | None:
    """Bytes of the weights, the image and the most that one forward adds, whatever else lies on the device.

    None on a CPU, where the process's peak holds the interpreter, torch and every earlier model too.
    """
    if not example.is_cuda:
        return None
    device = example.device
    with evaluating(deployed), torch.inference_mode():
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        deployed(example)
        torch.cuda.synchronize(device)
    own = sum(tensor.nbytes for tensor in (*deployed.parameters(), *deployed.buffers(), example))
    return own + torch.cuda.max_memory_allocated(device) - before


def _precision(model: nn.Module) -> str:
    dtype = getattr(model, "autocast_dtype", None)
    return "fp32" if dtype is None else str(dtype).removeprefix("torch.")


def _precision_of(device: torch.device) -> AbstractContextManager[None]:
    return strict_fp32() if device.type == "cuda" else nullcontext()
