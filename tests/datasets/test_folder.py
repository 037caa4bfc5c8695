"""A tree of one's own: patterns, pairs, codes, colours, made-up palettes, and options that contradict each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench import names
from bench.datasets.folder import facts, folder, made_up_palette
from bench.spec import IGNORE, BenchError, Component, ExitCode, canonical_json

OPTIONS: dict[str, Any] = {"tree": "mydata", "class_names": ["road", "car"], "domains": ["summer", "winter"]}
VALUES = np.array([[0, 1, 255]], np.uint8)
COLOURED = np.array([[(128, 64, 128), (0, 0, 142), (0, 0, 0)]], np.uint8)


def put(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def draw(root: Path, image: str, mask: str, values: np.ndarray, names: tuple[str, ...] = ("2", "10")) -> None:
    for domain in ("summer", "winter"):
        for split in ("train", "val", "test"):
            for name in names:
                words = {"domain": domain, "split": split, "name": name}
                put(root / image.format(**words), np.full((1, 3, 3), len(domain + split), np.uint8))
                put(root / mask.format(**words), values)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where a dataset called folder would lie; beside it, mydata in the default layout."""
    tree = tmp_path / "mydata"
    draw(tree, "images/{domain}/{split}/{name}.png", "masks/{domain}/{split}/{name}.png", VALUES)
    (tree / "images/summer/train/.DS_Store").write_bytes(b"x")
    (tree / "images/summer/train/._2.png").write_bytes(b"x")
    return tmp_path / "folder"


def stems(root: Path, split: str = "train", domain: str = "summer", **more: Any) -> list[str]:
    data = folder(root, domain, split, **{**OPTIONS, **more})
    return [data.image_name(i) for i in range(len(data))]


def first(root: Path, **more: Any) -> list[int]:
    return folder(root, "summer", "train", **{**OPTIONS, **more}).read(0)[1].ravel().tolist()


def fault(root: Path, *words: str, key: str | None = None, split: str = "train", **more: Any) -> BenchError:
    with pytest.raises(BenchError) as caught:
        folder(root, "summer", split, **{**OPTIONS, **more}).read(0)
    for word in words:
        assert word in str(caught.value)
    assert key is None or caught.value.key == key
    return caught.value


def test_the_default_layout_reads_class_numbers_and_ignores_255(root):
    assert stems(root) == stems(root, "target") == ["2", "10"]
    image, labels = folder(root, "winter", "test", **OPTIONS).read(1)
    assert image.ravel()[0] == len("wintertest")
    assert labels.tolist() == [[0, 1, IGNORE]]
    assert (folder(root, "summer", "target", **OPTIONS).read(0)[1] == IGNORE).all()


def test_codes_and_ignored_values(root):
    assert first(root, codes={"0": 1, "1": 0, "255": 255}) == [1, 0, IGNORE]
    assert first(root, codes={"0": 1}, ignore=[1, 255]) == [1, IGNORE, IGNORE]
    fault(root, "2.png", "label 1", "add it to `codes`", codes={"0": 1})


def test_colours_and_the_hint_that_a_mask_needs_them(root):
    draw(root.parent / "mydata", "images/{domain}/{split}/{name}.png", "masks/{domain}/{split}/{name}.png", COLOURED)
    colours = {"128,64,128": 0, "0, 0, 142": 1, "0,0,0": 255}
    assert first(root, colours=colours) == [0, 1, IGNORE]
    error = fault(root, "2.png", "RGB", "needs `colours", "palette")
    assert error.code == ExitCode.DATA
    fault(root, "colour 0,0,0 in 1 pixels", "add it to `colours`", colours={"128,64,128": 0, "0,0,142": 1})
    put(root.parent / "mydata/masks/summer/train/2.png", VALUES)
    fault(root, "mode 'L'", "colours are asked for", colours=colours)


def test_patterns_join_pairs_by_what_their_wildcards_stand_for(root):
    image, mask = "photos/{split}/{domain}_{name}_rgb.png", "photos/{split}/{domain}_{name}_gt.png"
    draw(root.parent / "other", image, mask, VALUES, ("9", "10", "x_y"))
    patterns = {"images": "photos/{split}/{domain}_*_rgb.png", "masks": "photos/{split}/{domain}_*_gt.png"}
    assert stems(root, tree="other", **patterns) == ["9", "10", "x_y"]
    tree = root.parent / "deep"
    for drive in ("a", "b"):
        put(tree / f"im/train/summer/{drive}/1.png", np.zeros((1, 3, 3), np.uint8))
        put(tree / f"ma/train/summer/{drive}/1.png", VALUES)
    deep = {"images": "im/{split}/{domain}/*/*.png", "masks": "ma/{split}/{domain}/*/*.png"}
    assert stems(root, tree="deep", **deep) == ["a-1", "b-1"]


def test_splits_may_have_folders_of_other_names(root):
    tree = root.parent / "mydata"
    for kind in ("images", "masks"):
        (tree / kind / "summer" / "val").rename(tree / kind / "summer" / "validation")
    splits = {"train": "train", "val": "validation", "test": "validation"}
    assert stems(root, "test", splits=splits) == ["2", "10"]
    fault(root, "holds no file like `images`", split="val")
    fault(root, "unknown split 'valid'", key="splits", splits={**splits, "valid": "x"})
    fault(root, "says nothing of 'test'", key="splits", split="test", splits={"train": "train"})
    fault(root, "'../up' is no plain name", key="splits", splits={"train": "../up"})


