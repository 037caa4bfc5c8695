"""The tables above in the place of the package's own, for as long as a test module runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import names


def forget() -> None:
    """What `bench.names` has kept of other tables."""
    for kept in (names.entry, names.options, names._adapter):
        kept.cache_clear()


@pytest.fixture(autouse=True, scope="module")
def stand_ins() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1]))
        for kind, path in names.TABLES.items():
            if kind != "executor":
                patch.setitem(names.TABLES, kind, "sweep_stand_ins:" + path.partition(":")[2])
        patch.setattr(names, "plugins", lambda kind: {})
        forget()
        yield
    forget()
