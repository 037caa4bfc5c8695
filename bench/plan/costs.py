"""A sweep and what the store holds -> which of its models this machine has yet to measure."""

from __future__ import annotations

from bench import machine, names
from bench.spec import Component, PlannedRun, Sweep
from bench.store import Store


def costs_left(sweep: Sweep, device: str, store: Store) -> list[tuple[Component, int]]:
    """(model, number of classes) of `sweep` that this machine has not measured with this torch and at this size."""
    if sweep.cost is None:
        return []
    label, torch_version = machine.device_label(device), machine.version("torch")
    known = {
        (_costed(record.model, record.num_classes), record.input_shape)
        for record in (stored.record for stored in store.costs())
        if record.device == label
        and record.software.get("torch") == torch_version
        and (record.latency or record.latency_refused or not sweep.cost.latency)
    }
    wanted = {_costed(run.config.model, classes): (run.config.model, classes) for run, classes in _with_classes(sweep)}
    return [model for key, model in wanted.items() if (key, (1, 3, *sweep.cost.size)) not in known]


def _with_classes(sweep: Sweep) -> list[tuple[PlannedRun, int]]:
    datasets = {repr(run.config.dataset): run.config.dataset for run in sweep.runs}
    classes = {key: names.dataset_info(dataset).num_classes for key, dataset in datasets.items()}
    return [(run, classes[repr(run.config.dataset)]) for run in sweep.runs]


def _costed(model: Component, classes: int) -> str:
    """What a cost depends on: weights do not change it, so where they come from is left out."""
    options = {k: v for k, v in model.options.items() if k != "pretrained"}
    return f"{model.name} {sorted(options.items())} {classes}"
