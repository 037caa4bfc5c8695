"""The nouns: what is asked for (RunConfig, Sweep) and what came back (RunRecord, CostRecord, LatencyRecord)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bench.spec.errors import BenchError, ExitCode, counted, printable

if TYPE_CHECKING:
    from bench.spec.facts import Dataset, DatasetInfo, MethodSpec, ModelSpec
    from bench.spec.identity import DEFAULTS, Spelling, canonical_json, run_id, run_id_reader
    from bench.spec.record import SCHEMA, CostRecord, Counts, Evaluation, Failure, History, Measurement, RunRecord
    from bench.spec.request import CostRequest, PlannedRun, RunConfig, Sweep
    from bench.spec.timing import PROTOCOL, LatencyRecord, Series, Timing, Workload
    from bench.spec.values import IGNORE, JSON, Component, Domain, Frozen, Size

__all__ = [
    "DEFAULTS",
    "IGNORE",
    "JSON",
    "PROTOCOL",
    "SCHEMA",
    "BenchError",
    "Component",
    "CostRecord",
    "CostRequest",
    "Counts",
    "Dataset",
    "DatasetInfo",
    "Domain",
    "Evaluation",
    "ExitCode",
    "Failure",
    "Frozen",
    "History",
    "LatencyRecord",
    "Measurement",
    "MethodSpec",
    "ModelSpec",
    "PlannedRun",
    "RunConfig",
    "RunRecord",
    "Series",
    "Size",
    "Spelling",
    "Sweep",
    "Timing",
    "Workload",
    "canonical_json",
    "counted",
    "printable",
    "run_id",
    "run_id_reader",
]


def __getattr__(name: str) -> Any:
    """All but the errors is loaded when first asked for: `bench --help` does without pydantic, half of its start."""
    if name in __all__:
        for module in ("facts", "values", "request", "identity", "record", "timing"):
            found = importlib.import_module(f"bench.spec.{module}")
            if hasattr(found, name):
                return getattr(found, name)
    raise AttributeError(f"module 'bench.spec' has no attribute '{name}'")
