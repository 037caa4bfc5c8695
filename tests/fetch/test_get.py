"""Recipes: every dataset has one, LoveDA's are as published; a dataset got whole from a server of our own."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import DATASETS
from bench.datasets.loveda import loveda
from bench.fetch.get import get
from bench.fetch.recipes import RECIPES, Recipe, recipe
from bench.spec import BenchError


def test_every_dataset_has_a_recipe_or_steps():
    assert set(DATASETS) <= set(RECIPES)
    for name, found in RECIPES.items():
        assert found.dataset == name
        assert found.terms
        assert bool(found.archives) != bool(found.steps)
        for step in found.steps_for(Path("data") / name):
            assert "{" not in step
            assert step.isprintable()
    assert list(RECIPES) == sorted(RECIPES)


def test_an_unknown_dataset_names_the_near_one():
    with pytest.raises(BenchError, match="did you mean loveda"):
        recipe("lovda")


def test_lovedas_archives_are_the_published_ones():
    archives = {archive.folder: archive for archive in recipe("loveda").archives}
    assert {name: sum(a.files.values()) for name, a in archives.items()} == {"Train": 5044, "Val": 3338, "Test": 1796}
    assert [name for name, a in archives.items() if a.needed] == ["Train", "Val"]
    for name, archive in archives.items():
        assert archive.url.startswith("https://zenodo.org/records/5706578/files/")
        assert re.fullmatch("md5:[0-9a-f]{32}", archive.digest)
        assert archive.file_bytes == 8 * 10**6
        assert any(re.fullmatch(p, f"{name}/Urban/images_png/12.png") for p in archive.files)
        assert not any(re.fullmatch(p, f"{name}/Urban/images_png/12.png.exe") for p in archive.files)
    assert not any(re.fullmatch(p, "Test/Urban/masks_png/1.png") for p in archives["Test"].files)


def png(values: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recipe]:
    """LoveDA's recipe with two images a scene, served from a folder."""
    served = tmp_path / "served"
    served.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            return

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = functools.partial(Quiet, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        archives = []
        for archive in recipe("loveda").archives:
            with zipfile.ZipFile(served / archive.name, "w") as out:
                for pattern in archive.files:
                    place = pattern.replace("(?:Urban|Rural)", "Urban").removesuffix(r"[0-9]+\.png")
                    for n in range(2):
                        content = np.full((4, 4, 3), n, np.uint8) if "images" in place else np.ones((4, 4), np.uint8)
                        out.writestr(f"{place}{n}.png", png(content))
            archives.append(
                dataclasses.replace(
                    archive,
                    url=f"http://127.0.0.1:{server.server_port}/{archive.name}",
                    digest="sha256:" + hashlib.sha256((served / archive.name).read_bytes()).hexdigest(),
                    files=dict.fromkeys(archive.files, 2),
                )
            )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield dataclasses.replace(recipe("loveda"), archives=tuple(archives))
        server.shutdown()
        thread.join()


def test_a_dataset_is_got_whole_and_read(small, tmp_path):
    root = tmp_path / "data" / "loveda"
    told: dict[str, int] = {}
    folders = get(small, root, plain_http=True, tell=lambda what, done, total: told.update({what: done}))
    assert [folder.name for folder in folders] == ["Train", "Val"]
    assert sorted(p.name for p in root.iterdir()) == ["Train", "Val"]  # archives are not kept
    assert list(told) == ["downloading Train.zip", "unpacking Train.zip", "downloading Val.zip", "unpacking Val.zip"]
    assert loveda(root, "rural", "train").read(1)[1].max() == 0
    told.clear()
    assert get(small, root, plain_http=True, tell=lambda what, done, total: told.update({what: done})) == folders
    assert told == {}  # nothing is got twice


def test_what_was_complete_stays_when_a_later_archive_fails(small, tmp_path):
    broken = dataclasses.replace(small.archives[1], digest="sha256:" + "0" * 64)
    with pytest.raises(BenchError, match="is not sha256"):
        get(dataclasses.replace(small, archives=(small.archives[0], broken)), tmp_path, plain_http=True)
    assert (tmp_path / "Train" / ".complete").is_file()
    assert not (tmp_path / "Val").exists()
    assert len(get(small, tmp_path, plain_http=True)) == 2


def test_archives_are_kept_and_optional_ones_got_on_request(small, tmp_path):
    folders = get(small, tmp_path / "d", plain_http=True, keep=True, optional=True)
    assert [folder.name for folder in folders] == ["Train", "Val", "Test"]
    assert (tmp_path / "d" / "Test.zip").is_file()


def test_without_leave_plain_http_is_refused(small, tmp_path):
    with pytest.raises(BenchError, match="not https"):
        get(small, tmp_path / "d")
    assert not (tmp_path / "d").exists()
