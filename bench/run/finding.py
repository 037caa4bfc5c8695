"""A configuration -> its losses at ever higher learning rates, on a copy of its parts: the learning-rate range test."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import torch

from bench import names
from bench.run.data import read
from bench.run.learning import attach, batches, length, lesson
from bench.run.numerics import named, numerics
from bench.run.parts import Parts, build_parts
from bench.run.picking import pick
from bench.run.place import Place
from bench.run.starting import start
from bench.run.suggesting import Watch, smoothed, suggestions
from bench.run.teaching import Teachers
from bench.spec import BenchError, Component, RunConfig
from bench.train import Progress, train

FEWEST = 20
"""Steps with fewer of which a curve says nothing."""

NOT_LOOKED_AT = (
    "seed",
    "scheduler",
    "schedule_steps",
    "schedule_by",
    "warmup_steps",
    "warmup_from",
    "evaluate_every",
    "choose",
    "patience",
    "min_gain",
    "ema",
    "scoring",
)
"""Fields that a range test does not depend on, but for the seed, of which one is enough."""

SUPERVISED = "segmentation"
"""The loss that is looked at, as every method has it; where there is none, the sum of all."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """`losses[i]` was taken before the update with `rates[i]`; `suggestions` by rule, the one to take first, or none.

    `broke` says that the loss left the network's reach, `lr` is the configured rate.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    broke: bool
    lr: float
    suggestions: dict[str, float]

    @property
    def smoothed(self) -> list[float]:
        """`losses` as the curve that suggestions are taken from."""
        return smoothed(self.losses)


def alike(configs: Sequence[RunConfig]) -> list[list[int]]:
    """The positions of `configs` in groups to which one test applies: the learning rate is what is looked for."""
    groups: dict[str, list[int]] = {}
    for i, config in enumerate(configs):
        same = {key: RunConfig.model_fields[key].default for key in NOT_LOOKED_AT}
        key = config.model_copy(update={**same, "evaluate_on": (), "optimizer": _with_rate(config.optimizer, 1.0)})
        groups.setdefault(key.model_dump_json(), []).append(i)
    return list(groups.values())


def find(
    config: RunConfig,
    place: Place,
    *,
    lowest: float = 1e-7,
    highest: float = 10.0,
    steps: int = 100,
    tell: Callable[[int], None] = lambda done: None,
) -> Found:
    """Train a copy of the run for up to `steps` updates, the rate growing by equal factors from `lowest` to `highest`.

    Everything is as in the run (weights, batches, method, groups with their ratios, what rests at its start) but for
    the rate of its optimizer; what a method trains beside it keeps its own.  It ends where the loss breaks away.
    Nothing is stored but decoded images, and random numbers drawn from torch's global generators are given back.

    Raises BenchError for rates and steps that make no test, for an optimizer without `lr`, for a network that does not
    fit into memory, and for anything wrong with the data.
    """
    check_range(lowest, highest, steps)
    device = torch.device(place.device)
    rates = [lowest * (highest / lowest) ** (i / (steps - 1)) for i in range(steps)]
    copy = config.model_copy(update={"optimizer": _with_rate(config.optimizer, 1.0), "ema": None})
    computing = numerics(pick(copy, device), device, deterministic=copy.deterministic)
    with _generators_kept(device), computing, named():
        try:
            losses, broke = _losses(copy, place, device, rates, tell)
        except (torch.OutOfMemoryError, MemoryError):
            problem = f"does not fit into memory at batch size {config.batch_size}"
            raise BenchError(problem, remedy="choose a smaller batch or crop", key="batch_size") from None
    if len(losses) < FEWEST // 2:
        problem = f"the loss breaks away after {len(losses)} steps, at a rate of {rates[max(0, len(losses) - 1)]:.2g}"
        raise BenchError(problem, remedy="begin lower, or raise --steps", key="--from")
    tested = tuple(rates[: len(losses)])
    return Found(
        rates=tested,
        losses=tuple(losses),
        broke=broke,
        lr=float(config.optimizer.options["lr"]),
        suggestions=suggestions(tested, losses),
    )


def check_range(lowest: float, highest: float, steps: int) -> None:
    """Raises BenchError for rates and steps that make no test."""
    if not 0 < lowest < highest < 1e6:
        problem, remedy = f"{lowest:g} to {highest:g} is no range", "choose 0 < --from < --to < 1e6"
        raise BenchError(problem, remedy=remedy, key="--from")
    if steps < FEWEST:
        raise BenchError(f"{steps} steps are too few", remedy=f"choose {FEWEST} or more", key="--steps")


def _losses(
    config: RunConfig, place: Place, device: torch.device, rates: Sequence[float], tell: Callable[[int], None]
) -> tuple[list[float], bool]:
    """The loss before each update as long as it is finite, and whether it broke away."""
    learnt = lesson(config, lambda split, domain: read(config, domain, split, place), device)
    parts = build_parts(config, device)
    start(parts.model, config, place.store)
    total, _ = length(config, len(learnt.labelled))
    parts = attach(parts, config, learnt, device, total, Teachers(config, device, lambda: place.store))
    loop = train(
        parts.model,
        parts.method,
        parts.optimizers,
        batches(config, parts, learnt, device, 0),
        steps=max(total, len(rates)) * 1000,  # never reached: what rests at the start of the run rests all along
        lr_factor=_sweep(parts, rates),
        pause=lambda step: True,
        device=device,
        scaler=parts.scaler,
        accumulate=config.accumulate,
    )
    losses: list[float] = []
    watch = Watch()
    with closing(loop):  # type: ignore[type-var]
        for progress in itertools.islice(loop, len(rates)):
            place.beat()
            loss = _looked_at(progress)
            broken = watch.broken(loss)
            if math.isfinite(loss):
                losses.append(loss)
            if broken:
                return losses, True
            tell(progress.step)
    return losses, False


def _sweep(parts: Parts, rates: Sequence[float]) -> Callable[[int], float]:
    """The factor of each step; optimizers of the method's own, which follow the same factor, keep their rates."""
    others = [group for optimizer in parts.optimizers[1:] for group in optimizer.param_groups]
    own = [group["initial_lr"] for group in others]

    def factor(step: int) -> float:
        for group, rate in zip(others, own, strict=True):
            group["initial_lr"] = rate / rates[step]
        return rates[step]

    return factor


def _looked_at(progress: Progress) -> float:
    """The supervised loss of the one step that `progress` tells of."""
    told = {name: values[-1] for name, values in progress.losses.items() if values[-1] is not None}
    if SUPERVISED in told:
        return float(told[SUPERVISED] or 0.0)
    return float(sum(value or 0.0 for value in told.values()))


def _with_rate(optimizer: Component, lr: float) -> Component:
    """`optimizer` with the learning rate `lr`."""
    if "lr" not in names.options("optimizer", optimizer.name):
        problem = f"optimizer '{optimizer.name}' has no option `lr`"
        raise BenchError(problem, remedy="choose another optimizer", key="optimizer")
    return Component(name=optimizer.name, options={**optimizer.options, "lr": lr})


@contextmanager
def _generators_kept(device: torch.device) -> Iterator[None]:
    """Puts torch's global generators back to where they stood."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
