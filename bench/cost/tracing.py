"""A network and the shape of its images -> fvcore's table of one forward pass in eval mode.

fvcore reads a trace by torch.jit, which in itself needs real tensors.  One detour, below, lets it trace a copy on the
meta device instead, where nothing is computed: the same table in milliseconds.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from bench.cost.copies import Shape, attempt, twin, written_out_attention

_PRODUCTS = ("conv", "linear", "matmul", "addmm", "mm", "bmm", "einsum")
"""fvcore's rows that hold multiply-adds."""


@dataclass(frozen=True)
class Traced:
    """fvcore's table: module ("" is the network itself, every other one is in its parents too) -> operator -> count;
    and the operators that it met and does not count -> how often."""

    rows: dict[str, dict[str, int]]
    uncounted: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.rows[""].values())

    @property
    def macs(self) -> int:
        return multiply_adds(self.rows[""])

    @property
    def convolutions(self) -> int:
        return self.rows[""].get("conv", 0)


def multiply_adds(row: dict[str, int]) -> int:
    """Those of fvcore's operators that hold multiply-adds, summed."""
    return sum(row.get(name, 0) for name in _PRODUCTS)


def trace(model: nn.Module, shape: Shape, *, values: bool = False) -> Traced:
    """fvcore over one forward pass; raises BenchError where the pass cannot be made.

    With `values` it is a real pass, on zeros, on the device of the parameters: seconds where shapes alone take
    milliseconds.  A network that cannot be traced without values gets one anyway.
    """
    with warnings.catch_warnings(), torch.no_grad(), written_out_attention():
        # fvcore compiles TorchScript while it is imported and traces with torch.jit: both are deprecated, neither
        # changes a count.
        warnings.simplefilter("ignore")
        if not values:
            with suppress(RuntimeError, TypeError), _TraceableConvolutions():
                return _analysed(twin(model, "meta"), torch.zeros(shape, device="meta"))
        real = twin(model)
        device = next((p.device for p in real.parameters() if not p.is_meta), torch.device("cpu"))
        if any(tensor.is_meta for tensor in (*real.parameters(), *real.buffers())):
            real = real.to_empty(device=device)  # counts do not depend on the weights
        traced: Traced = attempt(_analysed, real, torch.zeros(shape, device=device))
        return traced


def _analysed(model: nn.Module, images: Tensor) -> Traced:
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(_Flat(model), images)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    found = analysis.by_module_and_operator()
    rows = {_inner(name): {k: int(v) for k, v in row.items()} for name, row in found.items() if name != "model"}
    return Traced(rows, {name: int(n) for name, n in sorted(analysis.unsupported_ops().items())})


class _Flat(nn.Module):
    """`model` with its outputs as a tuple: tracing refuses a dict."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        outputs = self.model(images)
        return tuple(outputs.values()) if isinstance(outputs, dict) else outputs


def _inner(name: str) -> str:
    return name.removeprefix("model.")


class _TraceableConvolutions(TorchFunctionMode):
    """Convolutions called by the name that a trace records, `_convolution`.

    On real tensors torch gets there from every other name by itself; on the meta device it ends before, in Python code
    that finds tensors where it expects sizes, because torch.jit traces sizes, too ("cond must be a bool").
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.conv1d, torch.conv2d, torch.conv3d):
            return _plain(func, *args, **(kwargs or {}))
        if func in (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d):
            return _transposed(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _plain(
    func: Any,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    # "same" and "valid" go by yet another name in a trace, one that fvcore does not count.
    if padding == "valid":
        padding = 0
    elif padding == "same":
        steps = _per_dimension(dilation, weight)
        around = [d * (int(k) - 1) for d, k in zip(steps, weight.shape[2:], strict=True)]
        if any(width % 2 for width in around):
            return func(input, weight, bias, stride, "same", dilation, groups)  # type: ignore[no-any-return]
        padding = [width // 2 for width in around]
    return _recorded(input, weight, bias, stride, padding, dilation, False, 0, groups)


def _transposed(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    return _recorded(input, weight, bias, stride, padding, dilation, True, output_padding, groups)


def _recorded(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Tensor:
    stride, padding, dilation = (_per_dimension(v, weight) for v in (stride, padding, dilation))
    extra = _per_dimension(output_padding, weight)
    choices = (False, False, True, True)  # of cuDNN; they change no count
    return torch._convolution(x, weight, bias, stride, padding, dilation, transposed, extra, groups, *choices)


def _per_dimension(value: Any, weight: Tensor) -> list[int]:
    return [value] * (weight.dim() - 2) if isinstance(value, int) else list(value)
