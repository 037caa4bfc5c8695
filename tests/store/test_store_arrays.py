"""The arrays beside records: shapes, sums, names and sizes, each at its limit."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_examples import latency, record

from bench.store import arrays

ONES = [[1, 1], [1, 1]]


def packed(**found: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **found)
    return buffer.getvalue()


def zipped(*sizes: int) -> bytes:
    """An archive of entries that unpack to so many bytes and are no arrays."""
    return zip_of({f"{number}.npy": bytes(size) for number, size in enumerate(sizes)})


def zip_of(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_an_entry_that_is_no_array_is_named(path: Path) -> None:
    """numpy gives back its bytes."""
    assert of_images(path, zip_of({"d.a.npy": b"x"}), confusion={"d/a": ONES}) == "its d.a is no array"
    assert of_samples(path, zip_of({"0" + "x" * 50: b"x"})) == f"its {'0' + 'x' * 39} is no array"


def of_images(path: Path, content: bytes, **changes: Any) -> str | None:
    path.write_bytes(content)
    return arrays.images_problem(record(images_sha256=hashlib.sha256(content).hexdigest(), **changes), path)


def of_samples(path: Path, content: bytes, timings: int = 1) -> str | None:
    path.write_bytes(content)
    return arrays.samples_problem(latency(timings, samples_sha256=hashlib.sha256(content).hexdigest()), path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.npz"


TWO = {"confusion": {"d/a": ONES, "d/b": ONES}, "images_scored": {"d/a": 1, "d/b": 2}}


def test_counts_of_each_image_add_up(path: Path) -> None:
    for kind in (np.int64, np.uint8):
        found = {"d.a": np.array([ONES], kind), "d.b": np.array([[[1, 0], [1, 0]], [[0, 1], [0, 1]]], kind)}
        assert of_images(path, packed(**found), **TWO) is None


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({}, "it holds nothing, not the domains of its record"),
        ({"d.b": [ONES], "c": [ONES]}, "it holds c, d.b, not the domains of its record"),
        ({"d.a": [ONES, ONES]}, "its d/a is int64 (2, 2, 2), not whole numbers (1, 2, 2)"),
        ({"d.a": [[[1.0, 1.0], [1.0, 1.0]]]}, "its d/a is float64 (1, 2, 2), not whole numbers (1, 2, 2)"),
        ({"d.a": [[[True, True], [True, True]]]}, "its d/a is bool (1, 2, 2), not whole numbers (1, 2, 2)"),
        ({"d.a": [[[1, 1], [1, 2]]]}, "its counts of d/a do not add up to its record's"),
    ],
)
def test_counts_that_are_not_the_record_s(path: Path, found: dict[str, Any], problem: str) -> None:
    assert of_images(path, packed(**found), confusion={"d/a": ONES}) == problem


def test_counts_are_added_over_images(path: Path) -> None:
    """Over anything else this one would add up."""
    counts = {"d/a": [[2, 0], [2, 0]]}
    found = np.array([[[1, 1], [0, 0]], [[1, 1], [0, 0]]])
    assert "do not add up" in str(of_images(path, packed(**{"d.a": found}), confusion=counts, images_scored={"d/a": 2}))


def test_counts_have_room_for_what_the_record_says_and_no_byte_more(path: Path) -> None:
    """8 bytes a count and 4096 for the head of each domain."""
    room = (1 * 2 * 2 * 8 + 4096) + (2 * 2 * 2 * 8 + 4096)
    assert of_images(path, zipped(room - 1, 1), **TWO) == "its 0 is no array"
    assert of_images(path, zipped(room - 1, 2), **TWO) == "it is larger than its record allows"


def test_readings_have_room_for_a_gibibyte(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert arrays.LIMIT == 1_073_741_824
    content = packed(**{"0.e2e": np.zeros(3, np.float32)})
    size = sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(content)).infolist())
    monkeypatch.setattr(arrays, "LIMIT", size)
    assert of_samples(path, content) is None
    monkeypatch.setattr(arrays, "LIMIT", size - 1)
    assert of_samples(path, content) == "it is larger than its record allows"


LONG = "9." + "x" * 50


@pytest.mark.parametrize(
    ("name", "readings", "problem"),
    [
        ("0.e2e", np.zeros(2), None),
        ("1.cpu", np.zeros(0, np.float32), None),
        ("2.e2e", np.zeros(2), "its 2.e2e belongs to no timing of its record"),
        ("x.e2e", np.zeros(2), "its x.e2e belongs to no timing of its record"),
        ("e2e.0", np.zeros(2), "its e2e.0 belongs to no timing of its record"),
        (LONG, np.zeros(2), f"its {LONG[:40]} belongs to no timing of its record"),
        ("0.e2e", np.zeros((2, 1)), "its 0.e2e is float64 (2, 1), not a row of readings"),
        ("0.e2e", np.zeros(2, int), "its 0.e2e is int64 (2,), not a row of readings"),
        ("0" + LONG[1:], np.zeros(2, int), f"its {'0' + LONG[1:40]} is int64 (2,), not a row of readings"),
    ],
)
def test_readings_belong_to_a_timing_and_are_a_row(path: Path, name: str, readings: Any, problem: str | None) -> None:
    assert of_samples(path, packed(**{name: readings}), timings=2) == problem


def test_the_file_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert arrays.samples_problem(latency(), path) == "it is missing"
    path.symlink_to("nowhere")
    assert arrays.samples_problem(latency(), path) == "it is no plain file"
    path.unlink()
    path.with_name("y").write_bytes(packed())
    path.symlink_to("y")
    assert arrays.samples_problem(latency(), path) == "it is no plain file"
    path.unlink()
    path.mkdir()
    assert arrays.samples_problem(latency(), path) == "it is no plain file"
    path.rmdir()
    path.write_bytes(packed())
    assert arrays.samples_problem(latency(samples_sha256="0" * 64), path) == "its sha256 is not the record's"

    def failing(_: Path) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", failing)
    assert arrays.samples_problem(latency(), path) == "it cannot be read (Input/output error)"


def test_what_numpy_says_is_one_line_and_nothing_is_unpickled(path: Path) -> None:
    wordy = {"d.a": np.zeros(1, [(f"field{n}", "i4") for n in range(1000)])}  # numpy explains this in several lines
    room = {"images_scored": {"d/a": 9999}}
    told = str(of_images(path, packed(**wordy), **room))
    assert told.startswith("it is no archive of arrays (Header info length (")
    assert "\n" not in told
    assert told.endswith("to load securely.)")
    told = str(of_images(path, packed(**{"d.a": np.array([{}], dtype=object)}), **room))
    assert told == "it is no archive of arrays (Object arrays cannot be loaded when allow_pickle=False)"
