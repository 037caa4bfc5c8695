"""A configuration -> how long a run of it will take here, and the memory it needs, from a few of its own steps."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from bench import names
from bench.batches import scoring_batches
from bench.evaluate.counting import evaluate
from bench.run.data import read
from bench.run.learning import attach, batches, length, lesson
from bench.run.memory import peak_memory, reset_peak_memory
from bench.run.numerics import named, numerics
from bench.run.parts import build_parts, splits_of
from bench.run.picking import pick
from bench.run.place import Place
from bench.run.teaching import Teachers
from bench.selection.looking import IMAGES
from bench.spec import RunConfig
from bench.train import train

STEPS, WARM_UP = 20, 4
"""Updates that are timed, after some that are not: memory is found and kernels are chosen in those."""

SCORED, BATCH = 16, 8
"""Images that are scored to know what one costs, and how many at once, as when a run is scored."""

LOOKS = 3
"""Forward passes per image that scores without labels cost: the image, its altered copy, one of the source."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Seconds of reading, of one update (median) and of scoring an image; how often a run does each; peak bytes on the
    device, of this process on a CPU.  `fault` says why there are no figures."""

    read_s: float = 0.0
    step_s: float = 0.0
    image_s: float = 0.0
    steps: int = 0
    images: int = 0
    memory_bytes: int | None = None
    fault: str = ""

    @property
    def run_s(self) -> float | None:
        """Seconds of a whole run; None without figures."""
        return None if self.fault else self.read_s + self.steps * self.step_s + self.images * self.image_s


def cells(configs: Sequence[RunConfig]) -> list[list[int]]:
    """The positions of `configs` in groups that take the same time: all but the seed is alike."""
    groups: dict[str, list[int]] = {}
    for i, config in enumerate(configs):
        groups.setdefault(config.model_copy(update={"seed": 0}).model_dump_json(), []).append(i)
    return list(groups.values())


def probe(config: RunConfig, place: Place) -> Probe:
    """Read the data of `config`, make some updates and score some images; nothing is stored but decoded images.

    A network that does not fit is told of in the result.  Raises BenchError for anything wrong with the data.
    """
    gc.collect()
    if place.device.startswith("cuda"):
        torch.cuda.empty_cache()
    reset_peak_memory(place.device)
    device = torch.device(place.device)
    try:
        with numerics(pick(config, device), device, deterministic=config.deterministic), named():
            return _probe(config, place)
    except (torch.OutOfMemoryError, MemoryError):
        return Probe(fault=f"does not fit at batch size {config.batch_size}")


def _probe(config: RunConfig, place: Place) -> Probe:
    device, begun = torch.device(place.device), time.perf_counter()
    learnt = lesson(config, lambda split, domain: read(config, domain, split, place), device)
    test = read(config, config.evaluate_on[0], "test", place)
    numbers = {d: len(read(config, d, "test", place)) for d in config.evaluate_on}
    along = sum(len(read(config, d, "val", place)) for d in splits_of(config)["val"])
    read_s = time.perf_counter() - begun
    steps, _ = length(config, len(learnt.labelled))
    start = max(0, steps - WARM_UP - STEPS)  # the last ones, when whatever begins late has begun
    teachers = Teachers(config, device, lambda: place.store)
    parts = attach(build_parts(config, device), config, learnt, device, steps, teachers)
    loop = train(
        parts.model,
        parts.method,
        parts.optimizers,
        batches(config, parts, learnt, device, start),
        steps=start + WARM_UP + STEPS,
        lr_factor=lambda step: 1.0,
        pause=lambda step: True,  # each update is waited for, which is what the median is of
        device=device,
        scaler=parts.scaler,
        start=start,
        accumulate=config.accumulate,
        follow=parts.follow,
    )
    taken = []
    before = time.perf_counter()
    for progress in loop:
        now = time.perf_counter()
        if progress.step > start + WARM_UP:
            taken.append(now - before)
        place.beat()
        before = time.perf_counter()
    network = parts.method.adapted(parts.kept)
    scored = list(islice(scoring_batches(test, batch_size=BATCH, device=device), SCORED // BATCH))
    before = time.perf_counter()
    evaluate(network, scored, names.dataset_info(config.dataset).num_classes, names.build("scoring", config.scoring))
    image_s = (time.perf_counter() - before) / sum(len(labels) for _, labels in scored)
    looks = -(-steps // config.evaluate_every) if config.evaluate_every else 0
    peaks = peak_memory(place.device)
    return Probe(
        read_s=read_s,
        step_s=statistics.median(taken),
        image_s=image_s,
        steps=steps,
        images=sum(numbers.values()) + looks * (along + (LOOKS * IMAGES if config.target else 0)),
        memory_bytes=peaks["device_peak"] or peaks["process_peak"],
    )


def probe_all(
    configs: Sequence[RunConfig], place: Place, tell: Callable[[int, int], None] = lambda done, total: None
) -> list[tuple[list[int], Probe]]:
    """A probe of each distinct cell, with the positions of its runs; `tell(done, total)` before each."""
    groups, found = cells(configs), []
    for done, group in enumerate(groups):
        tell(done, len(groups))
        found.append((group, probe(configs[group[0]], place)))
    return found
