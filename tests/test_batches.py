"""Splits and batches: decoded once, drawn from (seed, step) alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
import torch

from bench.augment.flip import flip
from bench.augment.rotate90 import rotate90
from bench.batches import (
    TARGET,
    Batch,
    Timed,
    buffers,
    cut_samples,
    draws,
    normalise,
    normalising,
    paired,
    scoring_batches,
    steps_per_epoch,
    training_batches,
)
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


# ------------------------------------------------------------------ which images, which crops


def test_a_sampler_says_which_images_a_pass_shows() -> None:
    def twos(generator: np.random.Generator) -> np.ndarray:
        return np.full(7, generator.integers(7))

    drawn = islice(training_batches(split(), batch_size=3, seed=1, device=CPU, sampler=twos), 6)
    seen = [(b.images[:, 0, 0, 0] * 0.229 * 255 + 0.485 * 255).round().int().tolist() for b in drawn]
    want = [int(draws(1, 0, epoch).integers(7)) for epoch in range(3)]
    assert seen == [[want[step // 2]] * 3 for step in range(6)]


def halves() -> Split:
    """Labels 0 on the left, 1 on the right; the upper half of each image is void."""
    labels = torch.zeros(6, 16, 20, dtype=torch.uint8)
    labels[:, :, 10:] = 1
    labels[:, :8] = IGNORE
    return Split(torch.zeros(6, 3, 16, 20, dtype=torch.uint8), labels, tuple("abcdef"), "d")


def shares(**changes: object) -> list[float]:
    """The largest class's share of what is not void, in each of 300 crops; 1 where all is void."""
    options = {"batch_size": 3, "seed": 2, "crop_px": (6, 6)} | changes
    found = []
    for samples in islice(cut_samples(halves(), **options), 100):  # type: ignore[arg-type]
        for _, crop in samples:
            counts = torch.bincount(crop.flatten(), minlength=256)[:2]
            found.append(float(counts.max() / counts.sum()) if counts.any() else 1.0)
    return found


def test_crops_that_one_class_fills_are_drawn_again() -> None:
    limited, free = shares(crop_max_share=0.75), shares()
    assert sum(share > 0.75 for share in free) > 200
    assert sum(share > 0.75 for share in limited) < 80  # one in seven will do: ten redraws do not always help
    assert shares(crop_max_share=0.75) == limited
    assert shares(crop_max_share=0.75, start=50)[:150] == limited[150:]


