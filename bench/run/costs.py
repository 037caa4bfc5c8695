"""A model and a size -> its cost record: parameters and multiply-adds, counted once per machine."""

from __future__ import annotations

import dataclasses

import torch

from bench import machine, names
from bench.cost.profile import profile
from bench.plan import without_weights
from bench.run.events import utc_now
from bench.run.place import Place
from bench.spec import Component, CostRecord, Size


def count(model: Component, classes: int, size: Size, place: Place) -> CostRecord:
    """Count `model` for one image of `size`; its record is stored before it is returned."""
    facts, (commit, dirty) = machine.describe(place.device), machine.commit()
    bare = without_weights(model)
    torch.manual_seed(0)
    found = profile(names.build("model", bare, classes), (1, 3, *size))
    record = CostRecord(
        model=bare,
        num_classes=classes,
        **{f.name: getattr(found, f.name) for f in dataclasses.fields(found)},
        latency=None,
        memory_bytes={},
        device=machine.device_label(place.device, facts=facts),
        machine=facts,
        software=machine.software(),
        commit=commit,
        dirty=dirty,
        measured_utc=utc_now(),
    )
    place.store.add_cost(record, machine.device_slug(place.device, facts=facts))
    return record
