"""Colour changes beside torchvision's, and what they leave alone."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import pytest
import torch
import torchvision.transforms.v2.functional as peer
from augment_batches import built, generator, patches, photos
from torch import Tensor

from bench import batches
from bench.augment import colours
from bench.augment.blur import blurred
from bench.augment.color_jitter import brighter, contrasted, hue_turned, saturated
from bench.augment.colours import grey, normalised, shown
from bench.augment.haze import hazy

PHOTO = shown(photos(1, 40, 56)[0])
"""RGB in [0, 1] with grey, saturated and mixed pixels."""


def test_the_statistics_are_those_of_the_batches() -> None:
    assert (colours.MEAN, colours.STD) == (batches.MEAN, batches.STD)
    pixels = torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8, generator=generator())
    torch.testing.assert_close(shown(batches.normalise(pixels)), pixels / 255, rtol=0, atol=1e-6)
    torch.testing.assert_close(normalised(pixels / 255), batches.normalise(pixels), rtol=0, atol=1e-5)
    assert not torch.allclose(normalised(pixels.flip(1) / 255), batches.normalise(pixels).flip(1), atol=1e-2)


def far(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max())


STEPS = [
    (brighter, peer.adjust_brightness, [0.0, 0.8, 1.0, 1.2, 2.5]),
    (contrasted, peer.adjust_contrast, [0.0, 0.8, 1.0, 1.2, 2.5]),
    (saturated, peer.adjust_saturation, [0.0, 0.8, 1.0, 1.2, 2.5]),
    (hue_turned, peer.adjust_hue, [-0.5, -0.1, -0.03, 0.0, 0.07, 0.1, 0.5]),
]


@pytest.mark.parametrize(("step", "theirs", "strengths"), STEPS, ids=[s[0].__name__ for s in STEPS])
def test_a_step_of_the_jitter_is_torchvisions(step: Callable, theirs: Callable, strengths: list[float]) -> None:
    for strength in strengths:
        assert far(step(PHOTO.clone(), strength), theirs(PHOTO, strength)) < 2e-6
    # The check tells neighbouring strengths apart.
    assert far(step(PHOTO.clone(), strengths[1] + 0.01), theirs(PHOTO, strengths[1])) > 1e-3


def test_the_hue_of_greys_and_corners_of_the_cube() -> None:
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 0.5, 1.0])] * 3).T.reshape(3, 3, 9)
    for turn in torch.linspace(-0.5, 0.5, 25).tolist():
        assert far(hue_turned(corners, turn), peer.adjust_hue(corners, turn)) < 2e-6


def test_grey_and_gamma_are_torchvisions() -> None:
    images, labels = photos(2, 16, 16), patches(2, 16, 16)
    wanted = peer.rgb_to_grayscale(shown(images), num_output_channels=3)
    assert far(shown(built("grayscale", p=1.0)(images, labels, generator())[0]), wanted) < 2e-6
    assert far(grey(PHOTO), peer.rgb_to_grayscale(PHOTO, num_output_channels=1)) < 1e-6
    for exponent in (0.5, 1.0, 1.7):
        bent = built("gamma", p=1.0, exponent=[exponent, exponent])(images, labels, generator())[0]
        assert far(shown(bent), peer.adjust_gamma(shown(images), exponent)) < 3e-6
    assert far(shown(bent), peer.adjust_gamma(shown(images), 1.6)) > 1e-3


@pytest.mark.parametrize("sigma", [0.15, 0.5, 1.15, 2.0])
def test_the_blur_is_torchvisions(sigma: float) -> None:
    same_kernel = 2 * -int(-4 * sigma // 1) + 1
    assert far(blurred(PHOTO, sigma), peer.gaussian_blur(PHOTO, [same_kernel] * 2, [sigma] * 2)) < 2e-6
    longer = peer.gaussian_blur(PHOTO, [39, 39], [sigma] * 2)  # longer kernels, as DACS has, are no different
    assert far(blurred(PHOTO, sigma), longer) < 3e-4
    assert sigma < 0.3 or far(blurred(PHOTO, sigma * 1.05), longer) > 1e-3


def test_the_jitter_is_its_steps_in_a_random_order() -> None:
    images, labels = photos(1, 12, 12), patches(1, 12, 12)
    orders = set()
    for seed in range(60):
        _, *draws = torch.rand(9, generator=generator(seed), dtype=torch.float64).tolist()
        order = tuple(sorted(range(4), key=draws[4:].__getitem__))
        orders.add(order)
        if seed < 12:
            wanted = shown(images[0])
            for k in order:
                wanted = STEPS[k][1](wanted, 0.8 + 0.4 * draws[k] if k < 3 else 0.2 * draws[k] - 0.1)
            got = shown(built("color_jitter", p=1.0)(images, labels, generator(seed))[0][0])
            assert far(got, wanted) < 1e-5
    assert len(orders) > 20


NOTHING = {
    "blur": {"sigma": [0.05, 0.05]},
    "color_jitter": {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0},
    "gamma": {"exponent": [1.0, 1.0]},
    "haze": {"density": [0.0, 0.0]},
}


@pytest.mark.parametrize("name", NOTHING)
def test_no_strength_changes_nothing(name: str) -> None:
    images, labels = photos(3, 16, 16), patches(3, 16, 16)
    assert far(built(name, p=1.0, **NOTHING[name])(images, labels, generator())[0], images) < 1e-5
    assert far(built(name, p=1.0)(images, labels, generator())[0], images) > 1e-2


def test_fog_blends_with_its_light() -> None:
    image = normalised(PHOTO.clone())
    for density in (0.0, 0.3, 1.0):
        wanted = PHOTO * (1 - density) + 0.85 * density
        assert far(shown(hazy(image, density, 0.85, 0.0)), wanted) < 1e-5
    thinning = shown(hazy(image, 0.8, 0.85, 1.0))
    assert far(thinning[:, -1], PHOTO[:, -1]) < 1e-5
    assert far(thinning[:, 0], PHOTO[:, 0] * 0.2 + 0.85 * 0.8) < 1e-5
    assert far(shown(hazy(image, 0.8, 0.85, 0.5))[:, -1], PHOTO[:, -1] * 0.6 + 0.85 * 0.4) < 1e-5


def test_strengths_spread_evenly_over_their_range() -> None:
    images, labels = normalised(torch.full((40, 3, 2, 2), 0.5)), torch.zeros(40, 2, 2, dtype=torch.int64)

    def values(name: str, **options: object) -> list[float]:
        transform = built(name, p=1.0, **options)
        return [float(v) for s in range(10) for v in shown(transform(images, labels, generator(s))[0])[:, 0, 0, 0]]

    only = {"contrast": 0.0, "saturation": 0.0, "hue": 0.0}
    for found, low, high in (
        (values("color_jitter", brightness=0.4, **only), 0.3, 0.7),
        (values("haze", density=[0.2, 0.6], light=1.0), 0.6, 0.8),
    ):
        assert low - 1e-4 <= min(found) < low + 0.02
        assert high - 0.02 < max(found) <= high + 1e-4
        assert abs(statistics.mean(found) - (low + high) / 2) < 0.04 * (high - low) + 0.005
