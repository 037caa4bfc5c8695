"""A report with its intervals remembered, forgotten or damaged is the same report."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from report_examples import config, counts, record

from bench import scores
from bench.report.export import to_json
from bench.report.render import render
from bench.store import Memory, Store, dump

DOMAINS = ("landcover/urban", "landcover/rural")


@pytest.fixture
def store(tmp_path):
    """Three runs and the folder in which their intervals may be remembered."""
    here = Store(tmp_path / "results")
    for n in (1, 2, 3):
        own = record(n, right=(0.9, 0.5 + n / 10), config=config(batch_size=n))
        here.add_run(own, {d: counts(r, n) for d, r in zip(DOMAINS, (0.9, 0.5 + n / 10), strict=True)})
    here.work.mkdir()
    return here


@pytest.fixture
def worked_out(monkeypatch):
    """The counts of which an interval was worked out."""
    found, real = [], scores.bootstrap_interval
    monkeypatch.setattr(scores, "bootstrap_interval", lambda c: (found.append(c), real(c))[1])
    return found


def report(store: Store) -> tuple[str, str]:
    return render(store.read()), to_json(store.read())


def intervals(store: Store) -> Path:
    return store.work / "intervals.json"


def test_intervals_are_worked_out_once(store, worked_out):
    wanted = report(store)
    assert len(worked_out) == 6
    assert report(store) == wanted
    assert len(worked_out) == 6
    intervals(store).unlink()
    assert report(store) == wanted
    assert len(worked_out) == 12


def test_without_the_folder_nothing_is_left_behind(store):
    wanted = report(store)
    intervals(store).unlink()
    store.work.rmdir()
    assert report(store) == wanted
    assert not store.work.exists()


def digest_only(content: bytes) -> bytes:
    return content.replace(b'"sha256":"', b'"sha256":"0')


def narrower(content: bytes) -> bytes:
    """Every bound 0.5: plausible, and not what was written."""
    plain = json.loads(content)
    for name, entry in plain.items():
        if name != "sha256":
            entry[1] = {d: [0.5, 0.5] for d in entry[1]}
    return json.dumps(plain).encode()


DAMAGE = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "no text": lambda content: b"\xff" * 9,
    "a list": lambda content: b"[]",
    "another digest": digest_only,
    "other bounds": narrower,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_memory_changes_no_report(store, damage):
    wanted = report(store)
    content = intervals(store).read_bytes()
    intervals(store).write_bytes(damage(content))
    assert report(store) == wanted
    assert intervals(store).read_bytes() == content


SHAPES = (
    None,
    7,
    [],
    {},
    {"landcover/urban": [0.5, 0.5]},
    dict.fromkeys(DOMAINS, 1),
    {d: [0.5] for d in DOMAINS},
    {d: ["0.5", "0.5"] for d in DOMAINS},
    {d: [0.5, None] for d in DOMAINS},
)


@pytest.mark.parametrize("value", SHAPES, ids=str)
def test_a_memory_of_another_shape_is_not_used(store, value):
    wanted, memory = report(store), Memory(intervals(store))
    for name, (mark, _) in list(memory.entries.items()):
        memory.learn(name, mark, value)
    memory.save()
    assert report(store) == wanted


def change(store: Store, how: str) -> None:
    """Change run 1 after its intervals were remembered."""
    stored = next(s for s in store.read().runs if s.record.run_id.endswith("1"))
    images = stored.path.with_suffix(".images.npz")
    if how == "images spoilt":
        os.chmod(images, 0o644)
        images.write_bytes(images.read_bytes()[:-1] + b"x")
    elif how == "images gone":
        images.unlink()
    else:
        nine = ((9, 0, 0), (0, 9, 0), (0, 0, 9))
        update = {"other sum": {"confusion": dict.fromkeys(DOMAINS, nine)}}
        update["fewer images"] = {"images_scored": dict.fromkeys(DOMAINS, 7)}
        stored.path.write_bytes(dump(stored.record.model_copy(update=update[how])))


@pytest.mark.parametrize("how", ["images spoilt", "images gone", "other sum", "fewer images"])
def test_what_decides_an_interval_is_looked_at_every_time(store, how):
    before = report(store)
    change(store, how)
    after = report(store)
    assert after != before
    intervals(store).unlink()
    assert report(store) == after


@pytest.mark.parametrize("how", ["other sum", "fewer images"])
def test_a_memory_that_looks_at_the_name_only_is_caught(store, how, monkeypatch):
    """Negative control of the test above."""
    monkeypatch.setattr(Memory, "recall", lambda self, name, mark: self.entries.get(name, (0, None))[1])
    report(store)
    change(store, how)
    remembered = report(store)
    intervals(store).unlink()
    assert report(store) != remembered


def test_bounds_come_back_to_the_last_bit(store):
    wanted = scores.bootstrap_interval(counts(0.9, 1))
    for _ in range(2):
        (row,) = (r for r in json.loads(to_json(store.read()))["rows"] if r["runs"] == record(1).run_id)
        assert (row["miou landcover/urban low"], row["miou landcover/urban high"]) == (wanted.low, wanted.high)
