"""What an adaptation method is to the loop: a batch in, named losses out one by one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel

Loss = Callable[[Mapping[str, Tensor], Tensor], Tensor]


class Method(ABC):
    """`losses` yields (name, scalar) in turn; the loop runs each backward before asking for the next.

    So only one graph is alive at a time.  A method with state of its own (teachers, discriminators) returns it from
    `state_dict` and takes it back in `load_state_dict`.
    """

    needs_target: bool = False

    @abstractmethod
    def losses(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """(name, scalar) of each loss of this batch, in turn."""

    def after_step(self, model: SegModel) -> None:
        """Called after every update."""
        return

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        return
