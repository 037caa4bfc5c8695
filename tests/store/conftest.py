"""What the tests of the store share: nothing is really synced, and open files are counted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.store import Store


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tests/fault` and `tests/test_store_order.py` look after what is put on the disk."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def store(results: Path) -> Store:
    return Store(results)


@pytest.fixture
def open_files() -> Callable[[], int]:
    """How many files this process has open."""
    return lambda: len(os.listdir("/proc/self/fd"))
