"""A stored split is what `read_split` gives, is decoded once, and follows its files."""

from __future__ import annotations

import json
import os
import threading
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from trees import CLASSES, Counting, dataset, draw, tree

from bench.batches import training_batches
from bench.cache import FileDataset, Split, manifest, read_split, stored_split
from bench.datasets.landcover import landcover
from bench.spec import IGNORE, BenchError, ExitCode


@pytest.fixture(autouse=True)
def old_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled although the test has just drawn them."""
    monkeypatch.setattr(manifest, "SETTLED_S", -1e6)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path / "data")


def stored(root: Path, **changes: object) -> tuple[Split, Counting]:
    found = dataset(root)
    return stored_split(found, root.parent / "cache", **changes), found  # type: ignore[arg-type]


def folder(root: Path) -> Path:
    (found,) = (path for path in (root.parent / "cache").iterdir() if path.is_dir())
    return found


def same(a: Split, b: Split) -> bool:
    assert a.counts is not None
    assert b.counts is not None
    alike = torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels) and np.array_equal(a.counts, b.counts)
    return alike and (a.names, a.digest) == (b.names, b.digest)


# ------------------------------------------------------------------ what comes out


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("size", [None, (6, 9)])
@pytest.mark.parametrize("workers", [0, 1, 8])
def test_it_is_what_reading_gives(root: Path, size: tuple[int, int] | None, native: bool, workers: int) -> None:
    found, _ = stored(root, resize_px=size, native_labels=native, workers=workers)
    want = read_split(dataset(root), resize_px=size, native_labels=native)
    assert same(found, want)
    assert found.digest == dataset(root).digest()
    assert (found.mapped, want.mapped) == (True, False)
    again, second = stored(root, resize_px=size, native_labels=native)
    assert same(again, want)
    assert second.decoded == second.hashed == []


def test_counts_are_those_of_the_labels(root: Path) -> None:
    found, _ = stored(root)
    assert found.counts is not None
    for label, counts in zip(found.labels, found.counts, strict=True):
        assert counts.tolist() == [int((label == k).sum()) for k in range(CLASSES)]
    assert (found.labels == IGNORE).any()
    assert found.counts.sum() < found.labels.numel()


def test_the_manifest_tells_of_every_image(root: Path) -> None:
    stored(root)
    body = json.loads((folder(root) / "manifest.json").read_bytes())["body"]
    assert body["digest"] == dataset(root).digest()
    first = dict(zip(body["columns"], body["entries"][0], strict=True))
    assert (first["name"], first["low"], first["high"]) == ("p0", 0, CLASSES - 1)
    assert sum(first["counts"]) + first["void"] == 12 * 16
    assert [stamp[0] for stamp in first["stamps"]] == ["data/photos/p0.png", "data/masks/p0.png"]


def test_requests_do_not_share_a_folder(root: Path) -> None:
    for changes in ({}, {"resize_px": (6, 8)}, {"resize_px": (6, 8), "native_labels": True}, {"options": {"a": 1}}):
        _, counting = stored(root, **changes)
        assert len(counting.decoded) == 6
    assert sum(path.is_dir() for path in (root.parent / "cache").iterdir()) == 4


def test_what_is_drawn_has_no_files(root: Path) -> None:
    assert isinstance(dataset(root), FileDataset)
    assert not isinstance(landcover(None, "urban", "train"), FileDataset)


def test_ticks_count_the_work(root: Path) -> None:
    ticks: list[int] = []
    for _ in range(2):
        stored(root, tick=lambda: ticks.append(1))
    assert len(ticks) == 6


# ------------------------------------------------------------------ files that change


def changed_bytes(root: Path) -> list[str]:
    draw(root, "p2", 99)
    return ["p2"]


def touched(root: Path) -> list[str]:
    os.utime(root / "photos" / "p3.png")
    return []


def replaced_by_a_copy(root: Path) -> list[str]:
    path = root / "masks" / "p1.png"
    content, stat = path.read_bytes(), path.stat()
    path.unlink()
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return []


def added(root: Path) -> list[str]:
    draw(root, "p10", 10)
    return ["p10"]


def removed(root: Path) -> list[str]:
    for kind in ("photos", "masks"):
        (root / kind / "p0.png").unlink()
    return []


def renamed(root: Path) -> list[str]:
    for kind in ("photos", "masks"):
        (root / kind / "p0.png").rename(root / kind / "p9.png")
    return ["p9"]


def swapped(root: Path) -> list[str]:
    one, other = root / "photos" / "p0.png", root / "photos" / "p1.png"
    one.rename(root / "x")
    other.rename(one)
    (root / "x").rename(other)
    return ["p0", "p1"]


def all_of_another_size(root: Path) -> list[str]:
    for i in range(6):
        draw(root, f"p{i}", i, (9, 10))
    return [f"p{i}" for i in range(6)]


@pytest.mark.parametrize(
    "change",
    [changed_bytes, touched, replaced_by_a_copy, added, removed, renamed, swapped, all_of_another_size],
    ids=lambda f: f.__name__,
)
def test_only_what_has_changed_is_decoded_again(root: Path, change: object) -> None:
    before, _ = stored(root)
    pixels = before.images.clone()
    want_decoded = change(root)  # type: ignore[operator]
    found, counting = stored(root)
    assert sorted(counting.decoded) == want_decoded
    assert same(found, read_split(dataset(root)))
    assert torch.equal(before.images, pixels), "what another process has mapped stays as it was"
    assert stored(root)[1].hashed == []
    assert not list((root.parent / "cache").glob("*.building"))
    assert not list((root.parent / "cache").glob("*.old"))


def test_a_change_that_no_state_shows_would_be_missed_without_the_times(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: by names and sizes alone a mended mask of equal size is never seen."""
    stamps = manifest.Files.stamps
    monkeypatch.setattr(manifest.Files, "stamps", lambda self, i: [[*s[:2], 0, 0] for s in stamps(self, i)])
    path = root / "masks" / "p2.png"
    stored(root)
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(bytes(content))
    assert stored(root)[1].hashed == []


