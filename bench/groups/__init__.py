"""Which parameters learn at which rate: build(model, **options) -> groups, as `bench.optimizers` takes them."""

from __future__ import annotations

GROUPS = {
    "uniform": "bench.groups.uniform:uniform",
}
