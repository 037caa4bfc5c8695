"""What all street scenes share: class lists, missing data, targets without labels, damaged masks, protocols."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import street_trees

from bench import names
from bench.datasets.class_maps import CLASS_LISTS, palette
from bench.spec import IGNORE, BenchError, Component, ExitCode

SCENES = {
    "acdc": ("snow", "16"),
    "cityscapes": ("all", "16"),
    "cityscapes_pairs": ("all", "13"),
    "dark_zurich": ("night", "13"),
    "gta5": ("game", "13"),
    "synthia": ("rendered", "13"),
}
"""Name -> a domain, and a class list that is not the default."""
WITH_MASKS = sorted(set(SCENES) - {"cityscapes_pairs"})

Open = Callable[..., Any]


@pytest.fixture(params=SCENES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scene(name: str, tmp_path: Path) -> Open:
    """scene(split, **options) -> the dataset on a drawn tree below `scene.root`."""
    root = getattr(street_trees, name)(tmp_path / name)

    def open_(split: str, **options: Any) -> Any:
        return names.build("dataset", Component(name=name, options=options), root, SCENES[name][0], split)

    open_.root = root  # type: ignore[attr-defined]
    return open_


def masks(root: Path) -> list[Path]:
    return [p for p in root.rglob("*.png") if {"gt", "gtFine", "labels", "LABELS"} & set(p.relative_to(root).parts)]


def test_the_facts_written_in_a_module_are_those_of_its_default_class_list(name):
    info = names.dataset_info(name)
    default = names.options("dataset", name)["classes"].default
    assert info.class_names == CLASS_LISTS[default]
    assert info == names.load(f"bench.datasets.{name}:facts")()
    assert info.needs_files
    assert not info.synthetic  # `synthetic` marks runs on data that the program draws


def test_a_class_list_is_chosen_by_option_and_checked(name, scene):
    other = f"cityscapes{SCENES[name][1]}"
    component = Component(name=name, options={"classes": other})
    info = names.dataset_info(component)
    assert (info.class_names, info.palette) == (CLASS_LISTS[other], palette(CLASS_LISTS[other]))
    dataset = scene("test", classes=other)
    assert dataset.info == info
    labels = np.unique(np.stack([dataset.read(i)[1].ravel()[:40] for i in range(len(dataset))]))
    assert set(labels) <= {*range(len(CLASS_LISTS[other])), IGNORE}
    assert dataset.digest() != scene("test").digest()
    with pytest.raises(BenchError, match="is no value for `classes`"):
        scene("test", classes="cityscapes20")


@pytest.mark.parametrize("root", [None, Path("absent/data")])
@pytest.mark.parametrize("split", ["test", "target"])
def test_missing_data_is_one_line(name, root, split):
    with pytest.raises(BenchError, match=r"was not found.*BENCH_DATA.*--data-root.*landcover") as caught:
        names.build("dataset", Component(name=name), root, SCENES[name][0], split)
    assert caught.value.code == ExitCode.DATA
    assert root is None or str(root) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_domain_or_split_is_refused(name, scene):
    with pytest.raises(BenchError, match="has no split 'tset'; did you mean test"):
        scene("tset")
    with pytest.raises(BenchError, match=f"{name} has no domain 'mars'"):
        names.build("dataset", Component(name=name), scene.root, "mars", "test")


@pytest.mark.parametrize("name", WITH_MASKS, indirect=True)
def test_a_target_gives_no_label_and_opens_no_mask(name, scene):
    for path in masks(scene.root):
        path.write_bytes(b"not a mask")
    target = scene("target")
    assert len(target)
    for index in range(len(target)):
        image, labels = target.read(index)
        assert (labels == IGNORE).all()
        assert labels.shape == image.shape[:2]
    with pytest.raises(BenchError, match="neither a PNG"):  # control: a labelled split does open them
        scene("test").read(0)
    for folder in ("gt", "gtFine", "labels", "GT"):
        shutil.rmtree(scene.root / folder, ignore_errors=True)
    assert len(scene("target")) == len(target)


@pytest.mark.parametrize("name", WITH_MASKS, indirect=True)
def test_a_mask_of_another_size_or_code_is_named(name, scene):
    dataset = scene("test")
    mask = dataset.samples[0].mask

    def draw(code: int, size: tuple[int, int]) -> None:
        if name == "synthia":
            mask.write_bytes(street_trees.png_16_bit(np.full((*size, 3), code, np.uint16)))
        else:
            street_trees.mask(mask, [code], size)

    draw(1, street_trees.SIZE)
    dataset.read(0)  # control
    draw(99, street_trees.SIZE)
    with pytest.raises(BenchError) as caught:
        dataset.read(0)
    assert caught.value.problem.startswith("label 99 in 48 pixels is none of 0, 1, 2")
    assert caught.value.file == mask
    draw(1, (3, 8))
    with pytest.raises(BenchError, match="the mask is 8x3 pixels, its photo 8x6"):
        dataset.read(0)


@pytest.mark.parametrize("name", WITH_MASKS, indirect=True)
def test_a_photo_without_its_mask_and_a_mask_without_its_photo_are_named(name, scene):
    sample = scene("test").samples[0]
    kept = sample.mask.read_bytes()
    sample.mask.unlink()
    with pytest.raises(BenchError, match="no mask belongs to this file") as caught:
        scene("test")
    assert caught.value.file == sample.image
    sample.mask.write_bytes(kept)
    scene("test")  # control
    sample.image.unlink()
    with pytest.raises(BenchError, match="no photo belongs to this file") as caught:
        scene("test")
    assert caught.value.file == sample.mask


def test_hidden_files_are_no_data(name, scene):
    dataset = scene("test")
    before = dataset.digest()
    for sample in dataset.samples:
        for path in (sample.image, sample.mask):
            (path.parent / f"._{path.name}").write_bytes(b"\0")
            (path.parent / ".DS_Store").write_bytes(b"\0")
    (dataset.samples[0].image.parents[1] / ".hidden").mkdir()
    assert scene("test").digest() == before


def test_labelled_and_unlabelled_images_have_other_digests(name, scene):
    if name != "dark_zurich":  # its labelled images are no targets
        assert scene("train").digest() != scene("target").digest()
    assert scene("test").digest() == scene("test").digest()


@pytest.mark.parametrize("name", ["acdc", "cityscapes", "gta5", "synthia"], indirect=True)
def test_the_published_protocol_trains_on_everything_and_keeps_nothing_to_choose_by(name, scene):
    held, published = scene("train"), scene("train", protocol="published")
    back = [scene(split) for split in (("val", "test") if name in ("gta5", "synthia") else ("val",))]
    assert {s.name for s in published.samples} == {s.name for d in (held, *back) for s in d.samples}
    assert len(published) == len(held) + sum(map(len, back))
    with pytest.raises(BenchError, match=r"trains on every .*`protocol: holdout`"):
        scene("val", protocol="published")
