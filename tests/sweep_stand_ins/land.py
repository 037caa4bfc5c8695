"""A dataset of which only the facts are read."""

from __future__ import annotations

from typing import Any

from bench.spec import DatasetInfo

INFO = DatasetInfo(
    name="land",
    label="land",
    domains=("urban", "rural"),
    class_names=("ground", "building"),
    palette=(),
    licence="none",
    source="drawn",
    needs_files=False,
)


def land(root: Any, domain: str, split: str, *, tile_px: int = 64) -> None:
    """A dataset."""
