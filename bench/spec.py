"""The nouns: what is asked for (RunConfig, Sweep) and what came back (RunRecord, CostRecord, Measurement)."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

IGNORE = 255
"""The label of a pixel that no loss and no score may see (void, no-data, unlabelled)."""

DEFAULTS = 1
"""Raised whenever a default below or in a component changes, so that old ids never mean new numbers."""

SCHEMA = 1
"""Schema number of records. History: 1 (2026-11) first."""

JSON = Any


# ------------------------------------------------------------------ errors


class ExitCode(IntEnum):
    """What the process tells its caller (README, "Exit codes")."""

    OK = 0
    RUNS_FAILED = 1
    USAGE = 2
    DATA = 3
    STORE = 4
    ENVIRONMENT = 5
    INTERNAL = 70
    INTERRUPTED = 75
    CTRL_C = 130


class BenchError(Exception):
    """A fault the user can mend: one line that says where, what is wrong and what to do.

    `file`, `line`, `column` and `key` say where; `problem` what is wrong; `remedy` what to do.
    """

    def __init__(
        self,
        problem: str,
        *,
        remedy: str = "",
        file: str | Path | None = None,
        line: int | None = None,
        column: int | None = None,
        key: str = "",
        code: ExitCode = ExitCode.USAGE,
    ) -> None:
        super().__init__(problem)
        self.problem, self.remedy, self.key, self.code = problem, remedy, key, code
        self.file, self.line, self.column = file, line, column

    def at(
        self, file: str | Path | None = None, line: int | None = None, column: int | None = None, key: str = ""
    ) -> BenchError:
        """This error with the places it did not know yet filled in."""
        self.file = self.file if self.file is not None else file
        if self.line is None:
            self.line, self.column = line, column
        self.key = self.key or key
        return self

    def __str__(self) -> str:
        """`<file>[:<line>[:<col>]]: <key>: <problem>; <remedy>`, control characters escaped, at most 300 long."""
        place = str(self.file) if self.file is not None else ""
        if place and self.line is not None:
            place += f":{self.line}" + (f":{self.column}" if self.column is not None else "")
        text = ": ".join(part for part in (place, self.key, self.problem) if part)
        if self.remedy:
            text += f"; {self.remedy}"
        return printable(text, limit=300)


def printable(text: str, limit: int | None = None) -> str:
    """`text` on one line without characters that steer a terminal, shortened in its middle to `limit`."""
    safe = "".join(
        c if c == " " or (c.isprintable() and unicodedata.category(c) != "Cf") else ascii(c)[1:-1] for c in text
    )
    if limit is not None and len(safe) > limit:
        safe = safe[: limit // 2 - 2] + " ... " + safe[-(limit // 2 - 3) :]
    return safe


# ------------------------------------------------------------------ what is asked for


class Frozen(BaseModel):
    """An immutable value; unknown keys are errors, and nan or infinity is never a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


@dataclass(frozen=True)
class Domain:
    """One visual world, written `loveda/urban`."""

    dataset: str
    name: str

    @classmethod
    def parse(cls, text: str, dataset: str = "") -> Domain:
        """`rural` (of `dataset`) or `other_dataset/rural`."""
        head, slash, tail = text.rpartition("/")
        return cls(head if slash else dataset, tail)

    def __str__(self) -> str:
        return f"{self.dataset}/{self.name}"


class Component(Frozen):
    """A named part with its options, written `ohem` or `{name: ohem, threshold: 0.9}`."""

    name: str
    options: dict[str, JSON] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _written_flat(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value, "options": {}}
        if isinstance(value, Mapping) and not ("options" in value and isinstance(value["options"], Mapping)):
            return {"name": value.get("name"), "options": {k: v for k, v in value.items() if k != "name"}}
        return value

    @model_serializer
    def _flat(self) -> dict[str, JSON]:
        return {"name": self.name, **dict(sorted(self.options.items()))}


Size = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
"""(height, width) in pixels."""


class RunConfig(Frozen):
    """All that decides the numbers of a training run; never where data lies, which device, how many workers.

    `source`, `target` and `evaluate_on` are written `dataset/domain`; sizes are (height, width).  Component options
    are complete (every default spelled out) once `bench.names.resolve_config` has seen it.
    """

    model: Component
    dataset: Component
    source: str
    target: str | None = None
    evaluate_on: tuple[str, ...] = Field(min_length=1)
    method: Component = Component(name="source_only")
    loss: Component = Component(name="cross_entropy")
    optimizer: Component = Component(name="sgd")
    scheduler: Component = Component(name="poly")
    augment: tuple[Component, ...] = ()
    resize_px: Size | None = None
    crop_px: Size | None = None
    batch_size: int = Field(default=6, ge=1)
    steps: int | None = Field(default=None, ge=1)
    epochs: int | None = Field(default=None, ge=1)
    schedule_steps: int | None = Field(default=None, ge=1)
    evaluate_every: int = Field(default=0, ge=0)
    choose: Literal["last", "source_val"] = "last"
    precision: Literal["fp32", "tf32", "bf16", "fp16"] = "fp32"
    seed: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _one_length(self) -> RunConfig:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("exactly one of `steps` and `epochs` says how long to train")
        if self.choose == "source_val" and not self.evaluate_every:
            raise ValueError("`choose: source_val` needs `evaluate_every`")
        return self


class CostRequest(Frozen):
    """What a sweep measures of each distinct model, apart from training: `size` is (height, width) of one image."""

    size: Size = (512, 512)
    latency: bool = True
    budget_s: float = Field(default=15.0, gt=0)


