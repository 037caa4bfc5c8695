"""A finished run or a file of weights -> a network ready for use, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench import checkpoint, names
from bench.batches import scoring_batches
from bench.cache import Split
from bench.evaluate.counting import evaluate
from bench.models.segmodel import SegModel
from bench.names.lineage import is_run
from bench.plan import without_weights
from bench.run.chosen import surrounded, unpack
from bench.run.numerics import numerics
from bench.run.picking import FP32, Picked, as_recorded, computes
from bench.run.place import Place
from bench.run.starting import split_layout
from bench.run.teaching import whole
from bench.run.training import SCORING_BATCH
from bench.run.weights import Weights, read_weights, record_of, weights_of
from bench.spec import BenchError, Component, DatasetInfo, ExitCode, RunConfig, RunRecord


@dataclass(frozen=True, kw_only=True)
class Used:
    """A network in eval mode on its device; `what` says in words which weights these are.

    `info` is the dataset whose classes it knows, `config` that of the run that trained it, None for a file that no
    record here speaks of.  It computes as that run did (`picked`), beside such a file in float32.
    """

    network: SegModel
    what: str
    weights: Weights
    model: Component
    info: DatasetInfo
    config: RunConfig | None = None
    picked: Picked = FP32

    @property
    def scoring(self) -> Component:
        """How it looks at an image."""
        return self.config.scoring if self.config else Component(name="whole")

    def computing(self, device: torch.device) -> AbstractContextManager[None]:
        """Torch's switches as they were when it was scored."""
        return numerics(self.picked, device, deterministic=self.config is not None and self.config.deterministic)


def find(text: str, place: Place, model: Component | None = None, info: DatasetInfo | None = None) -> Used:
    """The network that `text` names: a run's id, or a file of weights (`layout:file` names a public layout).

    A file that no record in the store speaks of needs `model`, and `info` of a dataset with its classes; what a run's
    method put around its network is in that run's file.  Raises BenchError for what is missing, a `model` beside a
    record that names it, and (code DATA) for weights that do not fill the network.
    """
    layout, rest = split_layout(text)
    found = weights_of(place.store, text) if is_run(text) else read_weights(Path(rest).expanduser())
    known = found.run_id is not None and place.store.newest_run_file(found.run_id) is not None
    if known and model is not None:
        problem = f"the record of {found.run_id} says which network {found.file.name} is for"
        raise BenchError(problem, remedy="leave it out", key="--model")
    if known:
        return _recorded(found, record_of(place.store, str(found.run_id)), place)
    for key, given, what in (("--model", model, "which network"), ("--dataset", info, "which classes")):
        if given is None:
            problem = f"nothing here says of {found.name} {what} it is for"
            raise BenchError(problem, remedy=f"say it with {key}", key=key)
    assert model is not None
    assert info is not None
    part = names.resolve("model", model)
    network: SegModel = names.build("model", without_weights(part), info.num_classes)
    layout = whole(network, part, found, layout)
    network, note = network.to(place.device).eval(), ""
    if found.run_id is not None:
        state = checkpoint.load(found.file, run_id=found.run_id)
        network, note = surrounded(state, network), _note(state)
    what = f"{found.file.name} (layout {layout}) in {part.name}, its classes taken to be those of {info.name}{note}"
    return Used(network=network, what=what, weights=found, model=part, info=info)


def _recorded(found: Weights, record: RunRecord, place: Place) -> Used:
    config = record.config
    state = checkpoint.load(found.file, run_id=record.run_id)
    picked = as_recorded(record, torch.device(place.device))
    network: SegModel = names.build("model", without_weights(config.model), len(record.classes)).to(place.device)
    computes(network, picked)
    try:
        network = unpack(state, network)
    except (RuntimeError, KeyError, TypeError) as fault:
        why = str(fault).splitlines()[0]
        problem = f"does not fit {config.model.name} ({why})"
        raise BenchError(problem, remedy="run it again", file=found.file, code=ExitCode.DATA) from None
    info = names.dataset_info(config.dataset)
    if info.class_names != record.classes:
        problem = f"{record.run_id} was trained on other classes than {info.name} has today"
        raise BenchError(problem, remedy="run it again", code=ExitCode.DATA)
    kind = "as they were scored" if found.file.name == "chosen.pt" else f"as in {found.file.name}"
    what = f"{record.run_id} ({record.name}), weights of step {found.step}, {kind}{_note(state)}"
    return Used(network=network, what=what, weights=found, model=config.model, info=info, config=config, picked=picked)


def _note(state: Mapping[str, Any]) -> str:
    """What is said of weights that are not the whole of what was scored."""
    return f"; {state['note']}" if state.get("note") else ""


def counts_of(
    used: Used,
    network: SegModel,
    split: Split,
    classes: int,
    device: torch.device,
    tick: Callable[[], None] = lambda: None,
) -> torch.Tensor:
    """Confusion counts (N, K, K) of `network` as a run counts them, seen as `used` sees images; a `tick` for each."""

    def watched() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for batch in scoring_batches(split, batch_size=SCORING_BATCH, device=device):
            yield batch
            for _ in batch[1]:
                tick()

    with used.computing(device):
        return evaluate(network, watched(), classes, names.build("scoring", used.scoring))


def request_of(used: Used, dataset: Component, domain: str) -> RunConfig:
    """What `bench.run.data.read` needs to know: that domain, images at the size that `used` was trained to see."""
    where, size = f"{dataset.name}/{domain}", used.config.resize_px if used.config else None
    return names.resolve_config(
        RunConfig(model=used.model, dataset=dataset, source=where, evaluate_on=(where,), steps=1, resize_px=size)
    )


class ByMap(SegModel):
    """A network's logits (N, K, h, w) for other classes (N, L, h, w): of each the largest of those it stands for.

    `groups[l]` are the network's classes that are class l; one without any is never predicted, and a class of the
    network that is in no group never wins.
    """

    def __init__(self, model: SegModel, groups: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.model, self.groups = model, groups

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.model(images)["out"].float()
        never = torch.full_like(logits[:, 0], NEVER)
        planes = [logits[:, list(group)].amax(1) if group else never for group in self.groups]
        return {"out": torch.stack(planes, 1)}


NEVER = -1e9
"""A logit that loses; infinity would turn into no number when it is resampled."""


def groups_of(
    mapping: Mapping[str, str] | None, ours: tuple[str, ...], theirs: tuple[str, ...]
) -> tuple[tuple[int, ...], ...]:
    """For each of `theirs` the numbers of `ours` that `mapping` (ours -> theirs) declares to be it; None: by name.

    Raises BenchError for names that are not there, or a map that leaves nothing.
    """
    declared = {name: name for name in ours if name in theirs} if mapping is None else mapping
    for name, other in declared.items():
        for word, known, whose in ((name, ours, "the network"), (other, theirs, "the dataset")):
            if word not in known:
                problem = f"{whose} has no class '{word}'"
                raise BenchError(problem, remedy=names.near(word, known), key="--map")
    if not declared:
        problem = "no class of the network has the name of one of the dataset"
        raise BenchError(problem, remedy="declare each with --map ITS_CLASS=DATASET_CLASS", key="--map")
    return tuple(tuple(i for i, name in enumerate(ours) if declared.get(name) == other) for other in theirs)
