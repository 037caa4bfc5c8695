"""A run that has come to its end -> its record."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from bench import machine, names
from bench.run.events import utc_now
from bench.run.memory import peak_memory
from bench.spec import JSON, Counts, RunRecord

if TYPE_CHECKING:
    from bench.run.learning import Lesson
    from bench.run.training import Run


def recorded(
    run: Run, read: Lesson, per_image: dict[str, torch.Tensor], *, chosen: int, made: int, macs: int | None
) -> RunRecord:
    """What `run` leaves: `per_image` confusion counts of the network of step `chosen`, after `made` updates."""
    config, journal = run.config, run.journal
    commit, dirty = machine.commit()
    seconds = {**journal.seconds, "total": sum(journal.seconds.values())}
    return RunRecord(
        run_id=run.planned.run_id,
        name=run.planned.name,
        sweep=run.place.sweep,
        config=config,
        synthetic=names.synthetic(config),
        classes=run.info.class_names,
        confusion={domain: plain(counts.sum(0)) for domain, counts in per_image.items()},
        images_scored={domain: len(counts) for domain, counts in per_image.items()},
        history=journal.history(),
        evaluations=tuple(journal.evaluations),
        chosen_step=chosen,
        steps=made,
        images_seen=made * config.batch_size * config.accumulate,
        source_images=len(read.labelled),
        target_images=0 if read.target is None else len(read.target),
        training_macs=macs,
        picked={**dataclasses.asdict(run.parts.picked), **_graph(run)},
        init=run.begun.facts() if run.begun else None,
        teacher=run.teachers.facts,
        stopped_at=run.stopper.stopped_at,
        unlabelled_batches=run.blanks.state()["count"],
        resumed_at=tuple(journal.resumed_at),
        seconds={name: round(value, 3) for name, value in seconds.items()},
        memory_bytes=peak_memory(run.place.device),
        device=machine.device_label(run.place.device, torch.get_num_threads()),
        machine=machine.describe(run.place.device),
        software=machine.software(),
        commit=commit,
        dirty=dirty,
        data_digests=dict(sorted(run.digests.items())),
        code=run.code,
        weights_sha256=run.weights,
        started_utc=journal.started_utc,
        finished_utc=utc_now(),
    )


def _graph(run: Run) -> dict[str, JSON]:
    """What was recorded of the updates, for a run that asked for it, or why nothing was."""
    if not run.config.cuda_graph:
        return {}
    return {"cuda_graph": run.graphed.told() if run.graphed else f"not used: {run.eager}"}


def plain(counts: torch.Tensor) -> Counts:
    """Confusion counts (K, K) as a record holds them."""
    return tuple(tuple(row) for row in counts.tolist())
