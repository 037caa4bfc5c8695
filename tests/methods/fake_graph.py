"""Work on the CPU that is recorded and repeated as a CUDA graph does it: what a graph would get wrong shows here.

Recording leaves nothing done: all that was there before holds what it held, and random numbers stand where they stood.
Repeating calls the same operations on the same tensors with the numbers of the recording, and puts what they give into
the tensors of the recording.  What waits for the device, or brings data from the host, cannot be recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten

WAITS = {
    aten._local_scalar_dense.default,
    aten.bincount.default,
    aten.equal.default,
    aten.is_nonzero.default,
    aten.masked_select.default,
    aten.nonzero.default,
    aten.repeat_interleave.Tensor,
    aten.unique_dim.default,
    aten._unique2.default,
}
"""The host needs a value of the device, such as how large the result is."""

FROM_HOST = {aten.lift_fresh.default, aten.lift_fresh_copy.default}
"""torch.tensor([...]): memory that the host may use for something else before the copy is repeated."""

INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
"""By a mask these go by its nonzero places."""

Call = tuple[Any, tuple[Any, ...], dict[str, Any], list[tuple[int, Tensor]]]


class FakeRecorder:
    """What `bench.run.graphed.CudaRecorder` is, on the CPU; `recorded` counts its graphs and `repeated` their runs."""

    rates = torch.float64  # a number on its way to a kernel of the CPU is one

    def __init__(self) -> None:
        self.recorded = self.repeated = self.beside = 0

    def aside(self, work: Callable[[], None]) -> None:
        self.beside += 1
        work()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        graph, draws = FakeGraph(), torch.get_rng_state()
        try:
            with graph:
                work()
        finally:
            graph.undo()
            torch.set_rng_state(draws)
        self.recorded += 1

        def replay() -> None:
            self.repeated += 1
            graph.replay()

        return replay


class FakeGraph(TorchDispatchMode):
    """Records what is called while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.made: dict[int, Tensor] = {}
        """Tensors of the recording by the address of their memory, all held: no address is given away twice."""
        self.before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        """Memory that was there before, and what it held."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        refuse(func, args, kwargs)
        given = {place(tensor): tensor for tensor in tensors((args, kwargs))}
        for where, tensor in given.items():
            if where not in self.made and where not in self.before:
                memory = tensor.untyped_storage()
                self.before[where] = memory, memory.clone()
        out = func(*args, **kwargs)
        fresh = [(i, tensor) for i, tensor in enumerate(tree_leaves(out)) if is_new(tensor, given)]
        self.made.update((place(tensor), tensor) for _, tensor in fresh)
        self.calls.append((func, tree_map(lambda one: one, args), tree_map(lambda one: one, kwargs), fresh))
        return out

    def undo(self) -> None:
        """Everything that was there before holds again what it held."""
        for memory, held in self.before.values():
            memory.copy_(held)

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, fresh in self.calls:
            leaves = tree_leaves(func(*args, **kwargs))
            for i, held in fresh:
                held.copy_(leaves[i])


def tensors(nested: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(nested) if isinstance(leaf, Tensor))


def place(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def is_new(result: Any, given: dict[int, Tensor]) -> bool:
    """Whether a result has memory of its own: what is written in place, and views, follow what they are made of."""
    return isinstance(result, Tensor) and place(result) not in given


def refuse(func: Any, args: Any, kwargs: Any) -> None:
    """Raises RuntimeError for what a CUDA graph cannot hold, as CUDA does."""
    masks = func in INDEXING and any(one.dtype in (torch.bool, torch.uint8) for one in tensors(args[1]))
    drawn = any(isinstance(leaf, torch.Generator) for leaf in tree_leaves((args, kwargs)))
    if func in WAITS or func in FROM_HOST or masks or drawn:
        raise RuntimeError(f"{func}: operation not permitted when stream is capturing\nsearch for cudaError")
