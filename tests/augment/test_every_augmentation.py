"""What every augmentation of the table promises, whatever it does."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import pytest
import torch
from augment_batches import built, coordinates, every, generator, patches, photos
from torch import Tensor

from bench import names
from bench.augment.blur import blurred
from bench.augment.samples import other, uniforms, within
from bench.spec import IGNORE, BenchError

COLOURS = {"blur", "color_jitter", "gamma", "grayscale", "haze"}
MIXING = {"class_mix", "copy_blob", "cutmix", "mosaic"}
CHANCY = [name for name in every() if "p" in names.options("augment", name)]


def batch(count: int = 5, side: int = 24) -> tuple[Tensor, Tensor]:
    return photos(count, side, side), patches(count, side, side)


def same(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def depends_on_global_state(transform: Callable) -> bool:
    torch.manual_seed(1)
    first = transform(*batch(), generator(3))
    torch.manual_seed(2)
    return not same(first, transform(*batch(), generator(3)))


@pytest.mark.parametrize("name", every())
def test_its_generator_decides_everything(name: str) -> None:
    transform = built(name)
    assert not depends_on_global_state(transform)
    assert any(not same(transform(*batch(), generator(3)), transform(*batch(), generator(s))) for s in range(4, 24))


def test_the_check_sees_global_draws() -> None:
    assert depends_on_global_state(lambda images, labels, _: (images + torch.randn(()), labels))


@pytest.mark.parametrize("name", sorted(set(every()) - MIXING))
def test_a_sample_does_not_depend_on_those_that_follow(name: str) -> None:
    images, labels = batch()
    whole, part = built(name)(images, labels, generator(1)), built(name)(images[:3], labels[:3], generator(1))
    assert same((whole[0][:3], whole[1][:3]), part)


@pytest.mark.parametrize("name", every())
def test_inputs_stay_untouched_and_shapes_and_types_stay(name: str) -> None:
    images, labels = batch()
    for seed in range(5):
        got, told = built(name)(images, labels, generator(seed))
        assert (got.shape, got.dtype, told.shape, told.dtype) == (
            images.shape,
            torch.float32,
            labels.shape,
            torch.int64,
        )
        assert got.isfinite().all()
    assert same((images, labels), batch())


@pytest.mark.parametrize("name", every())
def test_labels_are_those_there_were_or_void(name: str) -> None:
    images, labels = photos(5, 24, 24), patches(5, 24, 24) * 2  # odd codes would be mixtures or rounding
    labels[labels == 2 * IGNORE] = IGNORE
    options: dict[str, Any] = {"pairs": [[2, 0], [6, 4]]} if name == "copy_blob" else {}
    for seed in range(10):
        told = built(name, **options)(images, labels, generator(seed))[1]
        assert set(told.unique().tolist()) <= set(labels.unique().tolist()) | {IGNORE}
        assert name not in COLOURS or torch.equal(told, labels)


@pytest.mark.parametrize("name", CHANCY)
def test_p_is_the_share_of_changed_samples(name: str) -> None:
    images, labels = batch(8, 16)
    assert same(built(name, p=0.0)(images, labels, generator()), (images, labels))
    shares = {}
    for p in (0.25, 1.0):
        changed = []
        for seed in range(40):
            got, told = built(name, p=p)(images, labels, generator(seed))
            changed += ((got != images).flatten(1).any(1) | (told != labels).flatten(1).any(1)).tolist()
        shares[p] = statistics.mean(changed)
    # A box or a blob may miss, so the share of p = 1 is what p = 0.25 is compared with.
    assert shares[1.0] > 0.8
    if name != "copy_blob":  # it draws for each pair
        assert abs(shares[0.25] - 0.25 * shares[1.0]) < 0.1


@pytest.mark.parametrize("name", every())
def test_no_host_waits_for_a_device(name: str) -> None:
    """On meta tensors there is nothing to read, so whatever asked the device for a value fails here."""
    images, labels = torch.empty(4, 3, 24, 24, device="meta"), torch.empty(4, 24, 24, dtype=torch.int64, device="meta")
    for seed in range(4):
        got, told = built(name, **({"p": 1.0} if name in CHANCY else {}))(images, labels, generator(seed))
        assert (got.device.type, told.device.type) == ("meta", "meta")
        assert (got.shape, told.shape, told.dtype) == (images.shape, labels.shape, torch.int64)


def test_the_check_sees_a_host_that_waits() -> None:
    labels = torch.empty(4, 24, 24, dtype=torch.int64, device="meta")
    with pytest.raises((RuntimeError, NotImplementedError)):
        bool((labels == 1).any())


@pytest.mark.parametrize("name", every())
@pytest.mark.parametrize("shape", [(1, 24, 24), (2, 16, 40), (3, 40, 16), (2, 23, 31)], ids=str)
def test_batches_of_one_and_oblong_images_pass(name: str, shape: tuple[int, int, int]) -> None:
    if name == "rotate90" and shape[1] != shape[2]:
        pytest.skip("rotate90 refuses oblong images")
    images, labels = photos(*shape), patches(*shape)
    for seed in range(3):
        got, told = built(name)(images, labels, generator(seed))
        assert (got.shape, told.shape) == (images.shape, labels.shape)
        assert shape[0] > 1 or name not in MIXING or same((got, told), (images, labels))


@pytest.mark.parametrize("name", CHANCY)
@pytest.mark.parametrize("p", [-0.1, 1.1, float("inf")])
def test_a_p_that_is_no_probability_is_refused(name: str, p: float) -> None:
    with pytest.raises(BenchError, match=rf"p of {name} is .*probability") as caught:
        names.load(names.entry("augment", name).build)(
            **{"p": p, **({"pairs": ((1, 0),)} if name == "copy_blob" else {})}
        )
    assert caught.value.key == "augment.p"


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("blur", "sigma", (0.0, 1.0)),
        ("blur", "sigma", (2.0, 1.0)),
        ("color_jitter", "brightness", -0.1),
        ("color_jitter", "contrast", float("nan")),
        ("color_jitter", "saturation", -1.0),
        ("color_jitter", "hue", 0.6),
        ("copy_blob", "pairs", ()),
        ("copy_blob", "pairs", ((1, 1),)),
        ("copy_blob", "pairs", ((1, 255),)),
        ("copy_blob", "pairs", ((-1, 2),)),
        ("copy_blob", "max_share", 1.5),
        ("cutout", "holes", 0),
        ("cutout", "hole_px", 0),
        ("gamma", "exponent", (0.0, 1.0)),
        ("grid_distortion", "cells", 0),
        ("grid_distortion", "limit", 1.0),
        ("haze", "density", (0.2, 1.2)),
        ("haze", "light", -0.1),
        ("haze", "gradient", 2.0),
        ("mosaic", "centre", (-0.1, 0.5)),
        ("rotate", "degrees", 181.0),
        ("scale", "factor", (0.0, 1.0)),
        ("scale", "factor", (1.0, float("inf"))),
        ("scale", "factor", (1.5, 0.5)),
    ],
)
def test_an_option_out_of_range_is_refused_by_its_key(name: str, key: str, value: Any) -> None:
    build = names.load(names.entry("augment", name).build)
    needed = {"pairs": ((1, 0),)} if name == "copy_blob" else {}
    with pytest.raises(BenchError, match=name) as caught:
        build(**{**needed, key: value})
    assert caught.value.key == f"augment.{key}"
    assert caught.value.remedy
    assert callable(build(**needed))  # the same without the fault


def test_draws_are_uniform_and_others_are_never_oneself() -> None:
    rows = uniforms(generator(), 1000, 3)
    assert all(0 <= u < 1 for row in rows for u in row)
    assert abs(statistics.mean(row[1] for row in rows) - 0.5) < 0.03
    assert rows[:10] == uniforms(generator(), 10, 3)
    assert within(0.25, (2.0, 4.0)) == 2.5
    for samples in (2, 3, 4, 7):
        for i in range(samples):
            chosen = [other(u, i, samples) for u in torch.linspace(0, 0.999, 60).tolist()]
            assert set(chosen) == set(range(samples)) - {i}
            further = [other(0.6, i, samples, skip) for skip in range(samples - 1)]
            assert sorted(further) == sorted(set(range(samples)) - {i})


@pytest.mark.gpu
@pytest.mark.parametrize("name", every())
def test_a_card_gives_the_same_without_waiting(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    images, labels = batch()
    transform = built(name, **({"p": 1.0} if name in CHANCY else {}))
    there = images.cuda(), labels.cuda()
    transform(*there, generator(1))  # statistics are copied once
    torch.cuda.set_sync_debug_mode("error")
    try:
        got, told = transform(*there, generator(2))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    wanted, wanted_labels = transform(images, labels, generator(2))
    torch.testing.assert_close(got.cpu(), wanted, rtol=1e-4, atol=1e-4)
    assert (told.cpu() == wanted_labels).float().mean() > 0.999  # a coordinate midway between two pixels may round


def test_transforms_follow_one_another() -> None:
    """All of them in a row on one generator, as a run does: still labels and finite colours."""
    images, labels = batch()
    draws = generator(5)
    for name in every():
        images, labels = built(name)(images, labels, draws)
    assert images.isfinite().all()
    assert set(labels.unique().tolist()) <= {*range(6), IGNORE}


def test_a_tiny_image_is_blurred_too() -> None:
    assert blurred(coordinates(1, 2, 1)[0], 3.0).shape == (3, 2, 1)
