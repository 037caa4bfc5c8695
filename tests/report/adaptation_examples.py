"""Runs of adaptation methods built in code: the same images for all, methods that help, hurt, or cannot be compared."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from report_examples import config, plain_counts, record

from bench.spec import Component, Counts, Evaluation, RunConfig, RunRecord
from bench.store import Contents, Stored

CLASSES = ("road", "building", "vegetation", "sign")
DAY, DUSK = "landcover/urban", "landcover/rural"
SEEDS = (0, 1, 2)
IMAGES = 24
SKILL = {
    "source_only": (0.85, 0.55),
    "oracle": (0.6, 0.85),
    "joint": (0.85, 0.86),
    "fda": (0.84, 0.64),
    "dacs": (0.83, 0.72),
    "mic": (0.83, 0.725),
    "adabn": (0.85, 0.551),
    "tent": (0.80, 0.40),
    "minent": (0.84, 0.30),
    "combined": (0.83, 0.70),
}
"""Share of right pixels that each method has on (source, target)."""


def images(right: float, seed: int, images: int = IMAGES, dead: Iterable[int] = (), wobble: float = 0.01) -> np.ndarray:
    """(images, 4, 4) counts of one run; labels and how hard an image is are the same for every run."""
    world, own = np.random.default_rng(images), np.random.default_rng([seed, int(1000 * right)])
    labels = world.integers(60, 400, size=(images, len(CLASSES)))
    hard = world.normal(0, 0.08, size=(images, 1))
    share = right + own.normal(0, wobble) - hard + own.normal(0, 0.02, size=labels.shape)
    hits = np.round(labels * np.clip(share, 0, 1)).astype(np.int64)
    hits[:, list(dead)] = 0
    found = np.zeros((images, len(CLASSES), len(CLASSES)), dtype=np.int64)
    for k in range(len(CLASSES)):
        found[:, k, k], found[:, k, (k + 1) % len(CLASSES)] = hits[:, k], labels[:, k] - hits[:, k]
    return found


def method(name: str) -> Component:
    parts = [{"name": "fda", "beta": 0.01}, {"name": "mic"}]
    options = {"combined": {"parts": parts}, "fda": {"beta": 0.01}}
    return Component(name=name, options=options.get(name, {}))


def adapted(name: str, seed: int = 0, **changes: Any) -> RunConfig:
    target = changes.pop("target", DUSK)
    plain = {"method": method(name), "target": target, "seed": seed, "evaluate_on": (DAY, DUSK), "evaluate_every": 150}
    return config(**{**plain, **changes})


def run(
    folder: Path,
    name: str,
    seed: int = 0,
    *,
    right: Sequence[float] | None = None,
    dead: Iterable[int] = (),
    along: Sequence[Evaluation] | None = None,
    number: int | None = None,
    origin: Any = "local",
    **changes: Any,
) -> Stored[RunRecord]:
    """One stored run with its counts per image; `dead` are classes that it lost on the target."""
    own = changes.pop("config", None) or adapted(name, seed)
    at = right or SKILL[name]
    lost = list(dead)
    counts = {DAY: images(at[0], seed), DUSK: images(at[1], seed, dead=lost)}
    place = number if number is not None else 16 * sorted(SKILL).index(name) + seed
    plain: dict[str, Any] = {
        "config": own,
        "sweep": "day_to_dusk",
        "classes": CLASSES,
        "confusion": {d: plain_counts(c) for d, c in counts.items()},
        "images_scored": dict.fromkeys(counts, IMAGES),
        "evaluations": tuple(along) if along is not None else evaluations(at, seed, lost),
        "seconds": {"prepare": 3.0, "data": 60.0, "train": COST[name][0], "evaluate": 30.0, "total": 999.0},
        "memory_bytes": {"device_peak": int(COST[name][1] * 1e9), "process_peak": 9 * 10**9},
        "training_macs": int(COST[name][2] * 1e12),
        "target_images": 0 if name in ("source_only", "oracle", "joint", "tent") else 180,
        "device": "Example GPU",
        "weights_sha256": f"{seed:064x}",
    }
    found = record(place, **{**plain, **changes})
    return written(found, counts, folder, origin)


COST = {
    "source_only": (600, 2.0, 40),
    "oracle": (600, 2.0, 40),
    "joint": (610, 2.0, 40),
    "fda": (640, 2.0, 40),
    "dacs": (1500, 3.1, 110),
    "mic": (2100, 4.2, 150),
    "adabn": (605, 2.0, 41),
    "tent": (600, 2.0, 40),
    "minent": (1100, 3.4, 80),
    "combined": (2150, 4.2, 150),
}
"""Seconds of updates, GB at the peak, TMAC."""


def written(found: RunRecord, counts: Mapping[str, np.ndarray], folder: Path, origin: Any) -> Stored[RunRecord]:
    """The record with its counts per image in a file beside it, as the store writes them."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {domain.replace("/", "."): array for domain, array in counts.items()}
    np.savez_compressed(buffer, **arrays)
    path = folder / f"{found.run_id}.images.npz"
    path.write_bytes(buffer.getvalue())
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    found = found.model_copy(update={"images_file": path.name, "images_sha256": digest})
    return Stored(found, path.with_name(f"{found.run_id}.json"), origin)


def evaluations(at: Sequence[float], seed: int, lost: Sequence[int] = ()) -> tuple[Evaluation, ...]:
    """Four looks: the target's mIoU rises and falls back; entropy falls all along, infomax follows the target."""
    found = []
    for i, (part, entropy) in enumerate(((0.6, 0.9), (0.9, 0.6), (1.0, 0.4), (0.97, 0.2))):
        dead = lost if i >= 2 else ()
        seen = {DAY: look(at[0] * (0.7 + 0.1 * i), seed), DUSK: look(at[1] * part, seed, dead)}
        free = {"entropy": entropy, "infomax": part - 0.3, "snd": None if i == 0 else 2.0 - part, "unheard_of": 1.0}
        found.append(Evaluation(step=150 * (i + 1), split="val", confusion=seen, label_free=free))
    return tuple(found)


def look(right: float, seed: int, dead: Iterable[int] = ()) -> Counts:
    return plain_counts(images(right, seed, images=8, dead=dead))


def example(folder: Path) -> Contents:
    """Three seeds of controls and methods, some of which help, hurt, lose a class, or are not matched."""
    names = ("source_only", "oracle", "joint", "fda", "dacs", "mic", "adabn", "combined")
    found = [run(folder, name, seed) for name in names for seed in SEEDS]
    found += [run(folder, "tent", seed, dead=(3,) if seed else ()) for seed in SEEDS]
    found.append(run(folder, "minent", 0))  # one seed against three: not matched
    return Contents(runs=tuple(found))
