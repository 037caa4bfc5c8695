"""Several methods -> one: images made over by each in turn, one supervised loss, the adapting losses of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
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
        self.capturable = all(part.capturable for part in parts)  # type: ignore[misc]

    def attach(self, model: SegModel, setting: Setting) -> None:
        for part in self.parts:
            part.attach(model, setting)
        self.optimizers = tuple(optimizer for part in self.parts for optimizer in part.optimizers)

    def prepare(self, batch: Batch) -> Batch:
        for part in self.parts:
            batch = part.prepare(batch)
        return batch

    def note(self, outputs: Mapping[str, Tensor]) -> None:
        for part in self.parts:
            part.note(outputs)

    def beside(self, model: SegModel, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor | None:
        found = [loss for part in self.parts if (loss := part.beside(model, outputs, batch)) is not None]
        return torch.stack(found).sum() if found else None

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

    A part that another of the list contains (`mic` contains `self_training`) needs not be listed, but may.  Raises
    BenchError for a reference row in the list, for one method twice, for a contained part with options of its own, for
    two parts of which a network can have one, and for one that adapts while it predicts anywhere but at the end.
    """
    components = [Component.model_validate(part) for part in parts]
    built = [names.build("method", component, loss, num_classes) for component in components]
    kept: list[Method] = []
    sole: dict[str, str] = {}
    for i, (component, part) in enumerate(zip(components, built, strict=True)):
        name, key = component.name, f"{PARTS}.{i}"
        if part.labels_from != "source" or isinstance(part, SourceOnly):
            problem = f"{name} is a reference row and adapts nothing"
            raise BenchError(problem, remedy="leave it out of the list", key=key)
        if name in [other.name for other in components[:i]]:
            raise BenchError(f"{name} is listed twice", remedy="keep one", key=key)
        if part.online and part is not built[-1]:
            problem = f"{name} goes on adapting while it predicts"
            raise BenchError(problem, remedy="move it to the end of the list", key=key)
        owner = next((c.name for c, other in zip(components, built, strict=True) if name in other.contains), None)
        if owner is not None:
            if component.options != names.resolve("method", Component(name=name)).options:
                raise BenchError(f"{owner} contains {name}", remedy=f"set its options on {owner}", key=key)
            continue
        if part.sole in sole:
            problem = f"{sole[part.sole]} and {name} each bring {part.sole}"
            raise BenchError(problem, remedy="keep one of them", key=key)
        if part.sole:
            sole[part.sole] = name
        kept.append(part)
    return Combined(loss, kept)
