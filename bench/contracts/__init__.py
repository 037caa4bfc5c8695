"""What a component promises by standing in a table, kind by kind: a component -> which promises it keeps.

Our own components are held to them by tests, those of others by `bench test-plugin`.  A kind's promises stand in a
file of its own, `of_<kind>s`.
"""

from __future__ import annotations

PROMISES = {
    "augment": "bench.contracts.of_augment:PROMISES",
    "dataset": "bench.contracts.of_datasets:PROMISES",
    "groups": "bench.contracts.of_groups:PROMISES",
    "loss": "bench.contracts.of_losses:PROMISES",
    "method": "bench.contracts.of_methods:PROMISES",
    "model": "bench.contracts.of_models:PROMISES",
    "optimizer": "bench.contracts.of_optimizers:PROMISES",
    "sampler": "bench.contracts.of_samplers:PROMISES",
    "scheduler": "bench.contracts.of_schedulers:PROMISES",
    "scoring": "bench.contracts.of_scorings:PROMISES",
}
