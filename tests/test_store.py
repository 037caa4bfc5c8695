"""Records on disk: immutable, durable, checked, and no bad file hides a good one."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from bench import store
from bench.plan import plan
from bench.spec import BenchError, ExitCode, Failure, History, PlannedRun, RunConfig, RunRecord, Sweep
from bench.store import Store, commit, dump, parse

CONFIG = RunConfig(model="m", dataset="d", source="d/a", evaluate_on=("d/a",), steps=3)
RUN = PlannedRun(name="tiny", run_id="r-0123456789abcdef", config=CONFIG)


def record(**changes: object) -> RunRecord:
    fields = {
        "run_id": RUN.run_id,
        "name": "tiny",
        "sweep": "s",
        "config": CONFIG,
        "synthetic": True,
        "classes": ("a", "b"),
        "confusion": {"d/a": ((3, 1), (0, 2))},
        "images_scored": {"d/a": 1},
        "history": History(steps=(1,), losses={"segmentation": (0.5,)}, lr=(0.01,)),
        "chosen_step": 3,
        "steps": 3,
        "images_seen": 6,
        "source_images": 8,
        "seconds": {"total": 1.0},
        "memory_bytes": {"process_peak": 1},
        "device": "fake",
        "machine": {},
        "software": {},
        "commit": None,
        "dirty": None,
        "data_digests": {},
        "started_utc": "2026-01-01T00:00:00Z",
        "finished_utc": "2026-01-01T00:00:01Z",
    }
    return RunRecord.model_validate({**fields, **changes})


def per_image() -> dict[str, object]:
    import numpy as np

    return {"d/a": np.array([[[3, 1], [0, 2]]])}


def test_a_record_comes_back_as_it_was(results: Path) -> None:
    import numpy as np

    path = Store(results).add_run(record(), per_image())
    contents = Store(results).read()
    assert contents.problems == ()
    (stored,) = contents.runs
    assert (stored.path, stored.origin, stored.attempt) == (path, "local", 1)
    assert stored.record == record(images_file=stored.record.images_file, images_sha256=stored.record.images_sha256)
    with np.load(path.with_suffix(".images.npz"), allow_pickle=False) as arrays:
        assert arrays["d.a"].tolist() == [[[3, 1], [0, 2]]]


def test_a_second_record_is_another_attempt_and_never_an_overwrite(results: Path) -> None:
    first = Store(results).add_run(record(), per_image())
    before = first.read_bytes()
    second = Store(results).add_run(record(device="other"), per_image())
    assert first.read_bytes() == before
    assert second.name == "r-0123456789abcdef.a2.json"
    assert [s.attempt for s in Store(results).read().runs] == [2, 1]
    with pytest.raises(BenchError, match="cannot be written"):
        commit(first, b"{}")
    assert first.read_bytes() == before


def test_reference_records_are_shown_but_never_count_as_finished(results: Path) -> None:
    Store(results / "reference").add_run(record(), per_image())
    assert [s.origin for s in Store(results).read().runs] == ["reference"]
    assert Store(results).finished({RUN.run_id}) == {}
    Store(results).add_run(record(), per_image())
    assert Store(results).finished({RUN.run_id}) == {RUN.run_id: CONFIG.model_dump(mode="json")}


BAD = {
    "empty": b"",
    "truncated": b'{"a": 1',
    "an empty object": b"{}",
    "a list": b"[]",
    "merge markers": b"<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> x\n",
    "a pointer of a large-file store": b"version x\noid sha256:0\nsize 3\n",
    "a duplicate key": b'{"sha256":"x","sha256":"y"}',
    "nan": b'{"a": NaN, "sha256": "x"}',
    "deep": b"[" * 100_000,
    "bytes": b"\xff\xfe\x00",
    "a wrong digest": b'{"a": 1, "sha256": "00"}',
    "a newer schema": b'{"schema_number": 999, "sha256": "00"}',
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_one_bad_file_is_named_and_hides_nothing(results: Path, content: bytes) -> None:
    good = Store(results).add_run(record(), per_image())
    bad = good.with_name("r-ffffffffffffffff.json")
    bad.write_bytes(content)
    contents = Store(results).read()
    assert [s.path for s in contents.runs] == [good]
    (problem,) = contents.problems
    assert str(bad)[-20:] in str(problem)
    assert problem.code == ExitCode.STORE


def test_a_changed_number_is_noticed_and_another_layout_is_not(results: Path) -> None:
    path = Store(results).add_run(record(), per_image())
    plain = json.loads(path.read_text())
    path.write_text(json.dumps(plain, indent=3).replace("\n", "\r\n"))
    assert Store(results).read().problems == ()
    plain["images_seen"] += 1
    path.write_text(json.dumps(plain))
    assert "changed after it was written" in str(Store(results).read().problems[0])


def test_a_link_is_not_followed(results: Path, tmp_path: Path) -> None:
    path = Store(results).add_run(record(), per_image())
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    assert "symbolic link" in str(Store(results).read().problems[0])


def test_a_short_write_is_finished(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: whole(handle, data[:7]))
    commit(results / "x", b"0123456789" * 9)
    monkeypatch.undo()
    assert (results / "x").read_bytes() == b"0123456789" * 9


@pytest.mark.parametrize("step", ["write", "fsync", "link"])
def test_a_full_disk_leaves_nothing_behind_and_says_so(
    results: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, full)
    with pytest.raises(BenchError, match=r"No space left.*free some space") as caught:
        commit(results / "x", b"1")
    monkeypatch.undo()
    assert caught.value.code == ExitCode.ENVIRONMENT
    assert list(results.iterdir()) == []


def test_the_file_is_on_disk_before_it_has_its_name(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    for name in ("write", "fsync", "link", "unlink"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, f=real, **k: (order.append(n), f(*a, **k))[1])
    commit(results / "x", b"1")
    assert [s for s in order if s != "unlink"] == ["write", "fsync", "link", "fsync"]


def sweep(*runs: PlannedRun) -> Sweep:
    return Sweep(name="s", runs=runs or (RUN,))


def failure(state: str) -> Failure:
    return Failure.model_validate(
        {**RUN.model_dump(), "sweep": "s", "state": state, "reason": "x", "device": "", "finished_utc": ""}
    )


def test_the_plan_tells_what_became_of_each_run(results: Path) -> None:
    here = Store(results)
    assert plan(sweep(), here).runs("todo") == (RUN,)
    here.add_failure(failure("interrupted"))
    assert plan(sweep(), here).to_run() == (RUN,)
    here.add_failure(failure("failed"))
    failed = plan(sweep(), here)
    assert (failed.to_run(), failed.to_run("failed"), failed.to_run("stale")) == ((), (RUN,), ())
    here.add_run(record(), per_image())
    done = plan(sweep(), here)
    assert (done.runs("done"), done.to_run("failed"), done.to_run("all")) == ((RUN,), (), (RUN,))
    other = RUN.model_copy(update={"config": CONFIG.model_copy(update={"steps": 4})})
    stale = plan(sweep(other), here)
    assert (stale.runs("stale"), stale.to_run(), stale.to_run("stale")) == ((other,), (), (other,))


def test_a_plan_refuses_a_record_it_cannot_read(results: Path) -> None:
    path = Store(results).add_run(record(), per_image())
    path.write_text("{")
    with pytest.raises(BenchError, match="no valid record"):
        plan(sweep(), Store(results))


def test_digests_do_not_depend_on_key_order() -> None:
    plain = json.loads(dump(record()))
    assert store._digest(dict(reversed(plain.items()))) == plain["sha256"]


def test_parse_gives_what_dump_took(results: Path) -> None:
    (results / "x.json").write_bytes(dump(record()))
    assert parse(results / "x.json") == record().model_dump(mode="json")
