"""A network and the shape of its images -> what two counters see of one forward pass in eval mode.

Both watch operations on their way to the kernels: torch's flop counter, and a closed form of our own from the shapes
that every call is given.  They run on a copy on the meta device, where tensors have shapes and no values, so nothing is
computed and the network itself is not touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import HigherOrderOperator
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from bench.cost.copies import Shape, attempt, twin, written_out_attention

_HEAVY = {"mm", "addmm", "bmm", "baddbmm", "addbmm", "matmul", "mv", "addmv", "dot", "vdot", "einsum", "linear"}
_HEAVY |= {"bilinear", "trilinear", "cdist", "fft", "lstm", "gru", "rnn"}


def is_heavy(operator: str) -> bool:
    """Whether `namespace::name` multiplies and adds, or may: every operator that is not torch's own may."""
    namespace, _, name = operator.rpartition("::")
    if namespace not in ("", "aten", "prim", "prims"):
        return True
    words = set(name.split("_"))
    known = any(part in name for part in ("convolution", "attention", "multi_head", "transformer"))
    return known or bool(words & _HEAVY) or any(word[:4] == "conv" and word[4:5].isdigit() for word in words)


@dataclass(frozen=True)
class Product:
    """One call of a convolution or matrix product: the innermost module that made it, the operator, multiply-adds.

    `winograd`: a 3x3 convolution of stride and dilation 1 without groups, which Winograd's algorithm does with as
    little as a quarter of the multiplications.
    """

    module: str
    operator: str
    macs: int
    winograd: bool = False

    @property
    def is_convolution(self) -> bool:
        return self.operator == "convolution"


@dataclass(frozen=True)
class Watched:
    """What two counters saw.

    `flops` is torch's: operator -> 2 x multiply-adds; `products` the closed form's; `uncounted` names the operators
    that may multiply and add and that torch's counter met without counting them.
    """

    flops: dict[str, int]
    products: tuple[Product, ...]
    uncounted: tuple[str, ...]


def watch(model: nn.Module, shape: Shape) -> Watched:
    """Both counters that watch operations, over one forward pass; raises BenchError where the pass cannot be made."""
    copied = twin(model, "meta")
    closed = _ClosedForm(copied)
    with torch.no_grad(), written_out_attention(), FlopCounterMode(display=False) as counter, closed:
        attempt(copied, torch.zeros(shape, device="meta"))
    flops = {str(packet): int(n) for packet, n in counter.get_flop_counts().get("Global", {}).items()}
    return Watched(flops, tuple(closed.products), tuple(sorted(closed.uncounted - set(flops))))


class _ClosedForm(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Multiply-adds of every product from the shapes that go in, and the module that called it.

    Entered after torch's counter it sees everything first, also operators over functions, which the counter lets pass.
    """

    supports_higher_order_operators = True

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products: list[Product] = []
        self.uncounted: set[str] = set()
        self._inside = [""]
        for name, part in model.named_modules():
            part.register_forward_pre_hook(self._enter(name))
            part.register_forward_hook(self._leave, always_call=True)

    def _enter(self, name: str) -> Callable[..., None]:
        return lambda *_: self._inside.append(name)

    def _leave(self, *_: Any) -> None:
        self._inside.pop()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        operator = func.name().split(".")[0]
        name = operator.removeprefix("aten::")
        if name in _FORMULAS:
            macs, winograd = _FORMULAS[name](*args)
            self.products.append(Product(self._inside[-1], name, macs, winograd))
        elif is_heavy(operator) or isinstance(func, HigherOrderOperator):  # what the latter calls may stay unseen
            self.uncounted.add(operator.replace("::", "."))
        return func(*args, **(kwargs or {}))


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
) -> tuple[int, bool]:
    n, _, *sizes = x.shape
    kernel = weight.shape[2:]
    if not transposed:  # a transposed one multiplies every pixel that goes in, not every one that comes out
        settings = zip(sizes, kernel, _each(stride), _each(padding), _each(dilation), strict=False)
        sizes = [(size + 2 * p - d * (k - 1) - 1) // s + 1 for size, k, s, p, d in settings]
    plain = {*stride, *dilation, groups} == {1} and not transposed
    return n * prod(sizes) * weight.numel(), plain and tuple(kernel) == (3, 3)


def _each(values: list[int]) -> Any:
    """One value may stand for all dimensions."""
    return repeat(values[0]) if len(values) == 1 else values


def _product(left: Tensor, right: Tensor, *_: Any) -> tuple[int, bool]:
    return left.numel() * right.shape[-1], False


_FORMULAS: dict[str, Callable[..., tuple[int, bool]]] = {
    "convolution": _convolution,
    "mm": _product,
    "bmm": _product,
    "addmm": lambda bias, *factors: _product(*factors),
    "baddbmm": lambda bias, *factors: _product(*factors),
}
