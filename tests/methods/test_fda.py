"""FDA: amplitudes of the window are the target's, all else is the source's, and the image is real."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from method_toys import built, running, setting, toy_batch
from torch import Tensor

from bench.augment.colours import shown
from bench.methods.fda import reach, robust_entropy, transferred


def photos(seed: int, size: tuple[int, int] = (18, 24)) -> Tensor:
    """RGB in [0, 1], float64."""
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_published_reaches() -> None:
    table = {
        (360, 480): [3, 18, 32],
        (512, 1024): [5, 25, 46],
        (1024, 2048): [10, 51, 92],
        (64, 64): [0, 3, 5],
    }
    for size, wanted in table.items():
        assert [reach(size, beta) for beta in (0.01, 0.05, 0.09)] == wanted


def swapped_in_full(source: Tensor, target: Tensor, first: int, last: int) -> np.ndarray:
    """The paper's formula on whole spectra: frequencies `first` .. `last` from the target; complex."""
    own, lent = (np.fft.fft2(images.numpy()) for images in (source, target))
    amplitude = np.abs(own)
    rows, columns = (np.fft.fftfreq(side, 1 / side).round() for side in own.shape[-2:])
    window = ((rows >= first) & (rows <= last))[:, None] & ((columns >= first) & (columns <= last))[None, :]
    amplitude[..., window] = np.abs(lent)[..., window]
    return np.fft.ifft2(amplitude * np.exp(1j * np.angle(own)))


@pytest.mark.parametrize("size", [(18, 24), (17, 23), (16, 16), (8, 9)])
@pytest.mark.parametrize("beta", [0.0, 0.1, 0.2, 0.45])
def test_it_is_the_formula_over_a_window_that_keeps_images_real(size: tuple[int, int], beta: float) -> None:
    source, target = photos(0, size), photos(1, size)
    b = reach(size, beta)
    wanted = swapped_in_full(source, target, -b, b)
    assert np.abs(wanted.imag).max() < 1e-12
    np.testing.assert_allclose(transferred(source, target, beta).numpy(), wanted.real, atol=1e-12)


def test_one_published_window_leaves_an_imaginary_part() -> None:
    uneven = swapped_in_full(photos(0), photos(1), -3, 2)
    assert np.abs(uneven.imag).max() > 1e-3


@pytest.mark.parametrize("beta", [0.0, 0.01, 0.09, 0.5])
def test_mean_colours_become_the_targets_and_phases_stay(beta: float) -> None:
    source, target = photos(0), 0.5 * photos(1)
    changed = transferred(source, target, beta)
    torch.testing.assert_close(changed.mean((2, 3)), target.mean((2, 3)), rtol=1e-12, atol=1e-12)
    old, new = torch.fft.rfft2(source), torch.fft.rfft2(changed)
    turn = torch.angle(new * old.conj())
    assert turn.abs()[old.abs() > 1e-6].max() < 1e-6


def test_without_reach_only_the_mean_moves() -> None:
    source, target = photos(0), photos(1)
    shift = transferred(source, target, 0.01) - source
    wanted = (target - source).mean((2, 3), keepdim=True)
    torch.testing.assert_close(shift, wanted.expand_as(shift))
    assert not torch.allclose(transferred(source, target, 0.1) - source, shift)


def test_an_image_lends_itself_nothing_new() -> None:
    source = photos(0)
    torch.testing.assert_close(transferred(source, source, 0.3), source)


def test_a_target_of_another_size_lends_its_mean() -> None:
    source, target = photos(0), photos(1, (9, 12))
    changed = transferred(source, target, 0.0)
    assert changed.shape == source.shape
    torch.testing.assert_close(changed.mean((2, 3)), target.mean((2, 3)), rtol=0.02, atol=0)


def test_batches_come_out_as_colours_a_camera_can_show_and_labels_stay() -> None:
    method, batch = built("fda", beta=0.2), toy_batch(0)
    before = batch.images.clone()
    changed = method.prepare(batch)
    assert torch.equal(batch.images, before)
    assert changed.labels is batch.labels
    assert changed.target_images is batch.target_images
    colours = shown(changed.images)
    assert colours.min() >= 0
    assert colours.max() <= 1
    assert not torch.allclose(changed.images, before)


def test_bands_take_turns() -> None:
    method, single = built("fda", beta=[0.1, 0.3]), built("fda", beta=0.3)
    batch = toy_batch(1)
    assert torch.equal(method.prepare(batch).images, single.prepare(batch).images)
    first = toy_batch(2)
    assert not torch.equal(method.prepare(first).images, single.prepare(first).images)


def test_robust_entropy_between_certain_and_undecided() -> None:
    flat, sure = torch.zeros(2, 7, 3, 3), torch.zeros(2, 7, 3, 3)
    sure[:, 0] = 1e4
    assert robust_entropy(flat, 2.0).item() == pytest.approx(1, rel=1e-6)
    assert robust_entropy(sure, 2.0).item() == pytest.approx(1e-16)
    half = torch.tensor([0.0, 0.0, -1e4]).view(1, 3, 1, 1)
    share = math.log(2) / math.log(3)
    assert robust_entropy(half, 2.0).item() == pytest.approx((share**2 + 1e-8) ** 2)
    assert robust_entropy(half, 0.5).item() == pytest.approx(share)


def test_entropy_begins_when_it_is_told() -> None:
    losses = running("fda", entropy_weight=0.005, entropy_start=0.4).go()
    assert [value is None for value in losses["entropy"]] == [True] * 4 + [False] * 6
    assert "entropy" not in running("fda").go(10)
    method = built("fda", entropy_weight=0.005)
    method.attach(running("fda").model, setting())
    assert method.first == 5  # 50,000 of 100,000 steps
