"""A network and an input shape -> all that a CostRecord counts, of its deployed and of its training graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from bench.cost.counts import Shape, count_fvcore, count_parameters, macs_per_image, twin
from bench.spec import JSON, BenchError


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
    protocol: dict[str, JSON]


def profile(model: Any, input_shape: Shape) -> Profile:
    """Count `model` (a SegModel: a module with `deployed()`), which stays as it is.

    The training graph is the forward pass with every output the model has (auxiliary heads), in eval mode.  Raises
    BenchError where the network cannot be run at `input_shape`; a sum that fvcore cannot give is None, and
    `protocol["fvcore"]` says why.
    """
    shape = (1, *input_shape[1:])
    deployed, protocol = model.deployed(), dict[str, JSON]()
    macs, macs_training_graph = macs_per_image(deployed, shape), macs_per_image(model, shape)
    fvcore = _fvcore(deployed, shape, protocol)
    # The pass is slow (one forward on the CPU), and without other outputs both graphs are one.
    fvcore_training = _fvcore(model, shape, protocol) if _has_more_outputs(model, shape) else fvcore
    return Profile(
        input_shape=shape,
        params_deployed=count_parameters(deployed),
        params_training=count_parameters(model),
        macs=macs,
        macs_training_graph=macs_training_graph,
        fvcore_total=fvcore[0],
        fvcore_total_training_graph=fvcore_training[0],
        fvcore_uncounted=fvcore[1],
        protocol=protocol,
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
