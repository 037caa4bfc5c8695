"""Which parameters learn at which rate: build(model, **options) -> groups, as `bench.optimizers` takes them.

A builder may also put stages to rest for a part of the run (`bench.groups.freezing`).
"""

from __future__ import annotations

GROUPS = {
    "by_stage": "bench.groups.by_stage:by_stage",
    "uniform": "bench.groups.uniform:uniform",
}