def test_young_files_are_hashed_again_and_not_decoded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two changes within one tick of the clock leave equal times."""
    monkeypatch.setattr(manifest, "SETTLED_S", 1e6)
    stored(root)
    found, counting = stored(root)
    assert (len(counting.hashed), counting.decoded) == (6, [])
    assert same(found, read_split(dataset(root)))
    monkeypatch.setattr(manifest, "SETTLED_S", -1e6)
    assert len(stored(root)[1].hashed) == 6
    assert stored(root)[1].hashed == []  # old by now


def test_data_that_move_with_their_times_stay_known(root: Path) -> None:
    stored(root)
    moved = root.parent / "elsewhere" / "data"
    moved.parent.mkdir()
    root.rename(moved)
    found = dataset(moved)
    stored_split(found, root.parent / "cache")
    assert found.decoded == []


def test_a_file_that_changes_while_it_is_read_fails_with_its_path(root: Path) -> None:
    class Changing(Counting):
        def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            found = super().read(index)
            if index == 4:
                draw(root, "p4", 44)
            return found

    parts = dataset(root)
    found = Changing(parts.info, parts.domain, parts.split, parts.samples, parts.table)
    with pytest.raises(BenchError, match=r"p4\.png: changed while it was read; run again") as caught:
        stored_split(found, root.parent / "cache", workers=1)
    assert caught.value.code is ExitCode.DATA
    assert same(stored(root)[0], read_split(dataset(root)))


def test_a_bad_file_is_named_and_what_was_decoded_is_not_lost(root: Path) -> None:
    good = (root / "masks" / "p4.png").read_bytes()
    (root / "masks" / "p4.png").write_bytes(good[:60])
    with pytest.raises(BenchError, match=r"masks/p4\.png: ") as caught:
        stored(root, workers=1)
    assert caught.value.code is ExitCode.DATA
    (root / "masks" / "p4.png").write_bytes(good)
    found, counting = stored(root)
    assert counting.decoded[0] == "p0"  # for the size
    assert {"p4"} <= set(counting.decoded) <= {"p0", "p4", "p5"}
    assert same(found, read_split(dataset(root)))


def test_a_size_of_its_own_is_told_as_ever(root: Path) -> None:
    draw(root, "p3", 3, (9, 10))
    with pytest.raises(BenchError, match=r"image 'p3' of small/here is 10x9, the first of them 16x12; set `resize_px`"):
        stored(root)
    assert same(stored(root, resize_px=(6, 6))[0], read_split(dataset(root), resize_px=(6, 6)))


def test_a_label_that_is_no_class_is_told(root: Path) -> None:
    parts = dataset(root)
    table = parts.table.copy()
    table[3] = 7
    wrong = Counting(parts.info, parts.domain, parts.split, parts.samples, table)
    for read in (read_split, lambda d: stored_split(d, root.parent / "cache")):
        with pytest.raises(BenchError, match=r"label 7 in \d+ pixels of 'p0' of small/here is no class \(0 to 4\)"):
            read(wrong)


def test_a_vanished_file_is_named(root: Path) -> None:
    stored(root)
    found = dataset(root)
    (root / "photos" / "p5.png").unlink()
    with pytest.raises(BenchError, match=r"photos/p5\.png: cannot be read"):
        stored_split(found, root.parent / "cache")


# ------------------------------------------------------------------ caches that are of no use


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def another_format(folder: Path) -> None:
    found = manifest.Manifest.load(folder)
    found.made["format"] = 99
    found.save(folder)


def another_program(folder: Path) -> None:
    found = manifest.Manifest.load(folder)
    found.made["pillow"] = "1.0"
    found.save(folder)


DAMAGE = {
    "manifest flipped": lambda f: flip_a_bit(f / "manifest.json"),
    "manifest cut": lambda f: os.truncate(f / "manifest.json", 100),
    "manifest empty": lambda f: os.truncate(f / "manifest.json", 0),
    "manifest gone": lambda f: (f / "manifest.json").unlink(),
    "manifest of another kind": lambda f: (f / "manifest.json").write_text('{"a": 1}'),
    "images cut": lambda f: os.truncate(f / "images.npy", 200),
    "images flipped": lambda f: flip_a_bit(f / "images.npy"),
    "images gone": lambda f: (f / "images.npy").unlink(),
    "labels a folder": lambda f: ((f / "labels.npy").unlink(), (f / "labels.npy").mkdir()),
    "another format": another_format,
    "another program": another_program,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_or_foreign_is_built_anew_with_one_warning(root: Path, damage: str) -> None:
    stored(root)
    time.sleep(0.01)  # a file's times have ticks
    DAMAGE[damage](folder(root))
    with pytest.warns(UserWarning, match="; it is built anew") as told:
        found, counting = stored(root)
    assert len(told) == 1
    assert sorted(counting.decoded) == [f"p{i}" for i in range(6)]
    assert same(found, read_split(dataset(root)))
    assert stored(root)[1].decoded == []


def test_another_reading_of_the_same_files_is_not_taken_over(root: Path) -> None:
    stored(root)
    parts = dataset(root)
    table = parts.table.copy()
    table[0], table[1] = 1, 0
    other = Counting(parts.info, parts.domain, parts.split, parts.samples, table)
    with pytest.warns(UserWarning, match="made with another rule"):
        found = stored_split(other, root.parent / "cache")
    assert same(found, read_split(other))


# ------------------------------------------------------------------ several at once


def test_the_second_waits_for_the_first(root: Path) -> None:
    both, found = [dataset(root), dataset(root)], []
    threads = [
        threading.Thread(target=lambda d=one: found.append(stored_split(d, root.parent / "cache", workers=1)))
        for one in both
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(one.decoded) for one in both) == [0, 6]
    assert same(*found)


def test_batches_do_not_depend_on_where_a_split_lies_or_on_workers(root: Path) -> None:
    def batches(split: Split) -> list[bytes]:
        drawn = training_batches(split, batch_size=2, seed=3, device=torch.device("cpu"), crop_px=(7, 9))
        return [part.numpy().tobytes() for batch in islice(drawn, 7) for part in (batch.images, batch.labels)]

    want = batches(read_split(dataset(root)))
    for workers in (1, 2, 8):
        found = stored_split(dataset(root), root.parent / f"cache{workers}", workers=workers)
        assert batches(found) == want
