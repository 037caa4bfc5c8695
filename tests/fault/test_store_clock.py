"""A11: a clock that jumps changes neither which record counts nor who owns a run."""

from __future__ import annotations

import glob
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from storework import CONFIG, is_there, put, record, run_id

from bench.store import Made, Store, made, memory
from bench.store.checking import check

DAY = 86_400
JUMPS = {"two days back": -2 * DAY, "ten years on": 3650 * DAY, "back to 1970": -time.time()}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=JUMPS.values(), ids=JUMPS)
def jump(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """jump(): from now on every clock of Python's but the monotonic ones is off."""
    whole, nanoseconds = time.time, time.time_ns

    def now() -> None:
        monkeypatch.setattr(time, "time", lambda: whole() + request.param)
        monkeypatch.setattr(time, "time_ns", lambda: nanoseconds() + int(request.param * 1e9))

    return now


def test_the_newest_record_is_the_last_attempt_whatever_the_clock_says(
    tmp_path: Path, jump: Callable[[], None], figure: Callable[..., None]
) -> None:
    store = Store(tmp_path / "results")
    put(store, 1, finished_utc="2026-01-01T00:00:00Z")
    lease = store.claim(run_id(1))
    jump()
    assert lease is not None
    assert store.claim(run_id(1)) is None  # no claim grows old
    lease.check()
    path = store.add_run(record(1, finished_utc="1999-01-01T00:00:00Z"), {}, lease)
    lease.release()
    os.utime(path, (1, 1))
    assert store.newest_run_file(run_id(1)) == path
    assert path.name.endswith(".a2.json")
    figure("A11 clock jumps (Python's clocks)", "the last attempt counts, no claim expires")


def test_what_is_remembered_does_not_outlive_a_change(tmp_path: Path, jump: Callable[[], None]) -> None:
    """A file from the future, or changed under a clock that went back, is read again."""
    store = Store(tmp_path / "results")
    path = put(store, 1)
    as_put = {run_id(1): Made(True, {}, {})}
    assert made(store, {run_id(1): CONFIG}) == as_put
    jump()
    assert made(store, {run_id(1): CONFIG}) == as_put
    path.write_text("{")
    assert made(store, {run_id(1): CONFIG}) != as_put


def test_a_file_younger_than_the_clock_is_not_settled(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    os.utime(tmp_path / "x", (time.time() + DAY, time.time() + DAY))
    assert not memory.settled((tmp_path / "x").stat())


def test_under_a_clock_of_its_own(tmp_path: Path, figure: Callable[..., None]) -> None:
    """The same with every clock of the process replaced, as `libfaketime` does."""
    found = [*glob.glob("/usr/lib/*/faketime/libfaketime.so.1"), os.environ.get("LIBFAKETIME", "")]
    if not found[0]:
        pytest.skip("NOT RUN: libfaketime is missing (apt install libfaketime, or LIBFAKETIME=/path/libfaketime.so.1)")
    program = (
        "import sys; from pathlib import Path; from storework import put, Store; put(Store(Path(sys.argv[1])), {})"
    )
    for number, shift in enumerate(("-2d", "+10y x2", "-50y")):
        subprocess.run(
            [sys.executable, "-c", program.format(number), str(tmp_path / "results")],
            env={
                **os.environ,
                "LD_PRELOAD": found[0],
                "FAKETIME": shift,
                "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}",
            },
            check=True,
        )
    store = Store(tmp_path / "results")
    assert all(is_there(store, number) for number in range(3))
    assert check(store) == ()
    figure("A11 clock jumps (libfaketime)", "3 of 3 records as under the right clock")
