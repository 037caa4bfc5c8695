"""Parameter groups + optimizer: build(groups, **options) -> torch.optim.Optimizer."""

from __future__ import annotations

from typing import Any

Groups = list[dict[str, Any]]
"""Each with "params", an iterable of parameters, and optionally "lr_factor", which multiplies the learning rate."""

OPTIMIZERS = {
    "adam": "bench.optimizers.adam:adam",
    "adamw": "bench.optimizers.adamw:adamw",
    "sgd": "bench.optimizers.sgd:sgd",
}
