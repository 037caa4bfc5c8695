"""A sweep and what the store holds -> which of its models this machine has yet to count and to time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from bench import machine, names
from bench.names.code import models_of_others
from bench.spec import JSON, BenchError, Component, CostRequest, LatencyRecord, PlannedRun, Sweep, Workload
from bench.spec.timing import PROTOCOL
from bench.store import Store


class CostLeft(NamedTuple):
    """A model with its classes, and which of the two is left to do."""

    model: Component
    num_classes: int
    to_count: bool
    to_time: bool


def costs_left(sweep: Sweep, device: str, store: Store) -> list[CostLeft]:
    """The models of `sweep` that this machine has not counted, or not timed as often as asked, with this torch.

    A timing of another protocol does not count, and one that failed is tried again.
    """
    request = sweep.cost
    if request is None:
        return []
    label, torch_version = machine.device_label(device), machine.version("torch")
    counted = {
        (_costed(record.model, record.num_classes), record.input_shape[2:])
        for record in (stored.record for stored in store.costs())
        if record.device == label and record.software.get("torch") == torch_version
        if _of_todays_code(record.model, record.software)
    }
    timed = Counter(
        timing.workload.model_dump_json()
        for record in (stored.record for stored in store.latencies())
        if record.device == label and _of_today(record, torch_version)
        for timing in record.timings
        if timing.failed is None and _of_todays_code(timing.workload.model, record.software)
    )
    left = {}
    for run, classes in with_classes(sweep):
        key, workload = _costed(run.config.model, classes), eager(run.config.model, classes, request)
        count = (key, request.size) not in counted
        time = request.latency and timed[workload.model_dump_json()] < request.repeats
        if count or time:
            left[key] = CostLeft(run.config.model, classes, count, time)
    return list(left.values())


def eager(model: Component, classes: int, request: CostRequest) -> Workload:
    """What a sweep times of a model on every device: one image in fp32."""
    return Workload(model=without_weights(model), num_classes=classes, size=request.size)


def without_weights(model: Component) -> Component:
    """`model` with random weights: where they come from changes no cost."""
    return Component(name=model.name, options={**model.options, **dict.fromkeys({"pretrained"} & {*model.options})})


def _of_today(record: LatencyRecord, torch_version: str | None) -> bool:
    return record.protocol == PROTOCOL and record.software.get("torch") == torch_version


def _of_todays_code(model: Component, software: Mapping[str, JSON]) -> bool:
    """Whether a network that is not ours was of the plug-in's code, or the library's version, that is here today."""
    try:
        today = models_of_others([model.name])
    except BenchError:
        return False
    library = names.entry("model", model.name).origin  # earlier records name it alone
    return all(told in (software.get(part), software.get(library)) for part, told in today.items())


def with_classes(sweep: Sweep) -> list[tuple[PlannedRun, int]]:
    """Each run with the number of classes of its dataset."""
    datasets = {repr(run.config.dataset): run.config.dataset for run in sweep.runs}
    classes = {key: names.dataset_info(dataset).num_classes for key, dataset in datasets.items()}
    return [(run, classes[repr(run.config.dataset)]) for run in sweep.runs]


def _costed(model: Component, classes: int) -> str:
    """What a cost depends on, as text."""
    return f"{without_weights(model).model_dump_json()} {classes}"