class PlannedRun(Frozen):
    """One cell of a sweep: `name` is what people read and `-k` matches, `run_id` what files are called."""

    name: str
    run_id: str
    config: RunConfig


class Sweep(Frozen):
    """A named, ordered list of runs."""

    name: str
    about: str = ""
    runs: tuple[PlannedRun, ...]
    cost: CostRequest | None = CostRequest()


class ModelSpec(NamedTuple):
    """Table entry of a model: `build` is "module:function" inside the package."""

    build: str
    label: str
    paper: str


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """The facts of a dataset that need no pixel: `palette[k]` is the (r, g, b) of class k."""

    name: str
    label: str
    domains: tuple[str, ...]
    class_names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    licence: str
    source: str
    needs_files: bool
    synthetic: bool = False

    @property
    def num_classes(self) -> int:
        return len(self.class_names)


class Dataset(Protocol):
    """Labelled images of one domain and split, in a fixed order."""

    info: DatasetInfo
    domain: str
    split: str

    def __len__(self) -> int: ...

    def image_name(self, index: int) -> str:
        """A name that is unique in the split, such as the file's stem."""

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(image uint8 (H, W, 3) RGB, labels uint8 (H, W) in 0..K-1 or IGNORE); raises BenchError naming the file."""

    def digest(self) -> str:
        """sha256 over everything that decides the pixels and labels."""


# ------------------------------------------------------------------ what came back


class Measurement(Frozen):
    """Raw readings in `unit`; every statistic is derived from `values`, the first `warmups` readings left out of it."""

    unit: str
    values: tuple[float, ...]
    warmups: tuple[float, ...] = ()


class History(Frozen):
    """What the loop reported: entry i of each list belongs to `steps[i]` (number of updates made so far)."""

    steps: tuple[int, ...] = ()
    losses: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)
    lr: tuple[float, ...] = ()


Counts = tuple[tuple[int, ...], ...]
"""Confusion counts, row = label, column = prediction."""


class Evaluation(Frozen):
    """Confusion counts per domain after `step` updates, on `split`."""

    step: int
    split: str
    confusion: dict[str, Counts]


class RunRecord(Frozen):
    """Everything one finished training run leaves; scores such as mIoU are derived, never stored."""

    schema_number: int = SCHEMA
    kind: Literal["run"] = "run"
    run_id: str
    name: str
    sweep: str
    config: RunConfig
    synthetic: bool
    classes: tuple[str, ...]
    confusion: dict[str, Counts]
    images_scored: dict[str, int]
    images_file: str | None = None
    images_sha256: str | None = None
    history: History
    evaluations: tuple[Evaluation, ...] = ()
    chosen_step: int
    steps: int
    images_seen: int
    source_images: int
    resumed_at: tuple[int, ...] = ()
    seconds: dict[str, float]
    memory_bytes: dict[str, int | None]
    device: str
    machine: dict[str, JSON]
    software: dict[str, JSON]
    commit: str | None
    dirty: bool | None
    data_digests: dict[str, str]
    started_utc: str
    finished_utc: str


class Failure(Frozen):
    """One attempt that did not finish: `state` is a word for the table, `reason` one line."""

    kind: Literal["failure"] = "failure"
    run_id: str
    name: str
    sweep: str
    config: RunConfig
    state: Literal["failed", "diverged", "oom", "interrupted"]
    reason: str
    step: int | None = None
    device: str
    finished_utc: str


class CostRecord(Frozen):
    """What a model costs on one machine: counts are per image of `input_shape`; never tied to a loss, seed or source.

    `macs` counts multiply-adds of convolutions and matrix products (torch's flop counter / 2) of the deployed graph;
    `fvcore_total` is fvcore's own sum for one image (multiply-adds plus its BN and resize terms).
    `latency` is end to end per image: input resident on the device, synchronised on both sides.
    """

    schema_number: int = SCHEMA
    kind: Literal["cost"] = "cost"
    model: Component
    num_classes: int
    input_shape: tuple[int, int, int, int]
    params_deployed: int
    params_training: int
    macs: int
    macs_training_graph: int
    fvcore_total: int | None
    fvcore_total_training_graph: int | None
    fvcore_uncounted: dict[str, int] = Field(default_factory=dict)
    latency: Measurement | None
    latency_flags: tuple[str, ...] = ()
    latency_refused: str | None = None
    protocol: dict[str, JSON]
    memory_bytes: dict[str, int | None]
    device: str
    machine: dict[str, JSON]
    software: dict[str, JSON]
    commit: str | None
    dirty: bool | None
    measured_utc: str


# ------------------------------------------------------------------ identity


def canonical_json(value: JSON) -> bytes:
    """The one spelling of a JSON value: sorted keys, no blanks, text in NFC, -0.0 as 0.0; nan is refused."""

    def plain(v: JSON) -> JSON:
        if isinstance(v, str):
            return unicodedata.normalize("NFC", v)
        if isinstance(v, Mapping):
            return {plain(str(k)): plain(x) for k, x in v.items()}
        if isinstance(v, (list, tuple)):
            return [plain(x) for x in v]
        return 0.0 if isinstance(v, float) and v == 0 else v

    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def run_id(identity: Mapping[str, JSON]) -> str:
    """`r-` + 16 hex over the fields that differ from their defaults (see `bench.names.identity`)."""
    return "r-" + hashlib.sha256(canonical_json({"defaults": DEFAULTS, **identity})).hexdigest()[:16]
