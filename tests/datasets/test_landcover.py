"""landcover: the same tiles everywhere, every class, honest dials, and no number that a platform could change."""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import bench.datasets
from bench import names
from bench.datasets.landcover import GENERATOR, INFO, landcover
from bench.spec import IGNORE, BenchError, Component

GOLDEN = {
    "urban": "9bee39a8c6125ea7ecd310f545e360a8830683c868e96d03e9b987004c1e07fa",
    "rural": "588936c25f307aaa2156437c44f706bea84f9e6b4e8fbd079b229609fc3587c2",
}
"""sha256 of image and label bytes of train tile 3 by generator 1; seen alike with numpy 1.26 and 2.4."""


def fingerprint(image: np.ndarray, labels: np.ndarray) -> str:
    return hashlib.sha256(image.tobytes() + labels.tobytes()).hexdigest()


@pytest.mark.parametrize("domain", INFO.domains)
def test_pinned_tiles(domain):
    assert GENERATOR == 1
    assert fingerprint(*landcover(None, domain, "train").read(3)) == GOLDEN[domain]
    assert fingerprint(*landcover(None, domain, "train", seed=1).read(3)) != GOLDEN[domain]  # control


def test_a_tile_depends_on_its_number_alone():
    dataset = landcover(None, "rural", "val", tile_px=48)
    forward = [fingerprint(*dataset.read(i)) for i in range(6)]
    np.random.default_rng(0).random()
    backward = [fingerprint(*landcover(None, "rural", "val", tile_px=48).read(i)) for i in reversed(range(6))]
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda i: fingerprint(*dataset.read(i)), range(6)))
    assert forward == backward[::-1] == together
    assert len(set(forward)) == 6


def test_domains_splits_and_seeds_are_different_tiles():
    kinds = [(d, s, seed) for d in INFO.domains for s in ("train", "val", "test") for seed in (0, 1, 2**32 - 1)]
    seen = {fingerprint(*landcover(None, d, s, tile_px=32, seed=seed).read(0)) for d, s, seed in kinds}
    assert len(seen) == len(kinds)


def test_more_tiles_change_no_tile():
    few, many = (landcover(None, "urban", "train", tile_px=32, train_tiles=n) for n in (2, 5000))
    assert fingerprint(*few.read(1)) == fingerprint(*many.read(1))
    assert (len(few), len(many)) == (2, 5000)
    with pytest.raises(IndexError):
        few.read(2)


def test_target_is_train_without_labels():
    train, target = (landcover(None, "rural", split, tile_px=32) for split in ("train", "target"))
    for index in range(3):
        assert (train.read(index)[0] == target.read(index)[0]).all()
        assert (target.read(index)[1] == IGNORE).all()
        assert not (train.read(index)[1] == IGNORE).all()  # control
        assert train.image_name(index) == target.image_name(index)
    assert train.digest() != target.digest()


@pytest.mark.parametrize("px", [32, 33, 100, 256, 257, 1024])
def test_any_size(px):
    image, labels = landcover(None, "urban", "test", tile_px=px).read(0)
    assert image.shape == (px, px, 3)
    assert labels.shape == (px, px)
    assert image.dtype == labels.dtype == np.uint8
    assert image.flags.c_contiguous
    assert set(np.unique(labels)) <= {*range(7), IGNORE}
    assert image.std() > 10


def test_every_size_shows_the_same_ground():
    fine, coarse, other = (
        landcover(None, "rural", "train", tile_px=px).read(i)[1] for px, i in ((256, 0), (128, 0), (128, 1))
    )
    agree = (fine[::2, ::2] == coarse).mean()
    assert agree > 0.85
    assert (fine[::2, ::2] == other).mean() < 0.6  # control


@pytest.mark.parametrize("domain", INFO.domains)
def test_no_data_is_black_and_ignored_and_nothing_else_is(domain):
    dataset = landcover(None, domain, "train", tile_px=32)
    gone = 0
    for index in range(60):
        image, labels = dataset.read(index)
        missing = labels == IGNORE
        gone += int(missing.any())
        assert (image[missing] == 0).all()
        assert (image[~missing].max(axis=1) > 0).mean() > 0.99
        assert missing.mean() < 0.5
    assert 1 <= gone <= 20


# ------------------------------------------------------------------ dials


class Measured(NamedTuple):
    """Of one domain: share, mean colour and length of border per pixel of each class, and the mean colour of all."""

    shares: np.ndarray
    colours: np.ndarray
    borders: np.ndarray
    mean: np.ndarray


@functools.cache
def measured(domain: str, appearance: float, label_shift: float, layout: float) -> Measured:
    dials = {"appearance": appearance, "label_shift": label_shift, "layout": layout}
    dataset = landcover(None, domain, "train", tile_px=64, train_tiles=100, **dials)
    pixels, borders, colours = np.zeros(256), np.zeros(256), np.zeros((256, 3))
    for index in range(len(dataset)):
        image, labels = dataset.read(index)
        pixels += np.bincount(labels.ravel(), minlength=256)
        borders += np.bincount(labels[:, 1:][labels[:, 1:] != labels[:, :-1]], minlength=256)
        for channel in range(3):
            colours[:, channel] += np.bincount(labels.ravel(), image[..., channel].ravel(), 256)
    pixels, borders, colours = pixels[:7], borders[:7], colours[:7]
    return Measured(pixels / pixels.sum(), colours / pixels[:, None], borders / pixels, colours.sum(0) / pixels.sum())


