"""Cutout, CutMix, ClassMix, mosaic and CopyBlob, read off images that hold sample, row and column of every pixel."""

from __future__ import annotations

import collections
import statistics

import pytest
import torch
from augment_batches import CLASSES, built, coordinates, generator, patches
from torch import Tensor

from bench.augment.class_mix import half_of_classes
from bench.augment.copy_blob import landing
from bench.spec import IGNORE, BenchError

COUNT, SIDE = 5, 24


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    return coordinates(COUNT, SIDE, SIDE), patches(COUNT, SIDE, SIDE, seed)


def origins(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sample, row and column that each pixel came from, (N, H, W) each."""
    sample, row, column = images.long().sub(1).unbind(1)
    return sample, row, column


def together(images: Tensor, told: Tensor, labels: Tensor) -> bool:
    """Whether every pixel brought the label it had."""
    return torch.equal(labels[origins(images)], told)


def in_place(images: Tensor) -> bool:
    """Whether every pixel lies where it lay in its own sample."""
    return torch.equal(images[:, 1:], coordinates(len(images), *images.shape[-2:])[:, 1:])


def own(images: Tensor) -> Tensor:
    """Boolean (N, H, W): where a sample shows itself."""
    return origins(images)[0] == torch.arange(len(images))[:, None, None]


@pytest.mark.parametrize("name", ["cutmix", "class_mix", "mosaic"])
def test_pixels_bring_their_labels_and_keep_their_places(name: str) -> None:
    images, labels = batch()
    for seed in range(20):
        got, told = built(name, p=1.0)(images, labels, generator(seed))
        assert together(got, told, labels)
        assert in_place(got)
        assert not own(got).all()
    assert not together(got, labels, labels)  # labels left behind
    assert not in_place(got.roll(1, -1))


def is_box(mask: Tensor) -> bool:
    rows, columns = mask.any(1), mask.any(0)
    filled = torch.equal(mask, rows[:, None] & columns)
    return filled and all(bool(side.diff().int().abs().sum() <= 2) for side in (rows.int(), columns.int()))


def test_cutmix_pastes_one_box_of_one_other_sample() -> None:
    images, labels = batch()
    shares = []
    for seed in range(120):
        got, _ = built("cutmix", p=1.0)(images, labels, generator(seed))
        for i in range(COUNT):
            foreign = ~own(got)[i]
            assert is_box(foreign)
            assert len(origins(got)[0][i][foreign].unique()) <= 1
            shares.append(float(foreign.float().mean()))
    # With lambda uniform a side is c = sqrt(1 - lambda) long and, cut off at the border, c - c^2 / 4 on average; the
    # mean of its square is 1/2 - 1/5 + 1/48.
    assert abs(statistics.mean(shares) - 0.3208) < 0.035
    assert not is_box(torch.eye(4, dtype=torch.bool))


def test_mosaic_has_four_parts_of_four_samples() -> None:
    images, labels = batch()
    places = []
    for seed in range(60):
        sample = origins(built("mosaic", p=1.0)(images, labels, generator(seed))[0])[0]
        for i in range(COUNT):
            corners = [int(sample[i, y, x]) for y in (0, -1) for x in (0, -1)]
            assert corners[0] == i
            assert len(set(corners)) == 4
            rows = int((sample[i, :, 0] == i).sum())
            columns = int((sample[i, 0] == i).sum())
            for corner, (y, x) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
                part = sample[i][(slice(rows), slice(rows, None))[y], (slice(columns), slice(columns, None))[x]]
                assert (part == corners[corner]).all()
            places += [rows, columns]
    assert (min(places), max(places)) == (6, 18)
    assert abs(statistics.mean(places) - 12) < 0.7


def test_class_mix_pastes_half_of_the_classes_and_never_void() -> None:
    images, labels = batch()
    drawn: collections.Counter[int] = collections.Counter()
    for seed in range(60):
        got, told = built("class_mix", p=1.0)(images, labels, generator(seed))
        for i in range(COUNT):
            sample, foreign = origins(got)[0][i], ~own(got)[i]
            (j,) = set(sample[foreign].tolist())
            pasted = set(labels[j][foreign].tolist())
            present = set(labels[j].unique().tolist()) - {IGNORE}
            assert len(pasted) == (len(present) + 1) // 2
            assert IGNORE not in pasted
            assert torch.equal(foreign, torch.isin(labels[j], torch.tensor(sorted(pasted))))
            drawn.update(pasted)
            assert torch.equal(told[i] == IGNORE, (labels[i] == IGNORE) & ~foreign)
    assert set(drawn) == set(range(CLASSES))
    assert max(drawn.values()) < 1.5 * min(drawn.values())


def test_half_of_the_classes_present() -> None:
    label = torch.tensor([[0, 0, 3, IGNORE], [7, 7, 3, 9]])
    scores = torch.linspace(1, 0, 256, dtype=torch.float64)  # high codes first
    assert torch.equal(half_of_classes(label, scores), (label == 9) | (label == 7))
    assert torch.equal(half_of_classes(label, scores.flip(0)), (label == 0) | (label == 3))
    three = label.where(label != 9, 7)
    assert torch.equal(half_of_classes(three, scores), (three == 7) | (three == 3))
    assert half_of_classes(torch.full((2, 2), 4), scores).all()
    assert not half_of_classes(torch.full((2, 2), IGNORE), scores).any()


def test_cutout_blanks_squares_of_its_size() -> None:
    images, labels = batch()
    labels = labels.clamp_max(CLASSES)  # no void of its own
    starts = []
    for seed in range(40):
        got, told = built("cutout", p=1.0, holes=1, hole_px=9)(images, labels, generator(seed))
        for i in range(COUNT):
            hole = told[i] == IGNORE
            assert is_box(hole)
            assert int(hole.any(0).sum()) == int(hole.any(1).sum()) == 9
            assert torch.equal((got[i] == 0).all(0), hole)
            assert torch.equal(got[i][:, ~hole], images[i][:, ~hole])
            assert torch.equal(told[i][~hole], labels[i][~hole])
            starts.append(int(hole.any(0).int().argmax()))
    assert (min(starts), max(starts)) == (0, SIDE - 9)
    kept_images, kept = built("cutout", p=1.0, holes=3, hole_px=9, keep_labels=True)(images, labels, generator())
    assert torch.equal(kept, labels)
    assert 81 <= int((kept_images[0] == 0).all(0).sum()) <= 3 * 81


def test_cutout_refuses_holes_that_span_the_image() -> None:
    images, labels = batch()
    with pytest.raises(BenchError, match=r"holes of 24 px span crops of 24x24.*about 9") as caught:
        built("cutout", hole_px=24)(images, labels, generator())
    assert caught.value.key == "augment.hole_px"
    built("cutout", hole_px=23)(images, labels, generator())


# ------------------------------------------------------------------ CopyBlob


def blob_faults(got: Tensor, told: Tensor, labels: Tensor, copied: int, ground: int) -> list[str]:
    """What is wrong with a batch on which `copied` was pasted on `ground`."""
    found = set()
    if not together(got, told, labels):
        found.add("label")
    sample, row, column = origins(got)
    for i in range(len(got)):
        rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
        moved = (sample[i] != i) | (row[i] != rows) | (column[i] != columns)
        if not moved.any():
            continue
        if (sample[i][moved] == i).any():
            found.add("itself")
            continue
        if (told[i][moved] != copied).any():
            found.add("class")
        shifts = torch.stack([rows - row[i], columns - column[i]], -1)[moved].unique(dim=0)
        if len(shifts) != 1:
            found.add("smear")
            continue
        blob = (labels[int(sample[i][moved][0])] == copied).nonzero()
        first = blob[blob.sum(1).argmin()] + shifts[0]
        if labels[i][tuple(first.tolist())] != ground:
            found.add("ground")
        landed = blob + shifts[0]
        inside = ((landed >= 0) & (landed < SIDE)).all(1)
        if int(inside.sum()) != int(moved.sum()):
            found.add("part")
    return sorted(found)


def test_copy_blob_moves_whole_objects_onto_the_ground() -> None:
    pasted = []
    for seed in range(40):
        images, labels = batch(seed)
        got, told = built("copy_blob", pairs=[[1, 0]])(images, labels, generator(seed))
        assert blob_faults(got, told, labels, 1, 0) == []
        pasted += (~own(got)).flatten(1).float().mean(1).tolist()
    assert max(pasted) <= 0.25
    assert sum(share > 0 for share in pasted) > 150
    assert blob_faults(got, told, labels, 1, 2) == ["ground"]
    assert "class" in blob_faults(got, told, labels, 2, 0)
    assert "label" in blob_faults(got, labels, labels, 1, 0)


def test_the_check_sees_the_faults_of_the_original() -> None:
    """Pixels clamped to the border, wrapped round it, or taken from the sample itself."""
    images, labels = coordinates(2, SIDE, SIDE), torch.zeros(2, SIDE, SIDE, dtype=torch.int64)
    labels[0, 2:8, 2:8] = 1
    block = torch.cartesian_prod(torch.arange(2, 8), torch.arange(2, 8))

    def pasted(giver: int, rows: Tensor, columns: Tensor) -> list[str]:
        got, told = images.clone(), labels.clone()
        got[1, :, rows, columns] = images[giver, :, block[:, 0], block[:, 1]]
        told[1, rows, columns] = labels[giver, block[:, 0], block[:, 1]]
        return blob_faults(got, told, labels, 1, 0)

    assert pasted(0, block[:, 0] + 5, block[:, 1] + 5) == []
    assert "smear" in pasted(0, (block[:, 0] + 18).clamp_max(SIDE - 1), block[:, 1])
    assert "smear" in pasted(0, (block[:, 0] + 18) % SIDE, block[:, 1])
    assert "itself" in pasted(1, block[:, 0] + 5, block[:, 1] + 5)


def test_a_blob_lands_where_the_draw_says() -> None:
    blob = torch.zeros(4, 5, dtype=torch.bool)
    blob[1, 2] = blob[1, 3] = blob[2, 2] = blob[2, 1] = True
    free = torch.zeros(4, 5, dtype=torch.bool)
    free[0, 0] = free[3, 4] = True
    lands, origin = landing(blob, free, 0.0, 1.0)
    assert lands.nonzero().tolist() == [[0, 0], [0, 1], [1, 0]]  # (2, 1) would be left of the image
    assert origin[lands].tolist() == [7, 8, 12]
    lands, _ = landing(blob, free, 0.99, 1.0)
    assert lands.nonzero().tolist() == [[3, 4]]
    assert not landing(blob, torch.zeros_like(free), 0.5, 1.0)[0].any()
    assert not landing(torch.zeros_like(blob), free, 0.5, 1.0)[0].any()


def test_a_blob_that_would_hide_the_scene_is_not_pasted() -> None:
    blob = torch.ones(4, 4, dtype=torch.bool)
    free = torch.zeros(4, 4, dtype=torch.bool)
    free[0, 0] = True
    assert not landing(blob, free, 0.0, 0.9)[0].any()
    assert landing(blob, free, 0.0, 1.0)[0].all()


def test_grounds_are_chosen_evenly() -> None:
    blob = torch.zeros(1, 8, dtype=torch.bool)
    blob[0, 0] = True
    free = torch.tensor([[0, 1, 1, 0, 0, 1, 0, 1]]).bool()
    spots = [int(landing(blob, free, u / 100, 1.0)[0].int().argmax()) for u in range(100)]
    assert collections.Counter(spots) == {1: 25, 2: 25, 5: 25, 7: 25}


def test_pairs_are_tried_in_turn_and_later_ones_see_earlier_ones() -> None:
    images, labels = coordinates(2, 8, 8), torch.zeros(2, 8, 8, dtype=torch.int64)
    labels[0, 0, 0] = labels[1, 0, 0] = 1
    labels[0, 4, 4] = labels[1, 4, 4] = 2
    labels[:, 7] = 5
    told = built("copy_blob", pairs=[[1, 5], [2, 1]])(images, labels, generator())[1]
    assert (told == 2).flatten(1).sum(1).tolist() == [2, 2]
    assert set(told[:, 7].unique().tolist()) <= {1, 2, 5}
