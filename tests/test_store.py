"""Records on disk: immutable, durable, checked, and no bad file hides a good one."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.plan import plan
from bench.spec import (
    BenchError,
    Component,
    ExitCode,
    Failure,
    History,
    LatencyRecord,
    PlannedRun,
    RunConfig,
    RunRecord,
    Sweep,
    Timing,
    Workload,
    canonical_json,
)
from bench.store import Store, agreeing, commit, dump, files, folder, made, memory, parse

CONFIG = RunConfig(model="m", dataset="d", source="d/a", evaluate_on=("d/a",), steps=3)
RUN = PlannedRun(name="tiny", run_id="r-0123456789abcdef", config=CONFIG)


def agreement(here: Store, configs: dict[str, RunConfig]) -> dict[str, bool | BenchError]:
    """Run id -> whether its newest record holds this configuration."""
    return {key: one if isinstance(one, BenchError) else one.agrees for key, one in made(here, configs).items()}


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
    assert agreement(Store(results), {RUN.run_id: CONFIG}) == {}
    Store(results).add_run(record(), per_image())
    assert agreement(Store(results), {RUN.run_id: CONFIG}) == {RUN.run_id: True}


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
    assert [s for s in order if s != "unlink"][-4:] == ["write", "fsync", "link", "fsync"]


def sweep(*runs: PlannedRun) -> Sweep:
    return Sweep(name="s", runs=runs or (RUN,))


def failure(state: str) -> Failure:
    return Failure.model_validate(
        {**RUN.model_dump(), "sweep": "s", "state": state, "reason": "x", "device": "", "finished_utc": ""}
    )


def test_the_plan_tells_what_became_of_each_run(results: Path) -> None:
    here = Store(results)
    assert plan(sweep(), here).runs("todo") == (RUN,)
    for state in ("interrupted", "data"):
        here.add_failure(failure(state))
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


def test_a_plan_names_a_record_it_cannot_read_and_does_not_run_it_again(results: Path) -> None:
    path = Store(results).add_run(record(), per_image())
    path.write_text("{")
    found = plan(sweep(), Store(results))
    assert found.runs("unreadable") == (RUN,)
    assert "no valid record" in str(found.unreadable[RUN.run_id])
    assert found.to_run("all") == ()


def test_a_record_from_before_a_field_was_added_still_counts(results: Path) -> None:
    from bench import names

    asked = {"model": "pidnet_s", "dataset": "landcover", "source": "urban", "evaluate_on": ("rural",), "steps": 3}
    config = names.resolve_config(RunConfig.model_validate(asked))
    path = Store(results).add_run(record(config=config), per_image())
    plain = json.loads(path.read_text())
    del plain["sha256"], plain["config"]["sampler"], plain["config"]["scheduler"]["power"]
    path.write_text(json.dumps({**plain, "sha256": files.digest(files.canonical(plain))}))
    assert agreement(Store(results), {RUN.run_id: config}) == {RUN.run_id: True}
    other = config.model_copy(update={"steps": 4})
    assert agreement(Store(results), {RUN.run_id: other}) == {RUN.run_id: False}


@pytest.mark.parametrize("part", [".", "runs", "costs", "../.bench"])
def test_a_file_in_the_place_of_a_folder_is_named(results: Path, part: str) -> None:
    place = results / part
    if place.is_dir():
        place.rmdir()
    place.write_text("")
    with pytest.raises(BenchError, match="is no folder") as caught:
        Store(results)
    assert caught.value.code == ExitCode.STORE


def test_folders_of_results_side_by_side_share_no_working_folder(tmp_path: Path) -> None:
    assert Store(tmp_path / "results").work == tmp_path / ".bench"
    assert Store(tmp_path / "other").work == tmp_path / "other" / ".bench"


def test_digests_do_not_depend_on_key_order() -> None:
    plain = json.loads(dump(record()))
    assert files.digest(files.canonical({k: plain[k] for k in reversed(plain) if k != "sha256"})) == plain["sha256"]


def test_parse_gives_what_dump_took(results: Path) -> None:
    (results / "x.json").write_bytes(dump(record()))
    assert parse(results / "x.json") == record().model_dump(mode="json")


# ------------------------------------------------------------------ what is remembered


def remembered(results: Path) -> Path:
    return results.parent / ".bench" / "configs.json"


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files may be remembered as soon as they are written."""
    monkeypatch.setattr(memory, "SETTLED_S", -1.0)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The records that the store reads."""
    found: list[Path] = []
    monkeypatch.setattr(agreeing, "parse", lambda path: (found.append(path), parse(path))[1])
    return found


def in_store(results: Path) -> Store:
    here = Store(results)
    here.add_run(record(), per_image())
    here.work.mkdir(exist_ok=True)
    return here


@pytest.mark.usefixtures("settled")
def test_a_record_is_read_once(results: Path, reads: list[Path]) -> None:
    here = in_store(results)
    for _ in range(3):
        assert agreement(here, {RUN.run_id: CONFIG}) == {RUN.run_id: True}
    assert len(reads) == 1
    other = CONFIG.model_copy(update={"steps": 4})
    assert agreement(here, {RUN.run_id: other}) == {RUN.run_id: False}


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("keep_times", [False, True])
def test_a_record_that_changed_is_read_again(results: Path, reads: list[Path], keep_times: bool) -> None:
    here, path = in_store(results), Store(results).run_file(RUN.run_id)
    agreement(here, {RUN.run_id: CONFIG})
    before = path.stat()
    plain = parse(path)
    plain["config"]["steps"] = 4
    path.write_bytes(files.layout({key: files.canonical(value) for key, value in plain.items()}))
    if keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, len(reads)) == (before.st_size, 1)
    assert agreement(here, {RUN.run_id: CONFIG}) == {RUN.run_id: False}
    path.write_text("{")
    assert "no valid record" in str(agreement(here, {RUN.run_id: CONFIG})[RUN.run_id])


@pytest.mark.usefixtures("settled")
def test_a_memory_that_trusts_its_file_blindly_is_caught(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above: a memory that looks at the name only."""
    here, path = in_store(results), Store(results).run_file(RUN.run_id)
    monkeypatch.setattr(agreeing, "mark", lambda stat: "")
    agreement(here, {RUN.run_id: CONFIG})
    path.write_text("{")
    assert agreement(here, {RUN.run_id: CONFIG}) == {RUN.run_id: True}


