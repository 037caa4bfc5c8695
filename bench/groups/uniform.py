"""A network -> one group of all its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.models.segmodel import SegModel
    from bench.optimizers import Groups


def uniform(model: SegModel) -> Groups:
    """One group: every parameter learns at the same rate."""
    return [{"params": list(model.parameters())}]
