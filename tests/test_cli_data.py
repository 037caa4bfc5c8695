"""`bench data`: what is here, what is wrong with it, what it holds, how it looks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from bench.cli import run_command_line

Data = Callable[..., tuple[int, str, str]]


@pytest.fixture
def data(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Data:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command_line(["data", *words])
        return code, *capsys.readouterr()

    return run


def width(path: Path) -> int:
    with Image.open(path) as picture:
        return int(picture.width)


def test_list_says_what_is_here(data: Data, camvid_root: Path) -> None:
    code, out, _ = data("list", "--json")
    found = {d["name"]: d["found"] for d in json.loads(out)["datasets"]}
    assert code == 0
    assert (found["landcover"], found["loveda"]) == ("drawn by the program", "no")
    assert found["camvid"].endswith(" images")


def test_a_whole_dataset_has_no_fault_and_twins_do_not_hide(data: Data, loveda_root: Path) -> None:
    masks = list(loveda_root.rglob("images_png/*.png"))
    for number, path in enumerate(masks):  # the fixture draws one colour per name: make every photo its own
        Image.new("RGB", (8, 6), (number, 0, 0)).save(path)
    assert data("check", "loveda")[0] == 0
    shutil.copy(loveda_root / "Train/Urban/images_png/2.png", loveda_root / "Val/Rural/images_png/11.png")
    code, out, err = data("check", "loveda")
    assert code == 3
    assert "1 fault" in out
    assert err.count("bench: error: ") == 1
    assert "Val/Rural/images_png/11.png: the same image as 2.png in urban:train" in err


def test_check_lists_every_fault_once_with_its_file(data: Data, camvid_root: Path) -> None:
    (camvid_root / "test" / "Seq05VD_f2.png").write_bytes(b"")
    (camvid_root / "valannot" / "0016E5_1.png").write_bytes(b"<html>")
    code, _, err = data("check", "camvid/day")
    assert code == 3
    assert "test/Seq05VD_f2.png: the file is empty" in err
    assert "valannot/0016E5_1.png" in err
    assert "Traceback" not in err


def test_stats_by_domain_of_drawn_tiles(data: Data, tmp_path: Path) -> None:
    words = ("stats", "landcover", "--set", "tile_px=32", "--set", "train_tiles=4", "--set", "val_tiles=2")
    code, out, _ = data(*words, "--set", "test_tiles=2", "--json", "--picture", "shares.png")
    groups = json.loads(out)["groups"]
    assert code == 0
    assert list(groups) == ["urban", "rural"]
    for group in groups.values():
        assert group["images"] == 8
        assert sum(group["pixels"]) + group["void"] == 8 * 32 * 32
        assert sum(group["shares"]) == pytest.approx(1)
    assert width(tmp_path / "shares.png") > 100
    code, out, _ = data(*words, "--set", "test_tiles=2", "--by", "split")
    assert (code, "urban:train" in out, "label shift" in out) == (0, True, True)


def test_show_draws_a_sheet(data: Data, tmp_path: Path) -> None:
    code, out, _ = data("show", "landcover/rural", "-n", "3", "--set", "tile_px=32", "-o", "x.png")
    assert (code, "x.png: 3 images" in out) == (0, True)
    assert width(tmp_path / "x.png") > 1000


def test_cache_decodes_what_a_sweep_reads_and_leaves_it_when_unchanged(data: Data, camvid_root: Path) -> None:
    file = Path(__file__).parents[1] / "sweeps" / "camvid_day_dusk.yaml"
    code, out, _ = data("cache", str(file), "-k", "pidnet_s-day", "--set", "resize_px=32")
    assert (code, "camvid/day" in out, "32x32" in out) == (0, True, True)
    before = {p: p.stat().st_mtime_ns for p in (camvid_root.parent / ".bench" / "cache").rglob("*.npy")}
    assert len(before) == 2 * 5  # train of day; test and val of day and dusk
    assert data("cache", str(file), "-k", "pidnet_s-day", "--set", "resize_px=32")[1] == out
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_get_prints_the_steps_of_what_may_not_be_downloaded(data: Data, tmp_path: Path) -> None:
    code, out, _ = data("get", "cityscapes")
    assert code == 0
    assert "\n1. " in out
    assert str(tmp_path / "cityscapes") in out
    assert not (tmp_path / "cityscapes").exists()


def test_get_says_what_it_got(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(recipe: object, root: Path, **options: object) -> list[Path]:
        options["tell"]("downloading Train.zip", 1, 2)  # type: ignore[operator]
        return [root / "Train"]

    monkeypatch.setattr("bench.fetch.get.get", fetch)
    code, out, err = data("get", "loveda")
    assert (code, err) == (0, "downloading Train.zip\n")
    assert "loveda/Train: complete" in out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("check", "camvd"), 2, "did you mean camvid"),
        (("check", "camvid/dawn"), 2, "no domain 'dawn'"),
        (("check", "landcover", "--set", "tile=3"), 2, "did you mean tile_px"),
        (("check", "landcover", "--set", "tile_px"), 2, "--set key=value"),
        (("stats", "landcover", "--by", "sequence", "--set", "train_tiles=1"), 2, "knows no sequences"),
        (("stats", "camvid"), 3, "BENCH_DATA"),
        (("show", "loveda"), 3, "BENCH_DATA"),
        (("get", "lovda"), 2, "did you mean loveda"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
def test_bad_words_are_one_line(data: Data, words: tuple[str, ...], code: int, said: str) -> None:
    got, _, err = data(*words)
    assert (got, err.count("bench: error: "), said in err) == (code, 1, True), err


def test_weights_and_shift_have_their_closed_forms() -> None:
    import numpy as np

    from bench.datasets.statistics import _tally, jensen_shannon

    image = np.zeros((2, 4, 3), np.uint8)
    image[0] = 10
    one = _tally(image, np.array([[0, 0, 0, 1], [255, 255, 1, 1]], np.uint8), 3)
    assert one.shares.tolist() == [0.5, 0.5, 0]
    assert one.median_frequency == [1, 1, None]
    assert (one.void_share, one.mean.tolist(), one.std.tolist()) == (0.25, [5] * 3, [5] * 3)
    two = one + _tally(image, np.full((2, 4), 0, np.uint8), 3)
    assert two.pixels.tolist() == [11, 3, 0]
    assert two.median_frequency[:2] == pytest.approx(
        [(11 / 16 + 3 / 8) / 2 / (11 / 16), (11 / 16 + 3 / 8) / 2 / (3 / 8)]
    )
    assert jensen_shannon(np.array([1.0, 0]), np.array([0, 1.0])) == 1
    assert jensen_shannon(np.array([0.3, 0.7]), np.array([0.3, 0.7])) == 0


@pytest.mark.slow
def test_shares_of_the_real_drives_are_those_of_the_specification(real_data: Path, data: Data) -> None:
    code, out, _ = data("stats", "camvid", "--by", "sequence", "--json", "--data-root", str(real_data.resolve()))
    groups = json.loads(out)["groups"]
    shares = {name: " ".join(f"{100 * share:.2f}" for share in group["shares"]) for name, group in groups.items()}
    assert code == 0
    assert shares["0001TP"] == "21.52 23.32 0.86 18.54 4.99 17.21 0.88 0.64 10.56 0.94 0.55"
    assert shares["0006R0"] == "20.99 11.14 1.09 36.87 2.43 18.25 1.76 0.79 6.26 0.34 0.07"
