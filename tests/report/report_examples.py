"""Small records built in code, so that every figure in a table can be worked out by hand."""

from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path
from typing import Any

import numpy as np

from bench.spec import (
    BenchError,
    Component,
    CostRecord,
    Counts,
    Evaluation,
    Failure,
    History,
    Measurement,
    PlannedRun,
    RunConfig,
    RunRecord,
    Sweep,
)
from bench.store import Contents, Stored

CLASSES = ("field", "road", "water")
PIDNET = Component(name="pidnet_s", options={"weights": None})
UNET = Component(name="unet_resnet18", options={"weights": None})


def counts(right: float, seed: int = 0, images: int = 8) -> np.ndarray:
    """(images, 3, 3) counts with a share of about `right` on the diagonal; the labels depend on `images` alone."""
    rng, labels = random.Random(seed), random.Random(images)
    found = np.zeros((images, 3, 3), dtype=np.int64)
    for image in found:
        for k in range(3):
            total = labels.randrange(50, 150)
            hits = min(total, max(0, round(total * (right + rng.uniform(-0.05, 0.05)))))
            image[k, k], image[k, (k + 1) % 3] = hits, total - hits
    return found


def config(**changes: Any) -> RunConfig:
    plain: dict[str, Any] = {
        "model": PIDNET,
        "dataset": Component(name="landcover", options={"tile_px": 128}),
        "source": "landcover/urban",
        "evaluate_on": ("landcover/urban", "landcover/rural"),
        "loss": Component(name="cross_entropy"),
        "optimizer": Component(name="sgd", options={"lr": 0.01, "momentum": 0.9, "weight_decay": 0.0005}),
        "scheduler": Component(name="poly", options={"power": 0.9}),
        "crop_px": (96, 96),
        "batch_size": 4,
        "steps": 600,
    }
    return RunConfig(**{**plain, **changes})


CHANGES: tuple[dict[str, Any], ...] = (
    {"scoring": Component(name="sliding", options={"window_px": 64})},
    {"sampler": Component(name="class_balanced", options={"min_pixels": 0})},
    {"crop_max_share": 0.75},
    {"schedule_steps": 1200},
    {"choose": "source_val", "evaluate_every": 100},
    {"evaluate_every": 100},
    {"precision": "bf16"},
    {"resize_px": (64, 64)},
    {"crop_px": None},
    {"batch_size": 8},
    {"augment": (Component(name="flip"),)},
    {"model": Component(name="pidnet_s", options={"weights": "imagenet"})},
    {"optimizer": Component(name="adam")},
    {"method": Component(name="fda"), "target": "landcover/rural"},
    {"loss": Component(name="dice")},
    {"scheduler": Component(name="constant")},
    {"source": "landcover/rural"},
    {"steps": None, "epochs": 12},
    {"groups": Component(name="by_stage", options={"head": 10.0})},
    {"schedule_by": "epoch"},
    {"warmup_steps": 100},
    {"warmup_from": 0.1, "warmup_steps": 100},
    {"accumulate": 2},
    {"ema": 0.99},
    {"patience": 2, "choose": "source_val", "evaluate_every": 100},
    {"min_gain": 0.01, "patience": 2, "choose": "source_val", "evaluate_every": 100},
    {"init": "r-0123456789abcdef"},
    {"channels_last": True},
    {"compile": True},
    {"cuda_graph": True},
    {"deterministic": True},
)
"""Changes to `config()`, each of which a reader of any table has to see: at least one for every field."""

NO_COLUMN = {"scoring", "sampler", "crop_max_share", "schedule_steps", "choose", "evaluate_every", "steps", "groups"}
NO_COLUMN |= {"schedule_by", "warmup_steps", "warmup_from", "accumulate", "ema", "patience", "min_gain", "init"}
NO_COLUMN |= {"channels_last", "compile", "cuda_graph", "deterministic"}
"""What of them only the export's `settings` tell."""


def run_id(number: int) -> str:
    return f"r-{number:016x}"


def record(number: int, **changes: Any) -> RunRecord:
    """Run `number`; `right` (share of right pixels per domain) makes its counts."""
    right = changes.pop("right", (0.9, 0.7))
    own = changes.pop("config", None) or config()
    plain: dict[str, Any] = {
        "run_id": run_id(number),
        "name": f"run-{number}",
        "sweep": "urban_rural",
        "config": own,
        "synthetic": True,
        "classes": CLASSES,
        "confusion": {d: plain_counts(counts(r, number)) for d, r in zip(own.evaluate_on, right, strict=False)},
        "images_scored": dict.fromkeys(own.evaluate_on, 8),
        "history": History(steps=(300, 600), losses={"cross_entropy": (1.5, 0.5)}, lr=(0.01, 0.001)),
        "evaluations": (Evaluation(step=600, split="val", confusion={"landcover/urban": plain_counts(counts(0.8))}),),
        "chosen_step": 600,
        "steps": 600,
        "images_seen": 2400,
        "source_images": 200,
        "seconds": {"train": 12.5},
        "memory_bytes": {"peak": None},
        "device": "Example CPU",
        "machine": {},
        "software": {},
        "commit": "0123456789abcdef",
        "dirty": False,
        "data_digests": {"landcover/urban:test": "aa", "landcover/rural:test": "bb"},
        "started_utc": "2026-11-20T08:00:00Z",
        "finished_utc": "2026-11-20T08:10:00Z",
    }
    return RunRecord(**{**plain, **changes})


def plain_counts(per_image: np.ndarray) -> Counts:
    return tuple(tuple(row) for row in per_image.sum(0).tolist())


