"""What is asked for: a run, what it costs, a sweep of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from bench.spec.values import Component, Frozen, Size

Choice = Literal[
    "last",
    "source_val",
    "agreement",
    "atc",
    "bn_gap",
    "bnm",
    "consistency",
    "entropy",
    "infomax",
    "prior_distance",
    "snd",
    "oracle",
]
"""Which weights of a run are scored: the last, or the best by a row of `bench.selection`.  `oracle` looks at labels of
the target, so its scores are never to be compared with others."""


class RunConfig(Frozen):
    """All that decides the numbers of a training run; never where data lies, which device, how many workers.

    `source`, `target` and `evaluate_on` are written `dataset/domain`; sizes are (height, width).  Component options
    are complete (every default spelled out) once `bench.names.resolve_config` has seen it.

    A step is one update, made of `accumulate` batches of `batch_size`.  `ema` is the decay of an average of weights and
    buffers, which is then what is scored.  After `patience` evaluations in a row without a gain of more than `min_gain`
    over the last (in the unit of `choose`, as mIoU in 0..1) a run ends.  `channels_last: auto` goes with
    `precision: auto`, and is off beside any other precision.  With `cuda_graph` the work of an update is recorded once
    and repeated, where device, method and schedule allow it; the record says whether they did.
    """

    model: Component
    dataset: Component
    source: str
    target: str | None = None
    evaluate_on: tuple[str, ...] = Field(min_length=1)
    method: Component = Component(name="source_only")
    loss: Component = Component(name="cross_entropy")
    optimizer: Component = Component(name="sgd")
    groups: Component = Component(name="uniform")
    scheduler: Component = Component(name="poly")
    augment: tuple[Component, ...] = ()
    sampler: Component = Component(name="uniform")
    scoring: Component = Component(name="whole")
    resize_px: Size | None = None
    crop_px: Size | None = None
    crop_max_share: float | None = Field(default=None, gt=0, le=1)
    batch_size: int = Field(default=6, ge=1)
    steps: int | None = Field(default=None, ge=1)
    epochs: int | None = Field(default=None, ge=1)
    schedule_steps: int | None = Field(default=None, ge=1)
    schedule_by: Literal["step", "epoch"] = "step"
    warmup_steps: int = Field(default=0, ge=0)
    warmup_from: float = Field(default=0.0, ge=0, le=1)
    accumulate: int = Field(default=1, ge=1)
    ema: float | None = Field(default=None, gt=0, lt=1)
    evaluate_every: int = Field(default=0, ge=0)
    choose: Choice = "last"
    patience: int | None = Field(default=None, ge=1)
    min_gain: float = Field(default=0.0, ge=0)
    init: str | None = None
    precision: Literal["fp32", "tf32", "bf16", "fp16", "auto"] = "fp32"
    channels_last: bool | Literal["auto"] = "auto"
    compile: bool = False
    cuda_graph: bool = False
    deterministic: bool = False
    seed: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _one_length(self) -> RunConfig:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("exactly one of `steps` and `epochs` says how long to train")
        if self.choose != "last" and not self.evaluate_every:
            raise ValueError(f"`choose: {self.choose}` needs `evaluate_every`")
        if self.choose not in ("last", "source_val") and self.target is None:
            raise ValueError(f"`choose: {self.choose}` needs a `target`")
        return self

    @model_validator(mode="after")
    def _stops_early(self) -> RunConfig:
        if self.patience is None:
            if self.min_gain:
                raise ValueError("`min_gain` says what `patience` waits for: set `patience` too")
        elif self.choose == "last":
            raise ValueError("`patience` waits for a gain of what `choose` names: set `choose`, such as source_val")
        elif self.steps is not None:
            self.can_stop(self.steps)
        return self

    def can_stop(self, steps: int) -> None:
        """Raises ValueError where a run of `steps` updates is over before `patience` could end it."""
        if self.patience is not None and (first := (self.patience + 1) * self.evaluate_every) >= steps:
            problem = f"`patience: {self.patience}` could stop a run after {first} updates at the earliest"
            raise ValueError(f"{problem}, and this one has {steps}: lower `patience` or `evaluate_every`")


class CostRequest(Frozen):
    """What a sweep measures of each distinct model, apart from training: `size` is (height, width) of one image.

    With `latency` each model is timed in `repeats` fresh processes, `budget_s` seconds in each.
    """

    size: Size = (512, 512)
    latency: bool = True
    budget_s: float = Field(default=6.0, gt=0)
    repeats: int = Field(default=3, ge=1, le=100)


class PlannedRun(Frozen):
    """One cell of a sweep: `name` is what people read and `-k` matches, `run_id` what files are called."""

    name: str
    run_id: str
    config: RunConfig


class Sweep(Frozen):
    """A named, ordered list of runs.  Its `trackers` watch them and decide nothing, so no file remembers them."""

    name: str
    about: str = ""
    runs: tuple[PlannedRun, ...]
    cost: CostRequest | None = CostRequest()
    trackers: tuple[Component, ...] = Field(default=(), exclude=True)
