"""Several methods -> one: images made over by each in turn, one supervised loss, the adapting losses of all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch import Tensor

from bench import names
from bench.methods.method import Loss, Method, Setting
from bench.methods.source_only import SourceOnly
from bench.names.combined import PARTS
from bench.spec import BenchError, Component

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel


class Combined(Method):
    """Parts act in the order in which they are listed; the supervised loss is taken once, on what they made."""

    def __init__(self, loss: Loss, parts: list[Method]) -> None:
        super().__init__(loss)
        self.parts = parts
        self.needs_target = any(part.needs_target for part in parts)  # type: ignore[misc]
        self.target_batches = any(part.needs_target and part.target_batches for part in parts)  # type: ignore[misc]
        self.online = any(part.online for part in parts)  # type: ignore[misc]

    def attach(self, model: SegModel, setting: Setting) -> None:
        for part in self.parts:
            part.attach(model, setting)
        self.optimizers = tuple(optimizer for part in self.parts for optimizer in part.optimizers)

    def prepare(self, batch: Batch) -> Batch:
        for part in self.parts:
            batch = part.prepare(batch)
        return batch

    def adapt(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        for part in self.parts:
            yield from part.adapt(model, batch)
        self.watched = {name: value for part in self.parts for name, value in part.watched.items()}

    def after_step(self, model: SegModel) -> None:
        for part in self.parts:
            part.after_step(model)

    def adapted(self, model: SegModel) -> SegModel:
        for part in self.parts:
            model = part.adapted(model)
        return model

    def state_dict(self) -> dict[str, Any]:
        return {str(i): part.state_dict() for i, part in enumerate(self.parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for i, part in enumerate(self.parts):
            part.load_state_dict(state[str(i)])


def combined(loss: Loss, num_classes: int, *, parts: list[Any]) -> Combined:
    """Several methods at once, written as a list: `method: [fda, mic]`.

    A part that is built upon another of the list (`mic` upon `self_training`) stands for both.  Raises BenchError for a
    reference row in the list, for one method twice, and for a contained part with options of its own.
    """
    components = [Component.model_validate(part) for part in parts]
    built = [names.build("method", component, loss, num_classes) for component in components]
    for i, (component, part) in enumerate(zip(components, built, strict=True)):
        if part.labels_from != "source" or isinstance(part, SourceOnly):
            problem = f"{component.name} is a reference row and adapts nothing"
            raise BenchError(problem, remedy="leave it out of the list", key=f"{PARTS}.{i}")
        if component.name in [other.name for other in components[:i]]:
            raise BenchError(f"{component.name} is listed twice", remedy="keep one", key=f"{PARTS}.{i}")
    return Combined(loss, [part for i, part in enumerate(built) if not _contained(i, components, built)])


def _contained(i: int, components: list[Component], built: list[Method]) -> bool:
    own, part = components[i], built[i]
    for component, other in zip(components, built, strict=True):
        if type(other) is not type(part) and isinstance(other, type(part)):
            if own.options != names.resolve("method", Component(name=own.name)).options:
                remedy = f"set its options on {component.name}"
                raise BenchError(f"{component.name} contains {own.name}", remedy=remedy, key=f"{PARTS}.{i}")
            return True
    return False
