"""Splits and batches: decoded once, drawn from (seed, step) alone."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from bench.batches import Timed, normalise, scoring_batches, steps_per_epoch, training_batches
from bench.cache import Cache, Split, read_split
from bench.spec import IGNORE, BenchError, DatasetInfo

CPU = torch.device("cpu")
INFO = DatasetInfo(
    name="fake",
    label="Fake",
    domains=("a",),
    class_names=("x", "y"),
    palette=((0, 0, 0), (1, 1, 1)),
    licence="",
    source="",
    needs_files=False,
)


class Fake:
    """Images whose red channel is the image's number, green the row, blue the column; the label is the row's parity."""

    info, domain, split = INFO, "a", "train"

    def __init__(self, sizes: list[tuple[int, int]]) -> None:
        self.sizes, self.reads = sizes, 0

    def __len__(self) -> int:
        return len(self.sizes)

    def image_name(self, index: int) -> str:
        return f"image{index}"

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        self.reads += 1
        rows, columns = np.indices(self.sizes[index])
        image = np.stack([np.full_like(rows, index), rows, columns], axis=2).astype(np.uint8)
        return image, (rows % 2).astype(np.uint8)

    def digest(self) -> str:
        return "d"


def split(n: int = 7, size: tuple[int, int] = (8, 10)) -> Split:
    return read_split(Fake([size] * n))


def batches(**changes: object) -> list[tuple[bytes, bytes]]:
    options = {"batch_size": 3, "seed": 5, "device": CPU, "crop_px": (4, 6)} | {
        k: v for k, v in changes.items() if k != "n"
    }
    drawn = islice(training_batches(split(), **options), changes.get("n", 6))  # type: ignore[arg-type, call-overload]
    return [(b.images.numpy().tobytes(), b.labels.numpy().tobytes()) for b in drawn]


def test_a_split_is_decoded_as_it_is() -> None:
    found = split()
    assert (found.images.shape, found.labels.shape, found.images.dtype) == ((7, 3, 8, 10), (7, 8, 10), torch.uint8)
    assert found.images[3, :, 2, 5].tolist() == [3, 2, 5]
    assert found.names[3] == "image3"


def test_resizing_keeps_native_labels_only_when_asked() -> None:
    small = read_split(Fake([(8, 10)]), resize_px=(4, 5))
    assert (small.images.shape[-2:], small.labels.shape[-2:]) == ((4, 5), (4, 5))
    scoring = read_split(Fake([(8, 10)]), resize_px=(4, 5), native_labels=True)
    assert (scoring.images.shape[-2:], scoring.labels.shape[-2:]) == ((4, 5), (8, 10))
    assert set(small.labels.unique().tolist()) <= {0, 1, IGNORE}


def test_images_of_different_size_are_named() -> None:
    with pytest.raises(BenchError, match=r"image 'image1' of fake/a is 9x8, the first of them 10x8; set `resize_px`"):
        read_split(Fake([(8, 10), (8, 9)]))
    assert len(read_split(Fake([(8, 10), (8, 9)]), resize_px=(4, 4))) == 2


def test_an_empty_split_is_an_error() -> None:
    with pytest.raises(BenchError, match="fake/a has no images in split 'train'"):
        read_split(Fake([]))


def test_the_cache_reads_once_and_forgets_the_oldest() -> None:
    cache, reads = Cache(budget_bytes=split().nbytes * 2), []

    def get(key: str) -> None:
        cache.get((key,), lambda: (reads.append(key), split())[1])

    for key in ("a", "a", "b", "a", "c", "a", "b"):
        get(key)
    assert reads == ["a", "b", "c", "b"]


def test_image_and_label_are_cut_together() -> None:
    for batch in islice(training_batches(split(), batch_size=3, seed=1, device=CPU, crop_px=(4, 6)), 5):
        green = batch.images[:, 1] * 0.224 * 255 + 0.456 * 255  # the row each pixel came from
        assert torch.equal(green.round().long() % 2, batch.labels)
        assert (batch.images.dtype, batch.labels.dtype) == (torch.float32, torch.int64)


def test_every_image_is_seen_once_a_pass_in_another_order() -> None:
    drawn = islice(training_batches(split(6), batch_size=3, seed=1, device=CPU), 8)
    seen = [(b.images[:, 0, 0, 0] * 0.229 * 255 + 0.485 * 255).round().int().tolist() for b in drawn]
    passes = [seen[i] + seen[i + 1] for i in range(0, 8, 2)]
    assert all(sorted(p) == [0, 1, 2, 3, 4, 5] for p in passes)
    assert len({tuple(p) for p in passes}) > 1


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    whole = batches(n=6)
    assert batches(n=6) == whole
    assert batches(n=3, start=3) == whole[3:]  # what makes a resumed run see what it would have seen
    torch.manual_seed(1)
    np.random.seed(1)
    assert batches(n=6) == whole
    assert batches(n=6, seed=6) != whole


def test_augmentation_draws_from_the_step_too() -> None:
    def noise(images: torch.Tensor, labels: torch.Tensor, g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        return images + torch.randn(images.shape, generator=g), labels

    def shared(images: torch.Tensor, labels: torch.Tensor, _: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        return images + torch.randn(images.shape), labels

    whole = batches(n=4, augment=(noise,))
    assert batches(n=2, start=2, augment=(noise,)) == whole[2:]
    assert batches(n=4, augment=(shared,)) != batches(n=4, augment=(shared,))  # the fault this forbids


def test_too_few_images_and_too_large_crops_are_errors() -> None:
    with pytest.raises(BenchError, match="2 images, fewer than one batch of 3"):
        next(training_batches(split(2), batch_size=3, seed=0, device=CPU))
    with pytest.raises(BenchError, match="a crop of 6x9 does not fit in images of 10x8"):
        next(training_batches(split(), batch_size=3, seed=0, device=CPU, crop_px=(9, 6)))
    assert steps_per_epoch(7, 3) == 2


def test_scoring_sees_every_image_in_order() -> None:
    found = list(scoring_batches(split(7), batch_size=3, device=CPU))
    assert [len(images) for images, _ in found] == [3, 3, 1]
    assert torch.equal(torch.cat([labels for _, labels in found]), split(7).labels)


def test_normalised_images_have_imagenet_statistics() -> None:
    white = normalise(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8))
    assert white[0, :, 0, 0].tolist() == pytest.approx([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225])


def test_waiting_is_counted() -> None:
    timed = Timed(iter([1, 2]))
    assert list(timed) == [1, 2]
    assert timed.seconds > 0
