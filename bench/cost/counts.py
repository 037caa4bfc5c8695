"""A network and an input shape -> exact integers: parameters and multiply-adds, by two independent counters.

Multiply-adds ("MACs") are those of convolutions and matrix products; FLOP = 2 x MAC.  Nothing is executed for them: the
network is copied to the meta device, where tensors have shapes and no values.  fvcore cannot run there (torch.jit
tracing fails), so its sum, kept for comparison with papers, costs one real forward pass.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.spec import BenchError

Shape = tuple[int, int, int, int]
"""(N, 3, H, W)."""

_MULTIPLY_ADDS = ("conv", "linear", "matmul", "addmm", "mm", "bmm", "baddbmm", "einsum")
"""The rows of fvcore's table that the flop counter counts too."""


def count_parameters(module: nn.Module) -> int:
    """Elements of all parameters, a tensor used in several places counted once; buffers are not parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(model: nn.Module, input_shape: Shape) -> int:
    """Multiply-adds of convolutions and matrix products in one eval-mode forward pass of `model`, as it is built.

    Counted by torch's flop counter (which counts 2 per multiply-add) on a copy without values: `model` itself is not
    run, its mode, weights and BN statistics stay as they are.  Raises BenchError where the pass cannot be made.
    """
    images = torch.zeros(input_shape, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        _attempt(twin(model, "meta"), images)
    return int(counter.get_total_flops()) // 2


def macs_per_image(model: nn.Module, input_shape: Shape) -> int:
    """`count_macs` of one image of `input_shape`; raises BenchError where two images do not count exactly twice."""
    one, two = (count_macs(model, (n, *input_shape[1:])) for n in (1, 2))
    if two != 2 * one:
        raise BenchError(
            f"two images count {two:,} multiply-adds, one {one:,}: a figure per image would mislead",
            remedy="keep work that does not depend on the images out of forward()",
        )
    return one


def count_fvcore(model: nn.Module, input_shape: Shape) -> tuple[int, dict[str, int]]:
    """fvcore's sum for one eval-mode forward pass of the whole batch, and {operator it does not count: times met}.

    Its rules: 1 per multiply-add, 2 per element of an eval-mode BN, 4 per output element of a bilinear and 1 of a
    nearest resize, 1 per input element of an adaptive pool; bias, ReLU and concatenation are free.  The model runs
    once, on zeros, on the device of its parameters.  Raises BenchError where fvcore's multiply-adds differ from
    `count_macs`: then one of the two counters does not know this network, and the figure is worth nothing.
    """
    rows, uncounted = _fvcore_rows(model, input_shape)
    theirs, ours = sum(rows.get(name, 0) for name in _MULTIPLY_ADDS), count_macs(model, input_shape)
    if theirs != ours:
        raise BenchError(
            f"fvcore counts {theirs:,} multiply-adds where torch counts {ours:,}",
            remedy="its sum is refused: an operator of this network is unknown to one of them",
        )
    return sum(rows.values()), uncounted


def twin(model: nn.Module, device: Literal["meta"] | None = None) -> nn.Module:
    """A copy of `model` in eval mode that shares its tensors or, on "meta", has their shapes and no values.

    Counting on a copy leaves nothing behind in the original: no mode, no statistics, no hook of a trace that failed.
    Autocast is left out: it knows no meta device, and counts do not depend on the precision.
    """
    memo: dict[int, Any] = {}
    for part in model.modules():
        for tensor in (*part._parameters.values(), *part._buffers.values(), *vars(part).values()):
            if isinstance(tensor, Tensor):
                memo[id(tensor)] = tensor if device is None else _without_values(tensor)
    copied: nn.Module = copy.deepcopy(model, memo).eval()
    for part in copied.modules():
        if getattr(part, "autocast_dtype", None) is not None:
            part.autocast_dtype = None  # type: ignore[assignment]
    return copied


def _without_values(tensor: Tensor) -> Tensor:
    empty = tensor.detach().to("meta")
    return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty


class _Flat(nn.Module):
    """`model` with its outputs as a tuple: tracing refuses a dict."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        outputs = self.model(images)
        return tuple(outputs.values()) if isinstance(outputs, dict) else outputs


def _fvcore_rows(model: nn.Module, input_shape: Shape) -> tuple[dict[str, int], dict[str, int]]:
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    images = torch.zeros(input_shape, device=device)
    with warnings.catch_warnings(), torch.no_grad():
        # fvcore compiles TorchScript while it is imported and traces with torch.jit: both are deprecated, neither
        # changes a count.
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(_Flat(twin(model)), images)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        rows = _attempt(analysis.by_operator)
        uncounted = analysis.unsupported_ops()
    return {name: int(n) for name, n in rows.items()}, {name: int(n) for name, n in sorted(uncounted.items())}


def _attempt(call: Any, *images: Tensor) -> Any:
    """`call(*images)`, with torch's complaint turned into one line that says what was being done."""
    try:
        return call(*images)
    except RuntimeError as error:  # NotImplementedError (an operator without a meta kernel) is one too
        size = f" at {tuple(images[0].shape)}" if images else ""
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BenchError(
            f"the forward pass that counts operations fails{size}: {why}",
            remedy="choose an input size that the model takes",
        ) from error
