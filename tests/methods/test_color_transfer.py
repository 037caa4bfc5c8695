"""Colour transfer: every axis of the source has the target's mean and deviation, and nothing overflows."""

from __future__ import annotations

import pytest
import torch
from method_toys import built, toy_batch
from torch import Tensor

from bench.augment.colours import normalised
from bench.methods.color_transfer import LAB, LMS, axes, colours, recoloured


def photos(seed: int, low: float = 0.35, high: float = 0.65) -> Tensor:
    grey = torch.rand(2, 1, 24, 20, generator=torch.Generator().manual_seed(seed))
    tint = torch.rand(2, 3, 24, 20, generator=torch.Generator().manual_seed(seed + 1))
    return low + (high - low) * (0.8 * grey + 0.2 * tint)


def test_mean_and_deviation_of_every_axis_become_the_targets() -> None:
    source, target = photos(0), 0.7 * photos(10)
    found, wanted = axes(recoloured(source, target)), axes(target)
    torch.testing.assert_close(found.mean((2, 3)), wanted.mean((2, 3)), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.std((2, 3)), wanted.std((2, 3)), rtol=1e-3, atol=1e-5)
    assert not torch.allclose(axes(source).mean((2, 3)), wanted.mean((2, 3)), atol=1e-2)


def test_an_image_with_its_own_colours_stays() -> None:
    source = photos(0)
    torch.testing.assert_close(recoloured(source, source), source, rtol=0, atol=1e-5)
    torch.testing.assert_close(colours(axes(source)), source, rtol=0, atol=1e-5)


def test_the_axes_are_those_of_the_paper() -> None:
    grey = torch.full((1, 3, 2, 2), 0.5)
    light, alpha, beta = axes(grey)[0, :, 0, 0].tolist()
    cones = torch.tensor(LMS, dtype=torch.float64).sum(1) * 0.5
    wanted = (torch.tensor(LAB, dtype=torch.float64) @ cones.log10()).tolist()
    assert [light, alpha, beta] == pytest.approx(wanted, abs=1e-6)
    assert abs(alpha) < 0.01  # grey lies on the first axis, or almost: the rows of LMS do not quite add up to 1
    lab = torch.tensor(LAB, dtype=torch.float64)
    torch.testing.assert_close(lab @ lab.T, torch.eye(3, dtype=torch.float64))


def test_a_flat_image_takes_the_mean() -> None:
    flat = torch.full((2, 3, 24, 20), 0.5)
    target = photos(3)
    found = recoloured(flat, target)
    torch.testing.assert_close(axes(found).mean((2, 3)), axes(target).mean((2, 3)), rtol=0, atol=1e-4)
    assert found.std((2, 3)).max() < 1e-3


@pytest.mark.parametrize("flip", [False, True])
def test_one_pixel_far_off_stays_finite(flip: bool) -> None:
    source = torch.zeros(1, 3, 256, 256)
    source[..., 0, 0] = 1
    target = torch.zeros(1, 3, 256, 256)
    target[..., ::2] = 1
    found = recoloured(1 - source, target) if flip else recoloured(source, target)
    assert found.isfinite().all()
    spread = (axes(source)[..., 0, 0] - axes(source).mean((2, 3))) / axes(source).std((2, 3)).clamp(min=1e-4)
    assert (spread * axes(target).std((2, 3))).abs().max() > 39  # 10 to that power overflows without the bound


def test_strength_mixes_with_the_image_as_it_was() -> None:
    batch = toy_batch(0)
    whole = built("color_transfer").prepare(batch).images
    half = built("color_transfer", strength=0.5).prepare(batch).images
    torch.testing.assert_close(half, (batch.images + whole) / 2)
    assert torch.equal(built("color_transfer", strength=0.0).prepare(batch).images, batch.images)
    black = normalised(torch.zeros(1, 3, 1, 1))
    assert (whole >= black - 1e-6).all()
