"""A model and a size -> its cost record: parameters and multiply-adds, counted once per machine."""

from __future__ import annotations

import torch

from bench import machine, names
from bench.cost import counts
from bench.names.code import models_of_others
from bench.plan import without_weights
from bench.run.events import utc_now
from bench.run.place import Place
from bench.spec import Component, CostRecord, Size


def count(model: Component, classes: int, size: Size, place: Place) -> CostRecord:
    """Count `model` for one image of `size`; its record is stored before it is returned.

    The training graph is the forward pass with every output the model has (auxiliary heads), in eval mode.  Raises
    BenchError where the network cannot be run at `size` or its counters disagree.
    """
    facts, (commit, dirty) = machine.describe(place.device), machine.commit()
    bare, shape = without_weights(model), (1, 3, *size)
    torch.manual_seed(0)
    built = names.build("model", bare, classes)
    params = counts.count_parameters(built.deployed()), counts.count_parameters(built)
    deployed = counts.count(built.deployed(), shape)
    training = deployed if params[0] == params[1] else counts.count(built, shape)  # without other heads: one graph
    record = CostRecord(
        model=bare,
        num_classes=classes,
        input_shape=shape,
        params_deployed=params[0],
        params_training=params[1],
        macs=deployed.macs,
        macs_training_graph=training.macs,
        fvcore_total=deployed.fvcore.total if deployed.fvcore else None,
        fvcore_total_training_graph=training.fvcore.total if training.fvcore else None,
        fvcore_uncounted=deployed.fvcore.uncounted if deployed.fvcore else {},
        latency=None,
        protocol={"fvcore": f"refused: {deployed.fvcore_refused}"} if deployed.fvcore_refused else {},
        memory_bytes={},
        device=machine.device_label(place.device, facts=facts),
        machine=facts,
        software={**machine.software(), **models_of_others([bare.name])},
        commit=commit,
        dirty=dirty,
        measured_utc=utc_now(),
    )
    place.store.add_cost(record, machine.device_slug(place.device, facts=facts))
    return record
