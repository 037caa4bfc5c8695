"""A run called by how its id begins: what looks like an id, which records count, and what is said of several."""

from __future__ import annotations

import pytest

from bench.spec import BenchError, ExitCode
from bench.store import Store
from bench.store.prefixes import run_called

WHOLE = "r-0123456789abcdef"


@pytest.fixture
def stores(store: Store) -> list[Store]:
    """Two stores: four runs that begin alike in one, another run in both, and files that are no records."""
    other = Store(store.root / "reference")
    names = [f"r-00000000000000{number:02x}" for number in range(1, 5)]
    for one, ids in ((store, [*names, WHOLE]), (other, [WHOLE, "r-abcdef0123456789"])):
        (one.root / "runs").mkdir(parents=True)
        for name in ids:
            for end in (".json", ".images.npz", ".a2.json", ".a2.images.npz"):
                (one.root / "runs" / (name + end)).write_bytes(b"")
    for name in ("r-1111111111111111.images.npz", "r-2.json", "r-2222222222222222 (1).json"):
        (store.root / "runs" / name).write_bytes(b"")
    return [store, other]


@pytest.mark.parametrize("text", ["", "r", "r-", "x-01", "r-01 ", "R-01", "r-0X", "r-A", "r-0/1", WHOLE + "0", " r-01"])
def test_what_looks_like_no_id_is_none(stores: list[Store], text: str) -> None:
    assert run_called(text, stores) is None


def test_a_whole_id_is_given_back_known_or_not(stores: list[Store]) -> None:
    for text in (WHOLE, "r-ffffffffffffffff"):
        assert run_called(text, stores) == text
        assert run_called(text, []) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [("r-01", WHOLE), (WHOLE[:-1], WHOLE), ("r-a", "r-abcdef0123456789")],
)
def test_a_beginning_that_one_run_has_is_that_run(stores: list[Store], text: str, found: str) -> None:
    """Though it has several attempts, and lies in both stores."""
    assert run_called(text, stores) == found


@pytest.mark.parametrize("text", ["r-f", "r-1", "r-2", "r-012345678a", "r-1234"])
def test_a_beginning_that_no_record_has_is_told(stores: list[Store], text: str) -> None:
    with pytest.raises(BenchError) as caught:
        run_called(text, stores)
    assert caught.value.problem == f"no run's id begins with {text}"
    assert (caught.value.remedy, caught.value.code) == ("`bench status FILE` lists the ids of a sweep", ExitCode.USAGE)


def test_of_several_at_most_three_are_listed(stores: list[Store]) -> None:
    names = [f"r-00000000000000{number:02x}" for number in range(1, 5)]
    with pytest.raises(BenchError) as caught:
        run_called("r-00", stores)
    assert caught.value.problem == f"the ids of 4 runs begin with r-00: {', '.join(names[:3])}, ..."
    assert caught.value.remedy == "write more of it"
    for path in (stores[0].root / "runs").glob(f"{names[3]}*"):
        path.unlink()
    with pytest.raises(BenchError) as caught:
        run_called("r-00", stores)
    assert caught.value.problem == f"the ids of 3 runs begin with r-00: {', '.join(names[:3])}"