def test_a_share_that_no_crop_exceeds_changes_no_crop() -> None:
    images = torch.randint(256, (6, 3, 16, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    plain = Split(images, torch.zeros(6, 16, 20, dtype=torch.uint8), tuple("abcdef"), "d")

    def drawn(**changes: float) -> list[bytes]:
        cut = cut_samples(plain, batch_size=3, seed=2, crop_px=(6, 6), **changes)  # type: ignore[arg-type]
        return [image.numpy().tobytes() for samples in islice(cut, 9) for image, _ in samples]

    assert drawn(crop_max_share=1.0) == drawn()
    assert drawn(crop_max_share=0.9) != drawn()


def test_redraws_end() -> None:
    void = Split(
        torch.zeros(3, 3, 8, 8, dtype=torch.uint8), torch.full((3, 8, 8), IGNORE, dtype=torch.uint8), tuple("abc"), ""
    )
    samples = next(cut_samples(void, batch_size=3, seed=0, crop_px=(4, 4), crop_max_share=0.5))
    assert all((label == IGNORE).all() for _, label in samples)


# ------------------------------------------------------------------ the fast ways give the same numbers


def mixed() -> Split:
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (7, 3, 40, 40), dtype=torch.uint8, generator=draw)
    return Split(images, torch.randint(5, (7, 40, 40), dtype=torch.uint8, generator=draw), tuple("abcdefg"), "d")


def drawn(*augment: object) -> list[tuple[bytes, bytes]]:
    found = training_batches(mixed(), batch_size=3, seed=4, device=CPU, crop_px=(32, 32), augment=augment)  # type: ignore[arg-type]
    return [
        (b.images.contiguous().numpy().tobytes(), b.labels.contiguous().numpy().tobytes()) for b in islice(found, 5)
    ]


def test_pixels_that_are_moved_as_bytes_are_the_same_as_numbers() -> None:
    def brighter(images: torch.Tensor, labels: torch.Tensor, g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        assert images.dtype == torch.float32
        return images + torch.rand(len(images), 1, 1, 1, generator=g), labels

    for chain in ([flip()], [rotate90(), flip()], [flip(), brighter, rotate90()]):
        plain = [lambda *batch, move=move: move(*batch) for move in chain]  # without their `of_samples`
        assert drawn(*chain) == drawn(*plain)
        assert drawn(*chain) != drawn()


def test_a_move_never_reaches_the_split() -> None:
    """What is moved are views of it: a move that wrote in place would change the data for all that follows."""
    data, before = mixed(), mixed()
    for _ in islice(training_batches(data, batch_size=3, seed=4, device=CPU, augment=(flip(p=1.0),)), 4):
        pass
    assert torch.equal(data.images, before.images)
    assert torch.equal(data.labels, before.labels)


def test_normalising_one_by_one_is_normalising() -> None:
    images = mixed().images
    mean, deviation = (torch.tensor(part).mul(255).view(3, 1, 1) for part in (normalising.MEAN, normalising.STD))
    want = (images.float() - mean) / deviation
    assert torch.equal(normalise(images), want)
    assert torch.equal(normalise(images[:, :, 3:30, 5:33]), want[:, :, 3:30, 5:33])
    assert not torch.equal(normalise(images), images.float() / (255 * deviation / 255) - mean / deviation)


def test_batches_of_the_first_version_are_what_they_were() -> None:
    """Digests from before crops went into one buffer and were normalised in blocks: records rest on these batches."""

    def digest(*augment: object, **options: object) -> str:
        whole = hashlib.sha256()
        found = training_batches(  # type: ignore[call-overload]
            mixed_by_hand(), batch_size=3, seed=3, device=CPU, start=1, augment=augment, **options
        )
        for batch in islice(found, 4):
            whole.update(batch.images.contiguous().numpy().tobytes() + batch.labels.contiguous().numpy().tobytes())
        return whole.hexdigest()[:16]

    assert [
        digest(),
        digest(crop_px=(9, 13)),
        digest(flip(), crop_px=(16, 16)),
        digest(rotate90(), crop_px=(8, 8)),
    ] == [
        "54daffa8e6e923cc",
        "22d3ffe63a7d5cce",
        "65706e7b522c185e",
        "f057ac57ad974385",
    ]


def mixed_by_hand() -> Split:
    """Without a random generator, whose numbers may change with versions."""
    codes = torch.arange(7 * 3 * 20 * 24).mul(2654435761).div(7, rounding_mode="floor").remainder(256).to(torch.uint8)
    images = codes.view(7, 3, 20, 24)
    return Split(images, images[:, 0].remainder(5), tuple("abcdefg"), "d")


# ------------------------------------------------------------------ memory that is taken again


def kept_batches(hold: int) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], list[tuple[bytes, bytes]]]:
    """Batches that somebody holds on to, by a view of each, and what they were when they came."""
    held, were = [], []
    for batch in islice(training_batches(mixed(), batch_size=3, seed=4, device=CPU), hold):
        were.append((batch.images[1:].numpy().tobytes(), batch.labels[0].numpy().tobytes()))
        held.append((batch.images[1:], batch.labels[0]))
    return held, were


def test_what_is_held_is_never_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def intact() -> bool:
        held, were = kept_batches(12)
        return [(images.numpy().tobytes(), labels.numpy().tobytes()) for images, labels in held] == were

    assert intact()
    monkeypatch.setattr(buffers.Buffers, "_holders", lambda self, place: 2)
    assert not intact()  # the fault that counting holders forbids


def test_what_nobody_holds_is_taken_again() -> None:
    places = set()
    for batch in islice(training_batches(mixed(), batch_size=3, seed=4, device=CPU), 12):
        places.add(batch.images.data_ptr())
        assert batch.images.data_ptr() % 64 == 0
        del batch
    assert len(places) == 1


def test_a_graph_holds_its_memory() -> None:
    pool = buffers.Buffers()
    taken = pool.take((4, 5), torch.float32)
    weight = torch.ones(5, requires_grad=True)
    loss = (taken.fill_(2.0) * weight).sum()
    del taken
    pool.take((4, 5), torch.float32).fill_(7.0)
    loss.backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [8.0] * 5


def test_a_method_draws_for_a_purpose_what_depends_on_seed_and_step_alone() -> None:
    images, labels = torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.int64)

    def drawn(purpose: str, step: int = 3, seed: int = 1) -> list[float]:
        return torch.rand(4, generator=Batch(images, labels, step=step, seed=seed).generator(purpose)).tolist()

    assert drawn("mix") == drawn("mix")
    others = [drawn("mask"), drawn("mix", step=4), drawn("mix", seed=2)]
    assert all(other != drawn("mix") for other in others)


def test_target_images_come_beside_the_source_and_change_nothing_of_it() -> None:
    source, target = read_split(Fake([(6, 8)] * 6)), read_split(Fake([(5, 9)] * 5))

    def batches(of: Split, streams: int = 0) -> Iterator[Batch]:
        return training_batches(of, batch_size=2, seed=0, device=CPU, crop_px=(4, 4), streams=streams)

    alone, both = batches(source), paired(batches(source), batches(target, TARGET))
    for step in range(7):
        one, two = next(alone), next(both)
        assert torch.equal(one.images, two.images)
        assert torch.equal(one.labels, two.labels)
        assert two.target_images is not None
        assert two.target_images.shape == one.images.shape
        assert (two.step, one.target_images) == (step, None)
