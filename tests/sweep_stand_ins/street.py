"""A dataset of which only the facts are read."""

from __future__ import annotations

from typing import Any

from bench.spec import DatasetInfo

INFO = DatasetInfo(
    name="street",
    label="street",
    domains=("day", "dusk"),
    class_names=("road", "car", "sky"),
    palette=(),
    licence="none",
    source="drawn",
    needs_files=False,
)


def street(root: Any, domain: str, split: str, *, tile_px: int = 64) -> None:
    """A dataset."""
