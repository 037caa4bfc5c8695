"""A network -> a copy of it that may be hooked, traced and run without values, and what to say where it cannot run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bench.spec import BenchError

Shape = tuple[int, int, int, int]
"""(N, 3, H, W)."""


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


def attempt(call: Callable[..., Any], *args: Any) -> Any:
    """`call(*args)`, whose last argument is the images, with torch's complaint as one line that says what was tried."""
    try:
        return call(*args)
    except (RuntimeError, TypeError) as error:  # NotImplementedError (no kernel that knows shapes) is one too
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BenchError(
            f"the forward pass that counts operations fails at {tuple(args[-1].shape)}: {why}",
            remedy="choose a size that the model takes; operators of one's own need a kernel for the meta device",
        ) from error


@contextmanager
def written_out_attention() -> Iterator[None]:
    """nn.MultiheadAttention as the products it consists of: its fused form is one operator that no counter knows."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
