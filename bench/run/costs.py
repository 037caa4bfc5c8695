"""A sweep -> a cost record for each distinct model: once per machine, after training and never beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch

from bench import machine, names
from bench.cost.profile import profile
from bench.run.place import Place
from bench.run.training import utc_now
from bench.spec import Component, CostRecord, Sweep


def measure(sweep: Sweep, models: list[tuple[Component, int]], place: Place) -> Iterator[CostRecord]:
    """Profile each of `models` on `place.device` at the sweep's size; every record is stored before it is yielded."""
    assert sweep.cost is not None
    facts, software, (commit, dirty) = machine.describe(place.device), machine.software(), machine.commit()
    for component, classes in models:
        bare = Component(name=component.name, options={**component.options})
        if "pretrained" in bare.options:
            bare.options["pretrained"] = None
        torch.manual_seed(0)
        found = profile(
            names.build("model", bare, classes),
            (1, 3, *sweep.cost.size),
            device=place.device,
            budget_s=sweep.cost.budget_s,
            latency=sweep.cost.latency,
            machine=facts,
        )
        fields = {f.name: getattr(found, f.name) for f in dataclasses.fields(found)}
        record = CostRecord(
            model=bare,
            num_classes=classes,
            **fields,
            device=machine.device_label(place.device),
            machine=facts,
            software=software,
            commit=commit,
            dirty=dirty,
            measured_utc=utc_now(),
        )
        place.store.add_cost(record, machine.device_slug(place.device))
        yield record
