"""The split `target` of every dataset opens no file that holds labels: every `open` of the system is listened to."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import test_three_steps
import yaml

from bench import names
from bench.datasets import DATASETS
from bench.datasets.folders import FolderDataset
from bench.spec import IGNORE, BenchError, Component, Dataset

DOMAINS = {name: dataset for name, (_, dataset, _, _) in test_three_steps.RUNS.items()}
ONE_FILE = {"cityscapes_pairs"}
"""Photo and labels in one image file, which has to be opened for the photo."""

_listening: list[set[Path]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _listening and isinstance(arguments[0], (str, bytes, os.PathLike)):
        _listening[-1].add(Path(os.fsdecode(arguments[0])))


sys.addaudithook(_hook)  # for the life of the process; deaf outside `opened`


@contextmanager
def opened() -> Iterator[set[Path]]:
    """The paths that are opened within the block."""
    _listening.append(found := set())
    try:
        yield found
    finally:
        _listening.pop()


def built(written: str | dict[str, Any], root: Path, domain: str, split: str) -> Dataset:
    component = names.resolve("dataset", Component.model_validate(written))
    dataset: Dataset = names.build("dataset", component, root, domain, split)
    return dataset


def domains(written: str | dict[str, Any]) -> tuple[str, ...]:
    return names.dataset_info(names.resolve("dataset", Component.model_validate(written))).domains


def masks(written: str | dict[str, Any], root: Path) -> set[Path]:
    """Every file that some labelled split of some domain takes labels from."""
    found: set[Path] = set()
    for domain in domains(written):
        for split in ("train", "val", "test"):
            try:
                dataset = built(written, root, domain, split)
            except BenchError:
                continue  # not every split has labels
            assert isinstance(dataset, FolderDataset) or hasattr(dataset, "samples")
            found |= {sample.mask for sample in dataset.samples if sample.mask is not None}  # type: ignore[attr-defined]
    return found


def read_all(written: str | dict[str, Any], root: Path, split: str) -> set[Path]:
    """What is opened when every sample of `split` is listed, read and hashed; its labels must be void in `target`."""
    read = 0
    with opened() as files:
        for domain in domains(written):
            try:
                dataset = built(written, root, domain, split)
            except BenchError:
                continue  # not drawn, or without such a split
            for index in range(len(dataset)):
                labels = dataset.read(index)[1]
                assert split != "target" or (labels == IGNORE).all()
                read += 1
            dataset.digest()
    assert read or split != "target"
    return files


def draw(name: str, root: Path) -> tuple[str | dict[str, Any], Path]:
    trees, dataset, _, _ = test_three_steps.RUNS[name]
    for folder, into in trees.items():
        into(root / folder)
    written = yaml.safe_load(dataset)
    own = written if name == "folder" else name
    options = isinstance(written, dict) and written["name"] == name
    return (written if options else own), root / ("mine" if name == "folder" else name)


@pytest.mark.parametrize("name", sorted(set(test_three_steps.RUNS) - ONE_FILE))
def test_no_label_file_is_opened_for_target(name: str, tmp_path: Path) -> None:
    written, root = draw(name, tmp_path)
    labels = masks(written, root)
    assert labels
    found = read_all(written, root, "target")
    assert not found & labels
    assert any(path.is_relative_to(root) for path in found)


def test_camvid_and_loveda(camvid_root: Path, loveda_root: Path) -> None:
    for name, root in (("camvid", camvid_root), ("loveda", loveda_root)):
        labels = masks(name, root)
        assert labels
        assert not read_all(name, root, "target") & labels


def test_a_photo_with_its_labels_in_one_file_gives_void(tmp_path: Path) -> None:
    for name in ONE_FILE:
        assert read_all(*draw(name, tmp_path), "target")


def test_a_labelled_split_is_heard(camvid_root: Path) -> None:
    """Negative control: the same listening hears every label that `train` opens."""
    assert read_all("camvid", camvid_root, "train") & masks("camvid", camvid_root)


def test_every_dataset_is_listened_to() -> None:
    assert set(DATASETS) == {*test_three_steps.RUNS, "camvid", "loveda", "landcover"}
