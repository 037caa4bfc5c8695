"""What an adaptation method is to the rest of the house: images made over, losses one by one, a network to score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import Tensor

if TYPE_CHECKING:
    import torch

    from bench.batches import Batch
    from bench.methods.unlabelled import Unlabelled
    from bench.models.segmodel import SegModel

    OtherNetwork = Callable[[str | dict[str, Any], str | None], SegModel]

Loss = Callable[[Mapping[str, Tensor], Tensor], Tensor]
"""A segmentation loss: (outputs of the model, labels int64 (N, H, W)) -> scalar."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a method is told once, before the first step.

    `target` are the unlabelled images of the target, None for a run without one; `source_shares` (K,) the part of the
    labelled pixels that each class has in the labelled split; `seed` the run's.  `network(what, weights)` gives another
    network for the run's classes, on its device: `what` is a run's id or a model (with options), `weights` a file.
    """

    device: torch.device
    steps: int
    seed: int
    num_classes: int
    target: Unlabelled | None = None
    source_shares: tuple[float, ...] = ()
    network: OtherNetwork | None = None


class Method:
    """How batches become losses; one object for one run.

    The loop asks for `losses` and runs each backward before it asks for the next, so only one graph is alive at a time;
    then every optimizer steps, the run's and `optimizers`.  Random numbers come from `batch.generator(purpose)`, which
    depends on (seed, step, purpose) alone, so a resumed run draws what it would have drawn.
    """

    needs_target: ClassVar[bool] = False
    """Whether the run must name a target."""

    target_batches: ClassVar[bool] = True
    """Whether a method that needs a target wants its images in batches; one that adapts afterwards does not."""

    online: ClassVar[bool] = False
    """Whether the network that `adapted` gives changes while it predicts: then each domain is scored by a copy."""

    labels_from: ClassVar[Literal["source", "target", "both"]] = "source"
    """Whose labels it trains on: all methods but the two reference rows `oracle` and `joint` see the source's alone."""

    contains: ClassVar[tuple[str, ...]] = ()
    """Methods that it is built upon: listed beside them in a combination, it stands for both."""

    sole: ClassVar[str] = ""
    """What it brings of which a network can have one; methods with the same word here are not combined."""

    capturable: ClassVar[bool] = False
    """Whether the device does the same work at every step, so that a CUDA graph can repeat it: `losses` looks at no
    `batch.step`, draws from no `batch.generator`, goes by no Python number that changes and waits for no value."""

    optimizers: tuple[torch.optim.Optimizer, ...] = ()
    """Those of its own networks, there after `attach`; they follow the run's schedule and step with its optimizer."""

    watched: Mapping[str, Tensor] = {}
    """Scalars of this step that are no losses but worth a curve, such as how much of its labels a teacher believes."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def attach(self, model: SegModel, setting: Setting) -> None:
        """Called once, `model` on its device with its starting weights: make teachers and discriminators here."""
        return

    def losses(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """(name, scalar) of each loss of this batch, in turn: the supervised one, then what adapts."""
        batch = self.prepare(batch)
        yield "segmentation", self.supervised(model, batch)
        yield from self.adapt(model, batch)

    def prepare(self, batch: Batch) -> Batch:
        """The batch with its images made over (appearance transfer); labels stay where they are."""
        return batch

    def supervised(self, model: SegModel, batch: Batch) -> Tensor:
        """The loss on labelled images; what `beside` adds to it has a gradient there and no part in its value."""
        outputs = model(batch.images)
        self.note(outputs)
        loss, more = self.loss(outputs, batch.labels), self.beside(model, outputs, batch)
        return loss if more is None else loss + (more - more.detach())

    def note(self, outputs: Mapping[str, Tensor]) -> None:
        """Told the outputs on labelled images before `adapt`: what is kept of them must be detached."""
        return

    def beside(self, model: SegModel, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor | None:
        """A loss on the same outputs, for whoever has one: they then need no second pass."""
        return None

    def adapt(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The losses that adapt, in turn."""
        return iter(())

    def after_step(self, model: SegModel) -> None:
        """Called after every update."""
        return

    def adapted(self, model: SegModel) -> SegModel:
        """The network to score in place of `model`, which goes on training unchanged; in eval mode like it."""
        return model

    def state_dict(self) -> dict[str, Any]:
        """All state of its own but the optimizers'."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        return
