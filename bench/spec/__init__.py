"""The nouns: what is asked for (RunConfig, Sweep) and what came back (RunRecord, CostRecord, Measurement)."""

from bench.spec.errors import BenchError, ExitCode, printable
from bench.spec.facts import Dataset, DatasetInfo, ModelSpec
from bench.spec.identity import DEFAULTS, Spelling, canonical_json, run_id, run_id_reader
from bench.spec.record import SCHEMA, CostRecord, Counts, Evaluation, Failure, History, Measurement, RunRecord
from bench.spec.request import CostRequest, PlannedRun, RunConfig, Sweep
from bench.spec.values import IGNORE, JSON, Component, Domain, Frozen, Size

__all__ = [
    "DEFAULTS",
    "IGNORE",
    "JSON",
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
    "Measurement",
    "ModelSpec",
    "PlannedRun",
    "RunConfig",
    "RunRecord",
    "Size",
    "Spelling",
    "Sweep",
    "canonical_json",
    "printable",
    "run_id",
    "run_id_reader",
]