def stored(found: RunRecord, origin: Any = "local", attempt: int = 1, folder: Path | None = None) -> Stored[RunRecord]:
    name = found.run_id + (f".a{attempt}" if attempt > 1 else "") + ".json"
    return Stored(found, (folder or Path("nowhere")) / name, origin, attempt)


def with_images(
    number: int, folder: Path, right: tuple[float, float] = (0.9, 0.7), **changes: Any
) -> Stored[RunRecord]:
    """A stored run with its counts per image beside it, as the store writes them."""
    origin = changes.pop("origin", "local")
    found = record(number, right=right, **changes)
    arrays: dict[str, Any] = {
        d.replace("/", "."): counts(r, number) for d, r in zip(found.config.evaluate_on, right, strict=True)
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    path = folder / f"{found.run_id}.images.npz"
    path.write_bytes(buffer.getvalue())
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    found = found.model_copy(update={"images_file": path.name, "images_sha256": digest})
    return stored(found, origin, folder=folder)


def cost(**changes: Any) -> CostRecord:
    """PIDNet-S at 512 x 512 and 7 classes, with the counts it really has and a latency made up to be easy to check."""
    plain: dict[str, Any] = {
        "model": PIDNET,
        "num_classes": 7,
        "input_shape": (1, 3, 512, 512),
        "params_deployed": 7_624_167,
        "params_training": 7_717_839,
        "macs": 5_893_029_888,
        "macs_training_graph": 6_274_318_336,
        "fvcore_total": 5_933_385_728,
        "fvcore_total_training_graph": 6_317_033_472,
        "latency": Measurement(unit="ms", values=(9.0, 10.0, 11.0), warmups=(50.0,)),
        "protocol": {"precision": "fp32", "threads": 1, "budget_s": 15.0},
        "memory_bytes": {"inference": None},
        "device": "Example CPU",
        "machine": {},
        "software": {},
        "commit": "0123456789abcdef",
        "dirty": True,
        "measured_utc": "2026-11-20T09:00:00Z",
    }
    return CostRecord(**{**plain, **changes})


def stored_cost(found: CostRecord, origin: Any = "local") -> Stored[CostRecord]:
    return Stored(found, Path("nowhere/cost.json"), origin)


def failure(number: int, **changes: Any) -> Failure:
    plain: dict[str, Any] = {
        "run_id": run_id(number),
        "name": f"run-{number}",
        "sweep": "urban_rural",
        "config": config(),
        "state": "failed",
        "reason": "RuntimeError: no such thing",
        "device": "Example CPU",
        "finished_utc": "2026-11-20T08:10:00Z",
    }
    return Failure(**{**plain, **changes})


def planned(number: int, own: RunConfig) -> PlannedRun:
    return PlannedRun(name=f"run-{number}", run_id=run_id(number), config=own)


def example(folder: Path) -> Contents:
    """Every kind of row: ranked, tied, seeds, demonstration, each state, no images, a domain missing, reference."""
    other = Component(name="ohem", options={"threshold": 0.9})
    configs = {
        1: config(),
        2: config(loss=other),
        3: config(model=UNET),
        4: config(model=UNET, seed=1),
        5: config(model=UNET, seed=2),
        6: config(model=UNET, source="landcover/rural"),
        7: config(source="landcover/rural"),
        8: config(source="landcover/rural", loss=other),
        9: config(model=UNET, source="landcover/rural", loss=other),
        10: config(augment=(Component(name="flip"),)),
        11: config(method=Component(name="fda"), target="landcover/rural", epochs=2, steps=None),
        12: config(loss=other, seed=1),
        13: config(scoring=Component(name="sliding", options={"window_px": 64})),
    }
    runs = [
        with_images(1, folder, (0.9, 0.7), config=configs[1]),
        with_images(2, folder, (0.9, 0.71), config=configs[2]),
        *(with_images(n, folder, (0.6, 0.5), config=configs[n]) for n in (3, 4, 5)),
        with_images(6, folder, (0.99, 0.99), config=configs[6], images_seen=120, steps=30),
        stored(record(10, right=(0.95,), config=configs[10])),
        with_images(1, folder, (0.9, 0.7), config=configs[1], origin="reference"),
    ]
    sweep = Sweep(
        name="urban_rural", about="Which network crosses best?", runs=tuple(planned(n, c) for n, c in configs.items())
    )
    failures = (
        failure(7, config=configs[7]),
        failure(8, config=configs[8], state="diverged", reason="loss is not finite at step 7"),
        failure(9, config=configs[9], state="oom", reason="batch 4 at (96, 96)"),
        failure(11, config=configs[11], state="interrupted", reason="stopped after step 50 of 600"),
        failure(13, config=configs[13], state="data", reason="val/0001.png: is no picture"),
    )
    gpu = cost(device="Example GPU", measured_utc="2026-11-20T10:00:00Z", latency_flags=("std over 10 % of mean",))
    refused = cost(model=UNET, latency=None, latency_refused="faster than the card can multiply", fvcore_total=None)
    return Contents(
        runs=tuple(runs),
        costs=(stored_cost(cost()), stored_cost(gpu, "reference"), stored_cost(refused)),
        sweeps=((sweep, "local"),),
        failures=failures,
        problems=(BenchError("is no valid record (line 1)", file=Path("results/runs/r-bad.json")),),
    )


# ------------------------------------------------------------------ reading a report


def cells(text: str, start: str) -> list[list[str]]:
    """The rows of the first table whose header begins with `start`."""
    lines = text[f"\n{text}".index(f"\n| {start}") :].splitlines()
    table = [line for line in lines[: lines.index("")] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def column(text: str, start: str, name: str) -> list[str]:
    header, _, *rows = cells(text, start)
    return [row[header.index(name)] for row in rows]
