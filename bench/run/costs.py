"""A model and a size -> its cost record: measured once per machine, after training and never beside it."""

from __future__ import annotations

import dataclasses

import torch

from bench import machine, names
from bench.cost.profile import profile
from bench.run.events import utc_now
from bench.run.place import Place
from bench.spec import Component, CostRecord, CostRequest


def measure(request: CostRequest, model: Component, classes: int, place: Place) -> CostRecord:
    """Profile `model` on `place.device` at the requested size; its record is stored before it is returned."""
    facts, (commit, dirty) = machine.describe(place.device), machine.commit()
    bare = Component(name=model.name, options={**model.options})
    if "pretrained" in bare.options:
        bare.options["pretrained"] = None  # weights cost nothing
    torch.manual_seed(0)
    found = profile(
        names.build("model", bare, classes),
        (1, 3, *request.size),
        device=place.device,
        budget_s=request.budget_s,
        latency=request.latency,
        machine=facts,
    )
    fields = {f.name: getattr(found, f.name) for f in dataclasses.fields(found)}
    record = CostRecord(
        model=bare,
        num_classes=classes,
        **fields,
        device=machine.device_label(place.device),
        machine=facts,
        software=machine.software(),
        commit=commit,
        dirty=dirty,
        measured_utc=utc_now(),
    )
    place.store.add_cost(record, machine.device_slug(place.device))
    return record
