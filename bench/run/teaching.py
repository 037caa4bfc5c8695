"""What a method says of its teacher -> that network on the run's device, and what a record keeps of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from bench import names
from bench.models.segmodel import SegModel
from bench.names.lineage import is_run
from bench.plan import without_weights
from bench.run.blueprint import META, blueprint
from bench.run.starting import split_layout, take
from bench.run.states import weights_digest
from bench.run.weights import Weights, read_weights, record_of, weights_of
from bench.spec import JSON, BenchError, Component, ExitCode, RunConfig
from bench.store import Store


class Teachers:
    """`Setting.network` of a run; `facts` are those of the network last asked for, None before.

    `planned` are runs that will have finished by then: of them only the model is needed, where nothing has values.
    """

    def __init__(
        self,
        config: RunConfig,
        device: torch.device,
        store: Callable[[], Store],
        planned: Mapping[str, RunConfig] | None = None,
    ) -> None:
        self.config, self.device, self.store, self.planned = config, device, store, planned or {}
        self.classes = names.dataset_info(config.dataset).class_names
        self.facts: dict[str, JSON] | None = None

    def __call__(self, what: str | dict[str, Any], weights: str | None) -> SegModel:
        """The network `what` for the run's classes: a run's with its weights, or a model, drawn or with a file's.

        Raises BenchError for a model that is not there, for weights that are missing, broken or leave a part of the
        network as it was drawn, and for a run with other classes.
        """
        part = self._component(what)
        if self.device == META:
            return blueprint(part, len(self.classes))
        model: SegModel = names.build("model", part, len(self.classes)).to(self.device)
        found = None
        if is_run(what) or weights is not None:
            layout, text = (None, "") if weights is None else split_layout(weights)
            found = weights_of(self.store(), what) if is_run(what) else read_weights(Path(text).expanduser())
            whole(model, part, found, layout, key="method.teacher")
        self.facts = {
            "model": part.model_dump(mode="json"),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "from": None if found is None else found.name,
            "sha256": None if found is None else found.sha256,
            "weights_sha256": weights_digest(model),
            "trained": found is None,
        }
        return model

    def _component(self, what: str | dict[str, Any]) -> Component:
        if not is_run(what):
            try:
                return names.resolve("model", Component.model_validate(what))
            except BenchError as error:
                error.key = "method.teacher"
                raise
            except ValueError:
                problem, remedy = f"{what!r} names no teacher", "write a model's name or a run's id"
                raise BenchError(problem, remedy=remedy, key="method.teacher") from None
        if what in self.planned:
            request = self.planned[what]
            part, classes = request.model, names.dataset_info(request.dataset).class_names
        else:
            record = record_of(self.store(), what)
            part, classes = record.config.model, record.classes
        if classes != self.classes:
            problem = f"the teacher {what} has {len(classes)} classes that are not the {len(self.classes)} of this run"
            raise BenchError(problem, remedy="take a run on the same classes", key="method.teacher")
        return without_weights(part)


def whole(model: SegModel, part: Component, found: Weights, layout: str | None = None, *, key: str = "") -> str:
    """Give all of `model` that is used without training heads the weights `found`; returns their layout.

    Raises BenchError (code DATA) where some of it would stay as it was drawn.
    """
    layout, report = take(model, part, found, layout)
    needed = [n for n in (*report.skipped, *report.missing) if not n.endswith("num_batches_tracked")]
    left = [n for n in needed if n.partition(".")[0] not in model.auxiliary]
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        problem = f"has nothing that fits {left[0]}{more} of {part.name}"
        remedy = "use weights of this model and these classes, with its options"
        raise BenchError(problem, remedy=remedy, file=found.file, key=key, code=ExitCode.DATA)
    return layout
