"""Where the table of each kind is, as "module:attribute"; packages add to it by the entry-point group `module`."""

from __future__ import annotations

TABLES = {
    "augment": "bench.augment:AUGMENT",
    "dataset": "bench.datasets:DATASETS",
    "executor": "bench.executors:EXECUTORS",
    "groups": "bench.groups:GROUPS",
    "loss": "bench.losses:LOSSES",
    "method": "bench.methods:METHODS",
    "model": "bench.models:MODELS",
    "optimizer": "bench.optimizers:OPTIMIZERS",
    "sampler": "bench.samplers:SAMPLERS",
    "scheduler": "bench.schedulers:SCHEDULERS",
    "scoring": "bench.evaluate:SCORINGS",
    "tracker": "bench.trackers:TRACKERS",
}

FAMILIES = {"model": "bench.models:FAMILIES"}
"""Kinds that have names with a prefix, and the table of prefixes."""