def test_a_record_of_this_moment_is_not_remembered(
    results: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could change again within one tick of the disk's clock, unseen."""
    monkeypatch.setattr(memory, "SETTLED_S", 3600.0)
    here = in_store(results)
    for _ in range(2):
        agreement(here, {RUN.run_id: CONFIG})
    assert (len(reads), remembered(results).exists()) == (2, False)


DAMAGE = {
    "gone": None,
    "empty": b"",
    "half": lambda content: content[: len(content) // 2],
    "flipped": lambda content: content.replace(b'"r-0', b'"r-1'),
    "another digest": lambda content: content.replace(b"0", b"1"),
    "no text": b"\xff\xfe\x00",
    "a list": b"[1, 2]",
    "another shape": files.layout({"r-0123456789abcdef.json": "7"}),
    "a folder": "folder",
}


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_memory_changes_no_answer(results: Path, damage: object) -> None:
    here, file = in_store(results), remembered(results)
    other = CONFIG.model_copy(update={"steps": 4})
    agreement(here, {RUN.run_id: CONFIG})
    content = file.read_bytes()
    file.unlink()
    if damage == "folder":
        file.mkdir()
    elif damage is not None:
        file.write_bytes(damage(content) if callable(damage) else damage)
    assert agreement(here, {RUN.run_id: CONFIG}) == {RUN.run_id: True}
    assert agreement(here, {RUN.run_id: other}) == {RUN.run_id: False}
    assert damage == "folder" or file.read_bytes() == content


@pytest.mark.usefixtures("settled")
def test_a_memory_that_cannot_be_written_is_no_fault(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    here = in_store(results)
    monkeypatch.setattr(os, "fsync", full)
    assert agreement(here, {RUN.run_id: CONFIG}) == {RUN.run_id: True}
    assert not remembered(results).exists()


@pytest.mark.usefixtures("settled")
def test_looking_creates_no_folder(results: Path) -> None:
    (results / "runs").mkdir()
    Store(results).run_file(RUN.run_id).write_bytes(dump(record()))
    assert agreement(Store(results), {RUN.run_id: CONFIG}) == {RUN.run_id: True}
    assert not Store(results).work.exists()


def test_equal_numbers_of_two_spellings_agree(results: Path) -> None:
    """1 and 1.0 are the same configuration to the plan, though not the same text."""
    whole = CONFIG.model_copy(update={"loss": Component(name="l", options={"w": 1})})
    Store(results).run_file(RUN.run_id).parent.mkdir()
    Store(results).run_file(RUN.run_id).write_bytes(dump(record(config=whole)))
    spelled = CONFIG.model_copy(update={"loss": Component(name="l", options={"w": 1.0})})
    assert agreement(Store(results), {RUN.run_id: spelled}) == {RUN.run_id: True}


# ------------------------------------------------------------------ bytes


def test_a_sweep_is_written_as_any_other_record() -> None:
    strange = RUN.model_copy(update={"name": 'e\u0301 "x" \\ -0.0', "run_id": "r-1"})
    for one in (sweep(), sweep(RUN, strange), sweep(RUN).model_copy(update={"cost": None, "about": "\u00e9"})):
        assert folder.dump_sweep(one) == dump(one)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_the_fast_spelling_is_the_canonical_one(value: object) -> None:
    assert files.canonical(value) == canonical_json(value).decode()


@given(st.dictionaries(st.text().filter(lambda key: key not in ("sha256", "schema_number")), VALUES, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_laid_out_is_read_back_in_any_layout(tmp_path: Path, plain: dict[str, object]) -> None:
    wanted = json.loads(canonical_json(plain))
    content = files.layout({key: files.canonical(value) for key, value in wanted.items()})
    for text in (content, json.dumps(json.loads(content), indent=2).encode()):
        (tmp_path / "x.json").write_bytes(text)
        assert parse(tmp_path / "x.json") == wanted


@pytest.mark.parametrize(
    ("inner", "problem"),
    [
        ('"a":1,"a":1', "a key stands twice"),
        ('"a":NaN', "NaN is no number"),
        ('"a":-0.0', "changed after it was written"),
        ('"a":"e\\u0301"', "changed after it was written"),
        ('"a":1e2', "changed after it was written"),
    ],
)
def test_a_digest_over_another_spelling_does_not_help(tmp_path: Path, inner: str, problem: str) -> None:
    """The file's own bytes have the digest it states; they are still no canonical JSON."""
    lines = inner.split(",")
    content = "{\n" + ",\n".join([*lines, f'"sha256":"{files.digest("{" + inner + "}")}"']) + "\n}\n"
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(BenchError, match=problem):
        parse(tmp_path / "x.json")


def test_costs_are_counted_for_the_classes_that_the_options_give(results: Path) -> None:
    from bench import names
    from bench.plan import costs_left

    for classes, number in (("carla", 13), ("cityscapes19", 19)):
        dataset = {"name": "carla", "classes": classes}
        asked = {"model": "pidnet_s", "dataset": dataset, "source": "dataA", "evaluate_on": ("dataB",), "steps": 3}
        config = names.resolve_config(RunConfig.model_validate(asked))
        run = PlannedRun(name="x", run_id=names.id_of(config), config=config)
        assert [left.num_classes for left in costs_left(sweep(run), "cpu", Store(results))] == [number]


def test_timings_lie_beside_counts_and_come_back_with_their_readings(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    workload = Workload(model=Component(name="unet_resnet18"), num_classes=7, size=(64, 64))
    record = LatencyRecord(
        session="s-1",
        repeat=1,
        repeats=3,
        timings=(Timing(workload=workload, macs=1, params=2, weight_bytes=8),),
        canaries={},
        threads=1,
        device="AMD EPYC, 1 thread",
        machine={},
        software={},
        commit=None,
        dirty=None,
        measured_utc="2026-11-20T12:00:00Z",
    )
    path = store.add_latency(record, "amd-epyc-1t", {"0.e2e": np.array([1.5, 2.5], np.float32)})
    found = store.read()
    assert [s.path for s in found.latencies] == [path]
    assert found.problems == ()
    assert found.costs == ()
    assert found.latencies[0].record.samples_file == path.stem + ".samples.npz"
    with np.load(path.with_suffix(".samples.npz")) as samples:
        assert samples["0.e2e"].tolist() == [1.5, 2.5]
    assert store.latencies()[0].record == found.latencies[0].record