@pytest.mark.parametrize(("kind", "lacks"), [("images", "photo"), ("masks", "mask")])
def test_a_file_that_stands_alone_is_named(root, kind, lacks):
    (root.parent / "mydata" / kind / "summer" / "train" / "10.png").unlink()
    fault(root, "10.png", f"no {lacks} belongs")
    assert len(stems(root, "test")) == 2  # control


@pytest.mark.parametrize("tree", ["../mydata", "/etc", "a/b", "..", "", ".hidden", "a\\b", "a\nb", "x" * 65])
def test_a_tree_is_a_plain_name(root, tree):
    fault(root, "no plain name", key="tree", tree=tree)


@pytest.mark.parametrize(
    "pattern",
    [
        "../{domain}/{split}/*.png",
        "/{domain}/{split}/*.png",
        "images/../{domain}/{split}/*.png",
        "./{domain}/{split}/*.png",
        "{domain}/{split}/all.png",
        "{domain}\\{split}\\*.png",
        "{domain}/{split}/{x}*.png",
        "{domain}/{split}/**/",
        "{domain.__class__}/{split}/*.png",
        "images//{domain}/{split}/*.png",
    ],
)
def test_a_pattern_stays_below_the_tree(root, pattern):
    fault(root, "is no pattern", key="images", images=pattern)


def test_a_pattern_keeps_domains_and_splits_apart(root):
    fault(root, "where {split} goes", key="masks", masks="masks/{domain}/*.png")
    fault(root, "where {domain} goes", key="images", images="images/{split}/*.png")
    one = {"domains": ["summer"], "images": "images/summer/{split}/*.png", "masks": "masks/summer/{split}/*.png"}
    assert stems(root, **one) == ["2", "10"]  # control: of a single domain it need not say so


def test_two_files_of_one_name_are_an_error(root):
    for kind in ("im", "ma"):
        for name in ("a/b-c", "a-b/c"):
            put(root.parent / "twice" / kind / "train/summer" / f"{name}.png", VALUES)
    deep = {"images": "im/{split}/{domain}/*/*.png", "masks": "ma/{split}/{domain}/*/*.png"}
    fault(root, "is called 'a-b-c'", tree="twice", **deep)


@pytest.mark.parametrize(
    ("key", "options", "word"),
    [
        ("codes", {"codes": {"0": 2}}, "2 is none of the 2 classes"),
        ("codes", {"codes": {"256": 0}}, "no value of a byte"),
        ("codes", {"codes": {"-1": 0}}, "no value of a byte"),
        ("ignore", {"ignore": [300]}, "no value of a byte"),
        ("ignore", {"ignore": [0, 255]}, "0 is class 0 and ignored"),
        ("colours", {"colours": {"0,0,0": 7}}, "7 is none"),
        ("colours", {"colours": {"0,0": 1}}, "no colour"),
        ("colours", {"colours": {"0,0,256": 1}}, "no colour"),
        ("colours", {"colours": {"0,0,0": 1}, "codes": {"0": 1}}, "exclude each other"),
        ("class_names", {"class_names": []}, "at least one"),
        ("class_names", {"class_names": ["a", "a"]}, "each of them once"),
        ("class_names", {"class_names": [str(i) for i in range(251)]}, "too many"),
        ("domains", {"domains": []}, "at least one"),
        ("domains", {"domains": ["a/b"]}, "no plain name"),
        ("palette", {"palette": [[0, 0, 0]]}, "one colour"),
        ("palette", {"palette": [[0, 0, 0], [0, 0, 256]]}, "one colour"),
    ],
)
def test_options_that_cannot_be_are_named(root, key, options, word):
    assert fault(root, word, key=key, **options).code == ExitCode.USAGE


def test_made_up_colours_differ_and_stay_the_same():
    assert len(set(made_up_palette(250))) == 250
    assert made_up_palette(3) == made_up_palette(9)[:3] == ((128, 0, 0), (0, 128, 0), (128, 128, 0))
    assert facts(**OPTIONS, palette=((1, 2, 3), (4, 5, 6))).palette == ((1, 2, 3), (4, 5, 6))


def test_it_is_built_by_name_with_options_as_a_sweep_file_or_a_record_spells_them(root):
    asked = Component(name="folder", options={**OPTIONS, "codes": {"0": 0, "1": 1, "255": 255}})
    full = names.resolve("dataset", asked)
    assert names.resolve("dataset", Component.model_validate(full.model_dump(mode="json"))) == full
    assert canonical_json(full.model_dump(mode="json"))
    data = names.build("dataset", full, root, "summer", "train")
    assert data.read(0)[1].tolist() == [[0, 1, IGNORE]]
    assert names.dataset_info(full) == data.info
    with pytest.raises(BenchError, match="needs `tree`"):
        names.resolve("dataset", Component(name="folder"))


def test_missing_data_is_told(root):
    error = fault(root, "absent was not found", "BENCH_DATA", "holds absent/", tree="absent")
    assert error.code == ExitCode.DATA
    with pytest.raises(BenchError, match="no data folder is set"):
        folder(None, "summer", "train", **OPTIONS)
    with pytest.raises(BenchError, match="no domain 'sumer'; did you mean summer"):
        folder(root, "sumer", "train", **OPTIONS)
