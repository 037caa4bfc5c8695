"""A network and an input shape -> exact integers: parameters, and multiply-adds on which three counters agree.

Multiply-adds ("MACs") are those of convolutions and matrix products; FLOP = 2 x MAC.  Counting needs no weights and
leaves the network as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from bench.cost.copies import Shape
from bench.cost.tracing import Traced, trace
from bench.cost.watching import Product, Watched, is_heavy, watch
from bench.spec import BenchError


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Elements of a network's tensors, one used in several places counted once, and their bytes as they are now."""

    total: int
    trainable: int
    buffers: int
    bytes: int
    buffer_bytes: int


@dataclass(frozen=True, kw_only=True)
class Counts:
    """One forward pass in eval mode of one image.

    `winograd_macs`: as few multiply-adds as Winograd's algorithm leaves, for bounds that must hold.  `fvcore` is its
    table, kept for comparison with papers, or None and `fvcore_refused` says why.
    """

    macs: int
    winograd_macs: int
    products: tuple[Product, ...]
    fvcore: Traced | None
    fvcore_refused: str


def parameters(module: nn.Module) -> Parameters:
    """What `module` holds, as it is built: call it on a network and on its `deployed()` for the two graphs."""
    held, buffers = list(module.parameters()), list(module.buffers())
    return Parameters(
        total=sum(p.numel() for p in held),
        trainable=sum(p.numel() for p in held if p.requires_grad),
        buffers=sum(b.numel() for b in buffers),
        bytes=sum(p.nbytes for p in held),
        buffer_bytes=sum(b.nbytes for b in buffers),
    )


def count_parameters(module: nn.Module) -> int:
    """Elements of all parameters, a tensor used in several places counted once; buffers are not parameters."""
    return parameters(module).total


def count(model: nn.Module, input_shape: Shape) -> Counts:
    """All counts of one image of `input_shape`, of `model` as it is built (its auxiliary heads included).

    Raises BenchError, which names the operator, where the three counters do not agree on the convolutions, the two
    that see every operation not on all products, or one of them met an operator that may multiply and add and did not
    count it; where two images do not count exactly twice; and where the pass cannot be made.  fvcore's sum alone is
    refused where it misses products that are no convolutions: it knows no fused attention.
    """
    one, two = ((n, *input_shape[1:]) for n in (1, 2))
    seen = _agreed(watch(model, one))
    macs, of_two = _macs(seen), _macs(_agreed(watch(model, two)))
    if of_two != 2 * macs:
        raise BenchError(
            f"two images count {of_two:,} multiply-adds, one {macs:,}: a figure per image would mislead",
            remedy="keep work that does not depend on the images out of forward()",
        )
    traced = _traced(model, one, seen)
    refused = _fault(traced, seen)
    return Counts(
        macs=macs,
        winograd_macs=_winograd(seen),
        products=seen.products,
        fvcore=None if refused else traced,
        fvcore_refused=refused,
    )


def count_macs(model: nn.Module, input_shape: Shape) -> int:
    """Multiply-adds of one forward pass of the whole batch, by torch's counter and by the closed form.

    Raises BenchError where the two differ, met an operator they do not know, or the pass cannot be made.
    """
    return _macs(_agreed(watch(model, input_shape)))


def winograd_macs(model: nn.Module, input_shape: Shape) -> int:
    """`count_macs` with a quarter of those that Winograd's algorithm can save: no implementation needs fewer.

    Of F multiply-adds E are in 3x3 convolutions of stride and dilation 1 without groups: F - E + E/4, rounded down.
    Source: A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308, F(4x4, 3x3).
    """
    return _winograd(_agreed(watch(model, input_shape)))


def count_fvcore(model: nn.Module, input_shape: Shape) -> tuple[int, dict[str, int]]:
    """fvcore's sum for one eval-mode forward pass of the whole batch, and {operator it does not count: times met}.

    Its rules: 1 per multiply-add, 2 per element of an eval-mode BN, 4 per output element of a bilinear and 1 of a
    nearest resize, 1 per input element of an adaptive pool; bias, ReLU and concatenation are free.  Raises BenchError
    where its multiply-adds differ from `count_macs`: then it does not know this network, and its sum is worth nothing.
    """
    seen = _agreed(watch(model, input_shape))
    traced = _traced(model, input_shape, seen)
    fault = _fault(traced, seen)
    if fault:
        raise BenchError(fault, remedy="its sum is refused: an operator of this network is unknown to it")
    return traced.total, traced.uncounted


def _agreed(seen: Watched) -> Watched:
    """What two counters saw, if nothing heavy escaped them and they agree; a user's own formula is believed."""
    if seen.uncounted:
        names = ", ".join(seen.uncounted)
        raise BenchError(
            f"{names} may multiply and add, and no counter knows it: the figure is refused",
            remedy="give torch a formula (torch.utils.flop_counter.register_flop_formula) or use torch's own operators",
        )
    for name in sorted({p.operator for p in seen.products} | {k.removeprefix("aten.") for k in seen.flops}):
        theirs, ours = seen.flops.get(f"aten.{name}"), 2 * sum(p.macs for p in seen.products if p.operator == name)
        if theirs is not None or ours:
            _compare(name, torch=(theirs or 0) // 2, shapes=ours // 2)
    return seen


def _compare(operator: str, **counts: int) -> None:
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{who} {n:,}" for who, n in counts.items())
        raise BenchError(
            f"the counters disagree on the multiply-adds of '{operator}': {said}",
            remedy="the figure is refused: report the network's layers that use it",
        )


def _macs(seen: Watched) -> int:
    return sum(seen.flops.values()) // 2


def _winograd(seen: Watched) -> int:
    eligible = sum(product.macs for product in seen.products if product.winograd)
    return _macs(seen) - eligible + eligible // 4


def _traced(model: nn.Module, shape: Shape, seen: Watched) -> Traced:
    """fvcore's table; a pass with values where shapes alone do not show it every convolution."""
    convolutions = sum(product.macs for product in seen.products if product.is_convolution)
    traced = trace(model, shape)
    if traced.convolutions != convolutions:
        traced = trace(model, shape, values=True)
    _compare("convolution", torch=convolutions, fvcore=traced.convolutions)
    return traced


def _fault(traced: Traced, seen: Watched) -> str:
    """Why fvcore's sum cannot stand; "" where it can."""
    if traced.macs == _macs(seen):
        return ""
    unknown = [name for name in traced.uncounted if is_heavy(name) or "PythonOp" in name]
    why = f" (unknown to it: {', '.join(unknown)})" if unknown else ""
    return f"fvcore counts {traced.macs:,} multiply-adds where torch counts {_macs(seen):,}{why}"
