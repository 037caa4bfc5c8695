"""Every pixel carries its own coordinates, so that what a transform did to image and label can be read off exactly."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from bench.augment.flip import flip
from bench.augment.rotate90 import rotate90
from bench.spec import BenchError

SIDE = 7


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(count: int = 24, height: int = SIDE, width: int = SIDE, dtype: torch.dtype = torch.float32) -> tuple:
    """Images whose channels are (sample, row, column); labels = row * width + column."""
    sample, row, column = torch.meshgrid(torch.arange(count), torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([sample, row, column], 1).to(dtype), row * width + column


def agrees(transform: Callable, moves: Callable[[Tensor, int], Tensor], draws: list[int]) -> bool:
    """Whether `transform` moved image and label of sample i just as `moves(pixels, draws[i])` does."""
    images, labels = batch(len(draws))
    got_images, got_labels = transform(images, labels, generator())
    want_images = torch.stack([moves(image, draw) for image, draw in zip(images, draws, strict=True)])
    want_labels = torch.stack([moves(label, draw) for label, draw in zip(labels, draws, strict=True)])
    return torch.equal(got_images, want_images) and torch.equal(got_labels, want_labels)


def mirrored(pixels: Tensor, chosen: int) -> Tensor:
    return pixels.flip(-1) if chosen else pixels


def turned(pixels: Tensor, turns: int) -> Tensor:
    return pixels.rot90(turns, (-2, -1))


FLIPS = (torch.rand(24, generator=generator()) < 0.5).tolist()
TURNS = torch.randint(4, (24,), generator=generator()).tolist()


def test_flip_mirrors_the_drawn_samples_exactly() -> None:
    assert set(FLIPS) == {True, False}
    assert agrees(flip(), mirrored, FLIPS)


def test_rotate90_turns_every_sample_as_drawn() -> None:
    assert set(TURNS) == {0, 1, 2, 3}
    assert agrees(rotate90(), turned, TURNS)


def test_the_check_catches_labels_left_behind_and_turns_the_wrong_way() -> None:
    def labels_left_behind(images: Tensor, labels: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        return flip()(images, labels, draws)[0], labels

    assert not agrees(labels_left_behind, mirrored, FLIPS)
    assert not agrees(rotate90(), lambda pixels, turns: turned(pixels, -turns), TURNS)


@pytest.mark.parametrize("build", [flip, rotate90])
def test_image_and_label_stay_together_and_inputs_stay_untouched(build: Callable) -> None:
    images, labels = batch(dtype=torch.uint8)
    before = images.clone(), labels.clone()
    for seed in range(5):
        got, got_labels = build()(images, labels, generator(seed))
        assert torch.equal(got[:, 1].long() * SIDE + got[:, 2].long(), got_labels)
        assert torch.equal(got[:, 0], images[:, 0])
        assert (got.dtype, got_labels.dtype) == (torch.uint8, torch.int64)
    assert torch.equal(images, before[0])
    assert torch.equal(labels, before[1])


@pytest.mark.parametrize("build", [flip, rotate90])
def test_a_seed_decides_everything_and_each_call_draws_once_per_sample(build: Callable) -> None:
    images, labels = batch()
    torch.manual_seed(1)
    first = build()(images, labels, generator(3))
    torch.manual_seed(2)
    again = build()(images, labels, generator(3))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], build()(images, labels, generator(4))[0])
    # The draws of a batch begin with those of a smaller one: a sample's own draw does not depend on the rest.
    some = build()(images[:16], labels[:16], generator(3))
    assert torch.equal(some[0], first[0][:16])


def test_flip_never_and_always() -> None:
    images, labels = batch(height=3, width=5)
    assert torch.equal(flip(p=0.0)(images, labels, generator())[0], images)
    assert torch.equal(flip(p=1.0)(images, labels, generator())[1], labels.flip(-1))


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_a_p_that_is_no_probability_is_refused(p: float) -> None:
    with pytest.raises(BenchError, match="flip"):
        flip(p=p)


def test_rotate90_refuses_oblong_crops_and_names_a_size() -> None:
    images, labels = batch(height=4, width=6)
    with pytest.raises(BenchError, match=r"4 x 6.*crop_px: 4"):
        rotate90()(images, labels, generator())