def both(appearance: float, label_shift: float, layout: float) -> tuple[Measured, Measured]:
    urban, rural = (measured(domain, appearance, label_shift, layout) for domain in INFO.domains)
    return urban, rural


def test_every_class_occurs_in_both_domains():
    for domain in INFO.domains:
        assert measured(domain, 0, 1, 1).shares.min() > 0.02


def test_domains_are_town_and_country():
    urban, rural = both(0, 1, 1)
    share = dict(zip(INFO.class_names, urban.shares - rural.shares, strict=True))
    assert share["building"] > 0.1
    assert share["road"] > 0.05
    assert share["agriculture"] < -0.2
    assert share["forest"] < -0.05


def test_appearance():
    alike, apart = both(0, 0, 0), both(1, 0, 0)
    assert np.abs(alike[0].mean - alike[1].mean).max() < 4
    assert np.abs(apart[0].mean - apart[1].mean).max() > 20
    assert np.allclose(apart[0].shares, alike[0].shares)  # colours moved, the ground did not
    soft = (-2, -1)  # classes whose make does not depend on the layout: forest, agriculture
    shifted = both(0, 1, 1)
    assert np.abs(shifted[0].colours[soft, :] - shifted[1].colours[soft, :]).max() < 8


def test_label_shift():
    for alike in (both(0, 0, 0), both(0, 0, 1)):  # whatever the layout
        assert np.abs(alike[0].shares - alike[1].shares).max() < 0.04
    apart = both(0, 1, 1)
    assert np.abs(apart[0].shares - apart[1].shares).max() > 0.25


def test_layout():
    building = INFO.class_names.index("building")
    alike, apart = both(0, 0, 0), both(0, 0, 1)
    ratio = [pair[1].borders[building] / pair[0].borders[building] for pair in (alike, apart)]
    assert ratio[0] == pytest.approx(1, abs=0.08)
    assert ratio[1] > 1.25  # country houses are smaller, and so have more border


@pytest.mark.parametrize("dial", ["appearance", "label_shift", "layout"])
def test_a_dial_moves_by_degrees(dial):
    tiles = [landcover(None, "urban", "train", tile_px=64, **{dial: value}).read(1) for value in (0.0, 0.5, 1.0)]
    assert len({fingerprint(*tile) for tile in tiles}) == 3


# ------------------------------------------------------------------ options and digest


@pytest.mark.parametrize(
    ("key", "bad", "good"),
    [
        ("appearance", 1.01, 1.0),
        ("label_shift", -0.01, 0.0),
        ("layout", float("nan"), 0.5),
        ("tile_px", 31, 32),
        ("tile_px", 1025, 1024),
        ("train_tiles", 0, 1),
        ("val_tiles", -1, 1),
        ("test_tiles", 0, 1),
        ("seed", -1, 0),
        ("seed", 2**32, 2**32 - 1),
    ],
)
def test_options_out_of_range_are_named(key, bad, good):
    landcover(None, "urban", "train", **{key: good})
    with pytest.raises(BenchError) as caught:
        landcover(None, "urban", "train", **{key: bad})
    assert caught.value.key == key


def test_digest_names_everything_that_decides_a_tile():
    first = landcover(None, "urban", "train")
    assert first.digest() == landcover(Path("anywhere"), "urban", "train").digest()
    changes = {
        "domain": "rural",
        "split": "val",
        "tile_px": 128,
        "seed": 1,
        "appearance": 0.5,
        "label_shift": 0.5,
        "layout": 0.5,
        "tiles": 9,
    }
    assert set(changes) == {field.name for field in dataclasses.fields(first)} - {"info"}
    digests = {dataclasses.replace(first, **{key: value}).digest() for key, value in changes.items()}
    assert len(digests | {first.digest()}) == len(changes) + 1


def test_the_table_builds_it():
    component = Component(name="landcover", options={"tile_px": 32, "val_tiles": 3})
    dataset = names.build("dataset", component, None, "rural", "val")
    assert len(dataset) == 3
    assert names.dataset_info("landcover").synthetic
    with pytest.raises(BenchError, match="did you mean val"):
        names.build("dataset", component, None, "rural", "valid")


# ------------------------------------------------------------------ the promise

UNSTABLE = {"sin", "cos", "tan", "arctan2", "exp", "log", "power", "hypot"}
UNSTABLE |= {"sum", "mean", "std", "dot", "matmul", "einsum", "default_rng", "Generator"}
"""Functions of numpy whose last digit, order of summing or stream may differ between machines or versions."""


def unstable(source: str) -> set[str]:
    calls = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    operators = {"@" for node in ast.walk(ast.parse(source)) if isinstance(node, ast.MatMult)}
    return (calls & UNSTABLE) | operators


def test_the_generator_calls_nothing_that_a_platform_decides():
    room = Path(bench.datasets.__file__).parent
    files = sorted((room / "landcover").glob("*.py"))
    assert len(files) == 6
    for path in files:
        assert unstable(path.read_text(encoding="utf-8")) == set(), path.name
    assert unstable("np.sin(x) + a @ b") == {"sin", "@"}  # control
