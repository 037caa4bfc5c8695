"""Scale, rotation and grid distortion, checked pixel by pixel against places worked out in double precision.

A ramp stays a ramp under bilinear reading, so an image that holds its own coordinates tells exactly where each pixel
was read, and the label of that place is the nearest one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest
import torch
from augment_batches import built, coordinates, generator
from torch import Tensor

from bench.augment.grid_distortion import distorted
from bench.augment.rotate import turned
from bench.augment.scale import scaled
from bench.augment.warp import pixels, warped
from bench.spec import IGNORE

HEIGHT, WIDTH = 21, 34
FIRST = 1000
"""Labels here are FIRST + row * WIDTH + column: exact in float32, and none is IGNORE."""


def sample() -> tuple[Tensor, Tensor]:
    image = coordinates(1, HEIGHT, WIDTH)[0]
    return image, (FIRST + torch.arange(HEIGHT * WIDTH)).view(HEIGHT, WIDTH)


def faults(change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], x: np.ndarray, y: np.ndarray) -> list[str]:
    """What is wrong with `change` if pixel (r, c) ought to come from column x[r, c] and row y[r, c]."""
    image, label = (part.numpy().astype(np.float64) for part in change(*sample()))
    far = np.minimum.reduce([np.abs(x + 0.5), np.abs(y + 0.5), np.abs(WIDTH - 0.5 - x), np.abs(HEIGHT - 0.5 - y)])
    sure = far > 1e-3
    inside = (x > -0.5) & (x < WIDTH - 0.5) & (y > -0.5) & (y < HEIGHT - 0.5)
    found = []
    if (image[:, sure & ~inside] != 0).any():
        found.append("fill")
    if (label[sure & ~inside] != IGNORE).any() or (label[sure & inside] == IGNORE).any():
        found.append("void")
    for what, got, wanted, side in (("row", image[1] - 1, y, HEIGHT), ("column", image[2] - 1, x, WIDTH)):
        if np.abs(got - np.clip(wanted, 0, side - 1))[sure & inside].max() > 1e-3:
            found.append(what)
    clear = sure & inside & (np.abs(x % 1 - 0.5) > 1e-3) & (np.abs(y % 1 - 0.5) > 1e-3)
    if (label != FIRST + np.rint(y) * WIDTH + np.rint(x))[clear].any():
        found.append("label")
    return found


ROW, COLUMN = (axis.astype(np.float64) for axis in np.indices((HEIGHT, WIDTH)))


@pytest.mark.parametrize("factor", [0.5, 0.77, 1.0, 1.25, 3.1])
@pytest.mark.parametrize("place", [(0.0, 0.0), (0.3, 0.9), (1.0, 1.0)])
def test_scaling_reads_where_it_should(factor: float, place: tuple[float, float]) -> None:
    left, top = place
    x = (COLUMN + 0.5 - left * WIDTH * (1 - factor)) / factor - 0.5
    y = (ROW + 0.5 - top * HEIGHT * (1 - factor)) / factor - 0.5
    assert faults(lambda image, label: scaled(image, label, factor, left, top), x, y) == []


@pytest.mark.parametrize("degrees", [-15.0, -3.0, 0.0, 7.5, 45.0, 90.0])
def test_turning_reads_where_it_should(degrees: float) -> None:
    right, down, angle = COLUMN - (WIDTH - 1) / 2, ROW - (HEIGHT - 1) / 2, math.radians(degrees)
    x = (WIDTH - 1) / 2 + right * math.cos(angle) - down * math.sin(angle)
    y = (HEIGHT - 1) / 2 + right * math.sin(angle) + down * math.cos(angle)
    assert faults(lambda image, label: turned(image, label, degrees), x, y) == []


def test_a_quarter_turn_is_the_exact_one() -> None:
    image, label = coordinates(1, 16, 16)[0], (FIRST + torch.arange(256)).view(16, 16)
    for quarters in range(4):
        got, told = turned(image, label, 90.0 * quarters)
        torch.testing.assert_close(got, image.rot90(quarters, (-2, -1)), rtol=0, atol=1e-4)
        assert torch.equal(told, label.rot90(quarters, (-2, -1)))
    assert not torch.equal(turned(image, label, 90.0)[1], label.rot90(-1, (-2, -1)))


@pytest.mark.parametrize("strips", [[1.0], [1.0, 1.0, 1.0], [0.7, 1.3, 1.0, 0.9, 1.2], [0.1, 1.9]])
def test_distorting_reads_where_it_should(strips: list[float]) -> None:
    def stretched(place: np.ndarray, side: int, parts: list[float]) -> np.ndarray:
        knots = np.concatenate([[0], np.cumsum(parts)]) / np.sum(parts) * side
        return np.interp(place + 0.5, np.linspace(0, side, len(parts) + 1), knots) - 0.5

    x, y = stretched(COLUMN, WIDTH, strips), stretched(ROW, HEIGHT, strips[::-1])
    assert faults(lambda image, label: distorted(image, label, strips, strips[::-1]), x, y) == []
    assert (distorted(*sample(), strips, strips)[1] != IGNORE).all()


def test_the_check_sees_what_is_usually_wrong() -> None:
    x = (COLUMN + 0.5) / 1.25 - 0.5
    y = (ROW + 0.5) / 1.25 - 0.5

    def right(image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return scaled(image, label, 1.25, 0.0, 0.0)

    def corners_aligned(image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        across, down = pixels(label)
        return warped(image, label, across / 1.25, down / 1.25)

    def label_left_behind(image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return right(image, label)[0], label

    def half_a_pixel_off(image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        across, down = pixels(label)
        return warped(image, label, (across + 0.5) / 1.25, (down + 0.5) / 1.25)

    def labels_mixed(image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return right(image, label)[0], right(label.expand(3, -1, -1).float(), label)[0][0].long()

    assert faults(right, x, y) == []
    assert faults(corners_aligned, x, y) == ["row", "column"]  # a tenth of a pixel: no label is another one
    assert faults(label_left_behind, x, y) == ["label"]
    assert faults(half_a_pixel_off, x, y) == ["row", "column", "label"]
    assert faults(labels_mixed, x, y) == ["label"]

    def smeared(image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        across, down = pixels(label)
        return warped(image, label, (across / 0.5).clamp(0, WIDTH - 1), (down / 0.5).clamp(0, HEIGHT - 1))

    assert {"fill", "void"} <= set(faults(smeared, COLUMN / 0.5, ROW / 0.5))


@pytest.mark.parametrize(
    ("name", "options"),
    [("scale", {"factor": [1.0, 1.0]}), ("rotate", {"degrees": 0.0}), ("grid_distortion", {"limit": 0.0})],
)
def test_no_strength_changes_nothing(name: str, options: dict) -> None:
    image, label = sample()
    got, told = built(name, p=1.0, **options)(image[None], label[None], generator())
    torch.testing.assert_close(got[0], image, rtol=0, atol=1e-4)
    assert torch.equal(told[0], label)
    changed = built(name, p=1.0)(image[None], label[None], generator())[1]
    assert not torch.equal(changed[0], label)  # the same part with its own strength


def test_void_inside_the_image_stays_void_and_keeps_its_pixels() -> None:
    image, label = sample()
    label[5:9, 5:9] = IGNORE
    got, told = turned(image, label, 4.0)
    assert (told == IGNORE).sum() > 16
    assert (got[:, told == IGNORE] != 0).any()


def drawn(name: str, measure: Callable[[Tensor], float], **options: object) -> list[float]:
    """`measure` of the coordinates that 300 samples end with."""
    images, labels = coordinates(30, 24, 24), torch.zeros(30, 24, 24, dtype=torch.int64)
    transform = built(name, p=1.0, **options)
    return [measure(image) for seed in range(10) for image in transform(images, labels, generator(seed))[0]]


def test_scales_and_angles_spread_evenly_over_their_range() -> None:
    def per_pixel(image: Tensor) -> float:  # columns read per pixel: 1 / factor
        return float(image[2, 12, 13] - image[2, 12, 12])

    def angle(image: Tensor) -> float:
        return math.degrees(math.atan2(image[1, 12, 13] - image[1, 12, 12], image[2, 12, 13] - image[2, 12, 12]))

    factors = [1 / d for d in drawn("scale", per_pixel, factor=[1.0, 1.5])]
    assert 1.0 - 1e-3 <= min(factors) < 1.02 < 1.48 < max(factors) <= 1.5 + 1e-3
    assert abs(statistics.mean(factors) - 1.25) < 0.03
    angles = drawn("rotate", angle, degrees=15.0)
    assert -15.01 < min(angles) < -14 < 14 < max(angles) < 15.01
    assert abs(statistics.mean(angles)) < 1.5


def test_places_of_a_shrunk_image_spread_over_the_canvas() -> None:
    def first_column(image: Tensor) -> float:
        return float(image[0].any(0).nonzero().min())

    starts = drawn("scale", first_column, factor=[0.5, 0.5])
    assert (min(starts), max(starts)) == (0, 12)
    assert abs(statistics.mean(starts) - 6) < 0.7
