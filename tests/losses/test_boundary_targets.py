"""Edges on the device against a plain reading of their definition, and against the reference maps."""

from __future__ import annotations

import gc
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.losses import boundary
from bench.losses.boundary import edge_targets, targets


def by_loops(label: np.ndarray, frame_px: int) -> np.ndarray:
    """The definition, pixel by pixel."""
    height, width = label.shape
    edges = np.zeros((height, width), dtype=bool)
    for y in range(frame_px, height - frame_px):
        for x in range(frame_px, width - frame_px):
            right = x + 1 < width and label[y, x] != label[y, x + 1]
            lower = y + 1 < height and label[y, x] != label[y + 1, x]
            if right or lower:
                edges[max(y - 1, 0) : y + 3, max(x - 1, 0) : x + 3] = True
    return edges


def some_labels(seed: int, height: int, width: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    blocks = draw.choice(np.array([0, 1, 2, 255], dtype=np.uint8), (height // 6 + 1, width // 6 + 1))
    return np.ascontiguousarray(blocks.repeat(6, 0).repeat(6, 1)[:height, :width])


@pytest.mark.parametrize("size", [(30, 41), (13, 12), (1, 20), (20, 1), (5, 5), (1, 1)])
@pytest.mark.parametrize("frame_px", [0, 6])
def test_edges_are_those_of_the_definition(size: tuple[int, int], frame_px: int) -> None:
    labels = np.stack([some_labels(seed, *size) for seed in range(3)])
    got = edge_targets(torch.from_numpy(labels).long(), frame_px=frame_px)
    assert got.dtype == torch.bool
    assert np.array_equal(got.numpy(), np.stack([by_loops(label, frame_px) for label in labels]))


def test_one_map_equals_the_batch_with_a_frame() -> None:
    label = some_labels(0, 40, 50)
    assert np.array_equal(targets(label), edge_targets(torch.from_numpy(label)[None].long(), frame_px=6)[0].numpy())
    assert np.array_equal(targets(label), by_loops(label, 6))
    assert not np.array_equal(targets(label), by_loops(label, 0))


def test_a_step_between_columns_9_and_10_marks_8_to_11() -> None:
    labels = torch.zeros(1, 20, 20, dtype=torch.int64)
    labels[:, :, 10:] = 1
    assert edge_targets(labels)[0].any(0).nonzero().flatten().tolist() == [8, 9, 10, 11]
    assert not edge_targets(torch.full_like(labels, 255)).any()


def check_edges(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["check_edges.py", "--edges", "bench.losses.boundary:targets"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(folder / "check_edges.py"), run_name="__main__")
    return int(ended.value.code or 0)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_reference_checker_accepts_them_and_refuses_a_shifted_spread(
    vectors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_edges(vectors, monkeypatch) == 0
    shifted = lambda label: np.roll(targets(label), (-1, -1), (0, 1))  # noqa: E731
    monkeypatch.setattr(boundary, "targets", shifted)
    assert check_edges(vectors, monkeypatch) == 1
    gc.collect()  # the checker leaves files open; the complaint about that belongs to this test
