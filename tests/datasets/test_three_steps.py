"""Every dataset trains three steps and is scored through the command line, on a drawn tree in its official layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import aerial_trees
import pytest
import street_trees

from bench.cli import run_command_line

Draw = Callable[[Path], object]

OWN = "{name: folder, tree: mine, class_names: [road, car], domains: [summer, winter]}"


def own_tree(root: Path) -> None:
    for domain in ("summer", "winter"):
        for split in ("train", "val", "test"):
            for number in range(2):
                street_trees.photo(root / "images" / domain / split / f"{number}.png")
                street_trees.mask(root / "masks" / domain / split / f"{number}.png", (0, 1, 255))


RUNS: dict[str, tuple[dict[str, Draw], str, str, str]] = {
    "acdc": ({"acdc": street_trees.acdc}, "acdc", "fog", "night"),
    "carla": (
        {"carla": aerial_trees.carla, "cityscapes": street_trees.cityscapes},
        "{name: carla, classes: cityscapes19}",
        "dataA",
        "cityscapes/all",
    ),
    "cityscapes": ({"cityscapes": street_trees.cityscapes}, "cityscapes", "all", "aachen"),
    "cityscapes_pairs": ({"cityscapes_pairs": street_trees.cityscapes_pairs}, "cityscapes_pairs", "all", "all"),
    "dark_zurich": (
        {"dark_zurich": street_trees.dark_zurich, "cityscapes": street_trees.cityscapes},
        "cityscapes",
        "all",
        "dark_zurich/night",
    ),
    "folder": ({"mine": own_tree}, OWN, "summer", "winter"),
    "gta5": (
        {"gta5": street_trees.gta5, "cityscapes": street_trees.cityscapes},
        "{name: gta5, classes: cityscapes16}",
        "game",
        "cityscapes/all",
    ),
    "openearthmap": ({"openearthmap": aerial_trees.openearthmap}, "openearthmap", "all", "tokyo"),
    "potsdam": (
        {"potsdam": aerial_trees.potsdam, "vaihingen": aerial_trees.vaihingen},
        "potsdam",
        "irrg",
        "vaihingen/irrg",
    ),
    "synthia": (
        {"synthia": street_trees.synthia, "cityscapes": street_trees.cityscapes},
        "{name: cityscapes, classes: cityscapes13}",
        "synthia/rendered",
        "all",
    ),
    "vaihingen": ({"vaihingen": aerial_trees.vaihingen}, "vaihingen", "irrg", "irrg"),
}
"""Name -> (folder below the data root: how to draw it), dataset, source and the domain that is scored."""

SWEEP = """\
name: three_steps
base:
  model: pidnet_s
  dataset: {dataset}
  source: {source}
  evaluate_on: [{scored}]
  resize_px: 64
  crop_px: 64
  batch_size: 2
  steps: 3
cost: false
"""


@pytest.mark.parametrize("name", RUNS)
def test_three_steps(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    trees, dataset, source, scored = RUNS[name]
    for folder, draw in trees.items():
        draw(tmp_path / "data" / folder)
    for variable in ("BENCH_DATA", "BENCH_DEBUG", "CI"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("sweep.yaml").write_text(SWEEP.format(dataset=dataset, source=source, scored=scored))
    code = run_command_line(("sweep", "sweep.yaml", "--data-root", "data", "--json"))
    out, err = capsys.readouterr()
    assert code == 0, err
    (record,) = json.loads(out)["records"]
    assert record["steps"] == 3
    assert not record["synthetic"]
    assert len(record["data_digests"]) >= 2
    ((domain, counts),) = record["confusion"].items()
    assert domain.endswith(scored)
    assert 0 < sum(map(sum, counts)) <= 2 * 256 * 256
