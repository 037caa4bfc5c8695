"""panels.png and curves.png: what is drawn where, offline."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from report_examples import counts, plain_counts

from bench.report import curves as drawing
from bench.report.curves import curves
from bench.report.pictures import GAP, LINE, WIDTH, painted, panels
from bench.report.shares import shares
from bench.spec import IGNORE, DatasetInfo, Evaluation, History

RED, BLUE = (200, 0, 0), (0, 0, 200)
INFO = DatasetInfo(
    name="toy",
    label="Toy",
    domains=("a",),
    class_names=("red", "blue"),
    palette=(RED, BLUE),
    licence="",
    source="",
    needs_files=False,
)


def read(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_columns_are_image_label_prediction(tmp_path):
    image = np.full((20, 30, 3), 77, dtype=np.uint8)
    labels, guess = np.zeros((40, 60), dtype=np.uint8), np.ones((40, 60), dtype=np.uint8)
    panels(tmp_path / "p.png", [("toy/a one", image, labels, guess), ("toy/b", image, labels, guess)], INFO)
    sheet = read(tmp_path / "p.png")
    height = WIDTH * 40 // 60
    assert sheet.shape[1] == GAP + 3 * (WIDTH + GAP)
    for row in range(2):
        middle = GAP + LINE + row * (LINE + height + GAP) + LINE + height // 2
        colours = [tuple(sheet[middle, GAP + c * (WIDTH + GAP) + WIDTH // 2].tolist()) for c in range(3)]
        assert colours == [(77, 77, 77), RED, BLUE]


def test_void_is_black_and_hatched_and_no_class_colour():
    labels = np.array([[0, IGNORE], [1, 7]], dtype=np.uint8)
    picture = np.asarray(painted(labels, (64, 64), INFO))
    assert {tuple(c) for c in picture[:32, :32].reshape(-1, 3).tolist()} == {RED}
    for part in (picture[:32, 32:], picture[32:, 32:]):  # void, and a label that has no class
        assert {tuple(c) for c in part.reshape(-1, 3).tolist()} == {(0, 0, 0), (130, 130, 130)}


def test_scaling_mixes_no_classes():
    labels = (np.indices((97, 53)).sum(0) % 2).astype(np.uint8)
    colours = {tuple(c) for c in np.asarray(painted(labels, (50, 91), INFO)).reshape(-1, 3).tolist()}
    assert colours <= {RED, BLUE}
    smooth = Image.fromarray(np.asarray(painted(labels, (53, 97), INFO))).resize((50, 91), Image.Resampling.BILINEAR)
    assert {tuple(c) for c in np.asarray(smooth).reshape(-1, 3).tolist()} - {RED, BLUE}  # control: smoothing mixes


def test_many_classes_and_long_names_fit(tmp_path):
    names = tuple(f"class number {i} {'long ' * 20}\n\x1b[2J" for i in range(30))
    info = DatasetInfo(**{**vars(INFO), "class_names": names, "palette": ((9, 9, 9),) * 30})
    small = np.zeros((8, 8), dtype=np.uint8)
    panels(tmp_path / "p.png", [("t" * 500, np.zeros((8, 8, 3), dtype=np.uint8), small, small)], info)
    sheet = read(tmp_path / "p.png")
    assert (sheet[:, -GAP + 2 :] == 255).all()  # nothing is cut off at the right
    assert (sheet[-4:] == 255).all()


def test_panels_are_the_same_bytes_twice(tmp_path):
    row = ("t", np.zeros((8, 8, 3), dtype=np.uint8), np.zeros((8, 8), dtype=np.uint8), np.ones((8, 8), dtype=np.uint8))
    for name in ("a", "b"):
        panels(tmp_path / name, [row], INFO)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


HISTORY = History(steps=(1, 2, 3), losses={"ce": (3.0, None, 0.1), "aux": (1.0, 1.0, 1.0)}, lr=(0.1, 0.05, 0.01))
ALONG = Evaluation(step=3, split="val", confusion={"toy/a": plain_counts(counts(0.8)), "toy/b": ((0, 0), (0, 0))})


def points(chart: dict) -> list[dict]:
    return chart["datasets"][chart["data"]["name"]]


def test_curves_hold_what_was_recorded(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(drawing, "_png", lambda charts, title: drawn.extend(charts) or b"png")
    assert curves(tmp_path / "c.png", HISTORY, [ALONG], title="run")
    loss, lr, miou = (chart.to_dict() for chart in drawn)
    values = [(p["line"], p["step"], p["value"]) for p in points(loss)]
    assert values == [("ce", 1, 3.0), ("ce", 3, 0.1), ("aux", 1, 1.0), ("aux", 2, 1.0), ("aux", 3, 1.0)]
    assert loss["encoding"]["y"]["scale"]["type"] == "log"
    assert [p["value"] for p in points(lr)] == [0.1, 0.05, 0.01]
    (point,) = points(miou)
    assert point["line"] == "toy/a (val)"
    assert 0 < point["value"] <= 100


@pytest.mark.parametrize("low", [0.0, -1.0, 0.5])
def test_a_loss_that_reaches_zero_or_hardly_falls_has_a_linear_axis(tmp_path, monkeypatch, low):
    drawn = []
    monkeypatch.setattr(drawing, "_png", lambda charts, title: drawn.extend(charts) or b"png")
    curves(tmp_path / "c.png", History(steps=(1, 2), losses={"ce": (1.0, low)}), [], title="run")
    assert drawn[0].to_dict()["encoding"]["y"]["scale"]["type"] == "linear"


def test_without_points_nothing_is_written(tmp_path):
    assert not curves(tmp_path / "c.png", History(), [], title="run")
    assert not list(tmp_path.iterdir())


def test_the_picture_is_a_picture(tmp_path):
    assert curves(tmp_path / "c.png", HISTORY, [ALONG], title="run")
    sheet = Image.open(io.BytesIO((tmp_path / "c.png").read_bytes()))
    assert sheet.format == "PNG"
    assert min(sheet.size) > 600
    assert len(sheet.convert("RGB").getcolors(2**20)) > 10


# ------------------------------------------------------------------ what was drawn by a program is called so

DRAWN = DatasetInfo(**{**vars(INFO), "synthetic": True})


def test_panels_of_synthetic_data_say_so(tmp_path):
    """The word stands above the first column, and moves nothing."""
    small = np.zeros((8, 8), dtype=np.uint8)
    row = ("t", np.zeros((8, 8, 3), dtype=np.uint8), small, small)
    for name, info in (("real", INFO), ("drawn", DRAWN)):
        panels(tmp_path / name, [row], info)
    real, drawn = read(tmp_path / "real"), read(tmp_path / "drawn")
    assert real.shape == drawn.shape
    where = np.argwhere((real != drawn).any(2))
    assert len(where)
    assert where.max(0).tolist() < [GAP + LINE, GAP + WIDTH]


def test_shares_of_synthetic_data_say_so(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("vl_convert.vegalite_to_png", lambda chart, scale: drawn.append(chart) or b"png")
    for info in (INFO, DRAWN):
        shares(tmp_path / "s.png", {"a": [0.25, 0.75]}, info)
    assert [chart["title"] for chart in drawn] == ["Toy", "Toy (synthetic data)"]
    assert [p["share"] for p in points(drawn[0])] == [25.0, 75.0]


def test_curves_stand_under_the_name_of_their_run(tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(drawing, "_png", lambda charts, title: titles.append(title) or b"png")
    assert curves(tmp_path / "c.png", HISTORY, [ALONG], title="a run\x1b[2J")
    assert titles == ["a run\\x1b[2J"]
