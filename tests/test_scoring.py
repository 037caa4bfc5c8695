"""How an image is looked at: windows, mirror images and scales against the plain way of averaging whole logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.overrides import TorchFunctionMode

from bench.evaluate.counting import evaluate, predict
from bench.evaluate.sliding import sliding
from bench.evaluate.views import views
from bench.evaluate.whole import whole
from bench.models.segmodel import SegModel
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.evaluate import Scoring

CLASSES = 5


class Net(SegModel):
    """A network whose logits have a `stride`-th of the sides and depend on the surroundings."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, CLASSES, 5, stride=stride, padding=2)
        self.sizes: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        self.sizes.append(tuple(images.shape))
        return {"out": self.conv(images)}


def pictures(size: tuple[int, int], number: int = 2) -> Tensor:
    return torch.randn(number, 3, *size, generator=torch.Generator().manual_seed(1))


def upsampled(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(logits, size, mode="bilinear", align_corners=False)


def starts(whole: int, part: int, stride: int) -> list[int]:
    return sorted({min(start, whole - part) for start in range(0, whole, stride)})


@torch.no_grad()
def averaged(net: Net, images: Tensor, window: tuple[int, int], stride: tuple[int, int], ratio: int = 1) -> Tensor:
    """Full-size logits of every window, added where it lies and divided by how many lie there."""
    height, width = images.shape[-2:]
    part = min(window[0], height), min(window[1], width)
    total = torch.zeros(len(images), CLASSES, height * ratio, width * ratio)
    times = torch.zeros(height * ratio, width * ratio)
    for top in starts(height, part[0], stride[0]):
        for left in starts(width, part[1], stride[1]):
            rows = slice(top * ratio, (top + part[0]) * ratio)
            columns = slice(left * ratio, (left + part[1]) * ratio)
            logits = net(images[:, :, top : top + part[0], left : left + part[1]])["out"]
            total[:, :, rows, columns] += upsampled(logits, (part[0] * ratio, part[1] * ratio))
            times[rows, columns] += 1
    assert times.min() > 0
    return total / times


def check(found: Tensor, logits: Tensor) -> None:
    """The winners of `logits`, but where the two best are within rounding."""
    behind = logits.max(1).values - logits.gather(1, found[:, None].long())[:, 0]
    assert behind.max() <= 1e-5


@pytest.mark.parametrize("net_stride", [1, 4])
@pytest.mark.parametrize(
    ("size", "window", "stride"),
    [
        ((64, 64), (32, 32), (16, 16)),
        ((37, 53), (16, 24), (10, 24)),
        ((20, 90), (32, 32), (32, 8)),
        ((90, 20), (32, 32), (7, 32)),
    ],
)
def test_windows_average_wherever_they_overlap(
    net_stride: int, size: tuple[int, int], window: tuple[int, int], stride: tuple[int, int]
) -> None:
    net, images = Net(net_stride), pictures(size)
    found = predict(net, images, size, sliding(window_px=window, stride_px=stride))
    want = averaged(net, images, window, stride)
    check(found, want)
    if net_stride == 4:
        with pytest.raises(AssertionError):  # the check sees the fault of scoring each window for itself
            check(found, averaged(net, images, window, window))


def test_windows_of_images_smaller_than_their_labels() -> None:
    net, images = Net(4), pictures((48, 40))
    found = predict(net, images, (144, 120), sliding(window_px=(24, 24), stride_px=(12, 8)))
    check(found, averaged(net, images, (24, 24), (12, 8), ratio=3))


@pytest.mark.parametrize("size", [(31, 45), (100, 77), (48, 40)])
def test_windows_fit_labels_of_any_size(size: tuple[int, int]) -> None:
    """Logits that are a slope over the image stay one, whatever the windows: no seam, no gap, no shift."""

    def forward(images: Tensor) -> Tensor:
        return torch.stack([images[:, 0], images[:, 1]], 1)

    slope = torch.linspace(-1, 1, 48)[:, None] + torch.linspace(-0.4, 0.5, 40)
    image = torch.stack([slope, torch.zeros_like(slope), slope])[None]
    (want,) = whole()(forward, image, size)
    (found,) = sliding(window_px=(20, 16), stride_px=(9, 5))(forward, image, size)
    edge = upsampled(slope[None, None], size)[0, 0].abs() < 0.06  # windows clamp at their own borders
    assert torch.equal(found[~edge], want[~edge])
    assert edge.float().mean() < 0.2


def test_one_window_is_the_whole() -> None:
    net, images = Net(4), pictures((40, 56))
    labels = torch.randint(CLASSES, (2, 40, 56), dtype=torch.uint8)
    want = evaluate(net, [(images, labels)], CLASSES)
    assert torch.equal(evaluate(net, [(images, labels)], CLASSES, sliding()), want)
    assert torch.equal(evaluate(net, [(images, labels)], CLASSES, whole()), want)
    assert not torch.equal(
        evaluate(net, [(images, labels)], CLASSES, sliding(window_px=(16, 16), stride_px=(8, 8))), want
    )


def test_windows_pass_in_bounded_numbers_whatever_the_batch() -> None:
    net = Net(4)
    predict(net, pictures((32, 200), number=3), (32, 200), sliding(window_px=(32, 32), stride_px=(8, 8)))
    assert {size[-2:] for size in net.sizes} == {(32, 32)}
    assert [size[0] for size in net.sizes] == [8, 8, 6] * 3


class Largest(TorchFunctionMode):
    """The most elements of any tensor that an operation gave."""

    elements = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(tensor, Tensor):
                self.elements = max(self.elements, tensor.numel())
        return out


def test_memory_is_that_of_one_row_of_windows() -> None:
    net, image = Net(4), pictures((640, 64), number=1)
    with Largest() as ours:
        predict(net, image, (640, 64), sliding(window_px=(32, 32), stride_px=(16, 16)))
    with Largest() as plain:
        averaged(net, image, (32, 32), (16, 16))
    assert ours.elements <= max(CLASSES * 32 * 64, image.numel(), 640 * 64)
    assert plain.elements == CLASSES * 640 * 64


@torch.no_grad()
def both_ways(net: Net, images: Tensor) -> Tensor:
    return net(images)["out"] + net(images.flip(-1))["out"].flip(-1)


@pytest.mark.parametrize(
    ("scoring", "scales"),
    [(views(), (1.0,)), (views(scales=(0.5, 1.0, 1.5)), (0.5, 1.0, 1.5)), (sliding(flips=True), (1.0,))],
    ids=["flips", "flips and scales", "one window with flips"],
)
def test_views_average_at_label_resolution(scoring: Scoring, scales: tuple[float, ...]) -> None:
    net, images, size = Net(4), pictures((40, 56)), (80, 112)

    def seen(image_scale: float) -> Tensor:
        sides = [round(side * image_scale) for side in images.shape[-2:]]
        return images if image_scale == 1 else interpolate(images, sides, mode="bilinear", antialias=True)

    want = sum(upsampled(both_ways(net, seen(scale)), size) for scale in scales)
    assert isinstance(want, Tensor)
    found = predict(net, images, size, scoring)
    check(found, want)
    with torch.no_grad(), pytest.raises(AssertionError):
        check(found, upsampled(net(images)["out"], size))


def test_windows_are_mirrored_one_by_one() -> None:
    net, images = Net(4), pictures((64, 64))
    found = predict(net, images, (64, 64), sliding(window_px=(32, 32), stride_px=(16, 16), flips=True))
    there = averaged(net, images, (32, 32), (16, 16))
    back = averaged(net, images.flip(-1), (32, 32), (16, 16)).flip(-1)
    check(found, (there + back) / 2)


def test_a_single_view_is_the_whole() -> None:
    net, images = Net(4), pictures((40, 56))
    assert torch.equal(predict(net, images, (40, 56), views(flips=False)), predict(net, images, (40, 56)))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: sliding(stride_px=(513, 100)), r"scoring\.stride_px: a stride of 513 does not fit windows of 512"),
        (lambda: sliding(window_px=(64, 0), stride_px=(64, 0)), r"a stride of 0 does not fit windows of 0 \(width\)"),
        (lambda: views(scales=()), r"scoring\.scales: \[\] is out of range"),
        (lambda: views(scales=(1.0, 0.0)), r"\[1\.0, 0\.0\] is out of range"),
    ],
)
def test_what_cannot_work_is_told(build: Callable[[], Scoring], words: str) -> None:
    with pytest.raises(BenchError, match=words):
        build()
