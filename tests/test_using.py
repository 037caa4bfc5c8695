"""`bench eval`, `predict`, `export`: the numbers of the record again, pictures of any photo, one line for a fault."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bench import checkpoint, names
from bench.batches import scoring_batches
from bench.cli import run_command_line
from bench.cost import export as exporting
from bench.evaluate.counting import evaluate
from bench.models.segmodel import SegModel
from bench.run.attempt import attempt
from bench.run.data import read
from bench.run.place import Place
from bench.run.predicting import MULTIPLE, classes_of
from bench.run.recording import plain
from bench.run.remedies import chosen
from bench.run.training import Run
from bench.run.using import ByMap, find, groups_of
from bench.scores import bootstrap_interval, miou
from bench.spec import BenchError, Component, PlannedRun, RunRecord
from bench.store import Store

Make = Callable[..., PlannedRun]
Bench = Callable[..., tuple[int, str, str]]
CPU = torch.device("cpu")


@pytest.fixture
def place(results: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(Run, "draw", lambda *_: None)
    return Place(store=Store(results), sweep="test", workers=1)


@pytest.fixture(scope="module")
def once() -> dict[str, tuple[RunRecord, Path]]:
    """Runs that a test of this file has made, and the folder of each."""
    return {}


@pytest.fixture
def make(
    planned: Make, four_convs: str, place: Place, results: Path, once: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., RunRecord]:
    """make(**changes) -> the record of a tiny run that has finished in the store of this test."""

    def run(**changes: Any) -> RunRecord:
        asked = planned(**{"model": four_convs, **changes})
        if asked.run_id not in once:
            folder = tmp_path_factory.mktemp("made")
            *_, last = attempt(asked, replace(place, store=Store(folder / "results")))
            assert isinstance(last, RunRecord), last
            once[asked.run_id] = last, folder
        record, folder = once[asked.run_id]
        shutil.copytree(folder, results.parent, dirs_exist_ok=True)
        return record  # type: ignore[no-any-return]

    return run


@pytest.fixture
def bench(results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """bench(verb, *words) -> (exit code, stdout, stderr), its results and folder those of the test."""
    monkeypatch.chdir(results.parent)
    monkeypatch.delenv("BENCH_DATA", raising=False)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command_line([*words, "--results", str(results)])
        return code, *capsys.readouterr()

    return run


def drawn(path: Path, size: tuple[int, int]) -> Path:
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(256, size=(*size, 3)).astype(np.uint8)).save(path)
    return path


# -------------------------------------------------------------------- eval


@pytest.mark.parametrize("method", ["source_only", "adabn", "prior_correction", "test_bn", "tent"])
def test_a_run_is_scored_as_it_was(make: Callable[..., RunRecord], bench: Bench, results: Path, method: str) -> None:
    target = {"target": "rural"} if method in ("adabn", "prior_correction") else {}
    record = make(method=method, **target)
    code, out, err = bench("eval", record.run_id, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    for domain, found in told["domains"].items():
        counts = record.confusion[f"landcover/{domain}"]
        assert found["confusion"] == [list(row) for row in counts]
        assert found["miou"] == miou(counts)
        per_image = np.load(results / "runs" / f"{record.run_id}.images.npz")[f"landcover.{domain}"]
        interval = bootstrap_interval(per_image, miou)
        assert found["interval"] == [interval.low, interval.high]
    assert set(told["domains"]) == {"urban", "rural"}
    assert told["weights"]["run_id"] == record.run_id


@pytest.mark.parametrize("method", ["source_only", "test_bn", "prior_correction"])
def test_a_run_is_scored_in_the_precision_that_it_was_scored_in(
    make: Callable[..., RunRecord], place: Place, method: str
) -> None:
    target = {"target": "rural"} if method == "prior_correction" else {}
    record = make(method=method, precision="bf16", channels_last=True, **target)
    networks = [find(record.run_id, place).network, chosen(record, place)]
    data = read(record.config, "landcover/urban", "test", place)
    for network in networks:
        innermost = next(part for part in [*network.modules()][::-1] if isinstance(part, SegModel))
        assert (innermost.autocast_dtype, innermost.channels_last) == (torch.bfloat16, True)
        counts = evaluate(
            network, scoring_batches(data, batch_size=8, device=CPU), 7, names.build("scoring", record.config.scoring)
        )
        assert plain(counts.sum(0)) == record.confusion["landcover/urban"]


@pytest.mark.parametrize("method", ["source_only", "adabn", "prior_correction", "test_bn", "tent"])
def test_a_runs_file_alone_is_scored_as_the_run_was(
    make: Callable[..., RunRecord], bench: Bench, results: Path, four_convs: str, method: str
) -> None:
    """No record here: what the method put around the network comes with the file."""
    target = {"target": "rural"} if method in ("adabn", "prior_correction") else {}
    record = make(method=method, **target)
    shutil.rmtree(results / "runs")
    file = str(results.parent / ".bench" / "runs" / record.run_id / "chosen.pt")
    options = [word for k, v in record.config.dataset.options.items() for word in ("--set", f"{k}={v}")]
    code, out, err = bench("eval", file, "--model", four_convs, "--dataset", "landcover", *options, "--json")
    assert (code, err) == (0, "")
    for domain, found in json.loads(out)["domains"].items():
        assert found["confusion"] == [list(row) for row in record.confusion[f"landcover/{domain}"]]


@pytest.mark.parametrize("verb", [("eval",), ("export", "--onnx", "x.onnx")], ids=lambda v: v[0])
def test_a_model_beside_a_run_that_says_its_own_is_refused(
    make: Callable[..., RunRecord], bench: Bench, four_convs: str, verb: tuple[str, ...]
) -> None:
    record = make()
    for text in (record.run_id, f".bench/runs/{record.run_id}/chosen.pt"):
        code, _, err = bench(verb[0], text, *verb[1:], "--model", four_convs, "--dataset", "landcover")
        said = (
            f"bench: error: --model: the record of {record.run_id} says which network chosen.pt is for; leave it out\n"
        )
        assert (code, err) == (2, said)


def test_a_run_is_found_by_how_its_id_begins(make: Callable[..., RunRecord], bench: Bench, results: Path) -> None:
    record = make()
    for words in (("eval", "--domain", "urban", "--json"), ("show",)):
        whole, short = (bench(words[0], text, *words[1:]) for text in (record.run_id, record.run_id[:7]))
        assert (short, short[0]) == (whole, 0)
    others = {f"{record.run_id[:-1]}{digit}" for digit in "0123"} - {record.run_id}
    for other in sorted(others)[:3]:
        shutil.copy(results / "runs" / f"{record.run_id}.json", results / "runs" / f"{other}.json")
    for verb in ("eval", "show"):
        code, _, err = bench(verb, record.run_id[:7])
        assert (code, err.count("\n")) == (2, 1)
        assert re.search(rf"the ids of 4 runs begin with {record.run_id[:7]}: r-.*, \.\.\.; write more of it", err)
        code, _, err = bench(verb, "r-ffffff0")
        assert (code, err) == (
            2,
            "bench: error: no run's id begins with r-ffffff0; `bench status FILE` lists the ids of a sweep\n",
        )


def test_the_table_says_which_weights_and_which_images(make: Callable[..., RunRecord], bench: Bench) -> None:
    record = make()
    code, out, _ = bench("eval", record.run_id, "--domain", "rural", "--split", "val")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == f"weights: {record.run_id} (tiny), weights of step 4, as they were scored"
    assert [line.split("  ")[0] for line in lines[2:9]] == list(record.classes)
    assert lines[9].startswith("mIoU")
    assert lines[12].split() == ["images", "(val)", "2"]


def test_a_copied_checkpoint_is_known_by_its_run(make: Callable[..., RunRecord], bench: Bench, place: Place) -> None:
    record = make()
    Path("copy.pt").write_bytes((place.store.run_folder(record.run_id) / "chosen.pt").read_bytes())
    one, two = (json.loads(bench("eval", what, "--json")[1]) for what in ("copy.pt", record.run_id))
    assert one["domains"] == two["domains"]
    assert one["weights"]["what"].endswith("as in copy.pt")


def test_a_foreign_file_needs_its_network_and_classes(bench: Bench, four_convs: str) -> None:
    torch.manual_seed(0)
    model: SegModel = names.build("model", Component(name=four_convs, options={"width": 4}), 7)
    torch.save({"state_dict": model.state_dict()}, "theirs.pth")
    small = ("--dataset", "landcover", "--set", "tile_px=64", "--set", "test_tiles=2")
    assert bench("eval", "theirs.pth")[2] == (
        "bench: error: --model: nothing here says of theirs.pth which network it is for; say it with --model\n"
    )
    named = ("--model", four_convs, "--model-set", "width=4")
    assert "which classes it is for; say it with --dataset" in bench("eval", "theirs.pth", *named)[2]
    code, out, _ = bench("eval", "theirs.pth", *named, *small)
    assert (code, out.partition("\n")[0]) == (
        0,
        "weights: theirs.pth (layout plain) in four_convs, its classes taken to be those of landcover",
    )
    code, _, err = bench("eval", "theirs.pth", "--model", four_convs, *small)
    assert (code, "has nothing that fits stem.0.weight" in err) == (3, True)


TREE = ["--set", "tree=own", "--set", "class_names=[water, other, road]", "--set", "domains=[here]"]


@pytest.fixture
def tree(results: Path) -> list[str]:
    """A folder whose classes have two names of landcover's, in another order."""
    for kind in ("images", "masks"):
        (results.parent / "data/own" / kind / "here/test").mkdir(parents=True)
    for i in range(2):
        drawn(results.parent / f"data/own/images/here/test/{i}.png", (64, 64))
        mask = (np.arange(64 * 64) % 3).astype(np.uint8).reshape(64, 64)
        Image.fromarray(mask).save(results.parent / f"data/own/masks/here/test/{i}.png")
    return ["--dataset", "folder", *TREE, "--data-root", "data"]


def test_other_classes_are_refused_unless_declared(
    make: Callable[..., RunRecord], bench: Bench, tree: list[str]
) -> None:
    record = make()
    code, _, err = bench("eval", record.run_id, *tree)
    assert (code, "7 classes that are not the 3 of folder" in err, "--map" in err) == (2, True, True)
    code, out, _ = bench("eval", record.run_id, *tree, "--map", "by-name", "--json")
    found = json.loads(out)["domains"]["here"]
    assert (code, np.array(found["confusion"])[:, 1].sum(), np.sum(found["confusion"])) == (0, 0, 2 * 64 * 64)
    code, out, _ = bench("eval", record.run_id, *tree, "--map", "water=water", "--map", "forest=other", "--json")
    assert np.array(json.loads(out)["domains"]["here"]["confusion"])[:, 2].sum() == 0
    for word, said in (("wter=water", "network has no class 'wter'"), ("water=sea", "dataset has no class 'sea'")):
        assert said in bench("eval", record.run_id, *tree, "--map", word)[2]
    assert "'water' maps nothing" in bench("eval", record.run_id, *tree, "--map", "water")[2]


def test_mapped_logits_are_the_largest_of_what_they_stand_for(four_convs: str) -> None:
    model: SegModel = names.build("model", Component(name=four_convs), 4)
    model.eval()
    images = torch.randn(2, 3, 16, 16)
    groups = groups_of({"a": "x", "b": "x", "d": "y"}, ("a", "b", "c", "d"), ("y", "x", "z"))
    assert groups == ((3,), (0, 1), ())
    with torch.no_grad():
        own, mapped = model(images)["out"], ByMap(model, groups)(images)["out"]
    assert torch.equal(mapped[:, 0], own[:, 3])
    assert torch.equal(mapped[:, 1], own[:, :2].amax(1))
    assert (mapped[:, 2] < own.min()).all()
    grown = torch.nn.functional.interpolate(mapped, (33, 33), mode="bilinear")
    assert grown.isfinite().all()
    with pytest.raises(BenchError, match="no class of the network has the name of one of the dataset"):
        groups_of(None, ("a",), ("b",))


# -------------------------------------------------------------------- predict


def test_photos_of_any_size_give_an_overlay_and_class_numbers(
    make: Callable[..., RunRecord], bench: Bench, results: Path
) -> None:
    record, photos = make(), results.parent / "photos"
    photos.mkdir()
    sizes = {"a.png": (64, 64), "b.png": (37, 91), "c.png": (1, 1), "d.jpg": (70, 20), "d.tif": (5, 300)}
    for name, size in sizes.items():
        drawn(photos / name, size)
    (photos / "notes.txt").write_text("no photo")
    code, out, err = bench("predict", record.run_id, "photos", "--out", "out")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith(f"weights: {record.run_id}")
    assert out.splitlines()[1] == "photos/a.png: out/a.overlay.png, out/a.classes.png"
    assert len(list(Path("out").iterdir())) == 2 * len(sizes)
    for name, stem in zip(sizes, ("a", "b", "c", "d", "d-2"), strict=True):
        with Image.open(f"out/{stem}.classes.png") as picture:
            assert (picture.mode, picture.size) == ("P", sizes[name][::-1])
            assert np.asarray(picture).max() < 7
        with Image.open(f"out/{stem}.overlay.png") as picture:
            assert picture.width > sizes[name][1]


def test_a_faulty_photo_is_named_and_the_rest_is_done(make: Callable[..., RunRecord], bench: Bench) -> None:
    record = make()
    drawn(Path("good.png"), (8, 8))
    Path("bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    huge = bytearray(Path("good.png").read_bytes())
    huge[16:24] = (60000).to_bytes(4, "big") * 2
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    Path("huge.png").write_bytes(huge)
    words = ("bad.png", "huge.png", "good.png", "--json")
    code, out, err = bench("predict", record.run_id, *words)
    told = json.loads(out)
    assert (code, len(told["predictions"]), len(told["failed"])) == (3, 1, 2)
    assert err.count("\n") == 2
    assert "megapixels" in err
    assert bench("predict", record.run_id, "nowhere.png")[0] == 3
    Path("empty").mkdir()
    assert "empty: holds no photo" in bench("predict", record.run_id, "empty")[2]


def test_the_class_of_a_photo_is_what_scoring_sees(make: Callable[..., RunRecord], place: Place) -> None:
    record = make()
    used = find(record.run_id, place)
    data = names.build("dataset", record.config.dataset, None, "urban", "test")
    counts = np.zeros((7, 7), np.int64)
    for i in range(len(data)):
        image, labels = data.read(i)
        assert image.shape[0] % MULTIPLE == 0  # no fill
        np.add.at(counts, (labels.ravel(), classes_of(used, image, CPU).ravel()), 1)
    assert counts.tolist() == [list(row) for row in record.confusion["landcover/urban"]]


def test_the_fill_changes_little_inside(make: Callable[..., RunRecord], place: Place) -> None:
    used = find(make().run_id, place)
    image = np.random.default_rng(0).integers(256, size=(128, 128, 3)).astype(np.uint8)
    whole, part = classes_of(used, image, CPU), classes_of(used, image[:100, :90], CPU)
    assert part.shape == (100, 90)
    assert np.array_equal(whole[:80, :70], part[:80, :70])


# -------------------------------------------------------------------- export


installed = all(importlib.util.find_spec(name) for name in exporting.NEEDED)


@pytest.mark.skipif(not installed, reason="the extra [export] is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_onnx_file_gives_torchs_logits(make: Callable[..., RunRecord], bench: Bench) -> None:
    import onnxruntime  # type: ignore[import-not-found,import-untyped,unused-ignore]

    record = make()
    code, out, _ = bench("export", record.run_id, "--onnx", "net.onnx", "--size", "32x48", "--json")
    told = json.loads(out)
    assert (code, told["input"], told["output"]) == (0, [1, 3, 32, 48], [1, 7, 16, 24])
    assert told["largest_difference"] < 1e-4
    session = onnxruntime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["classes"] == ",".join(record.classes)
    assert [end.name for end in (*session.get_inputs(), *session.get_outputs())] == ["images", "logits"]


def test_without_the_extra_the_error_names_it(
    make: Callable[..., RunRecord], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = make()
    monkeypatch.setattr(exporting, "NEEDED", ("no_such_library",))
    code, _, err = bench("export", record.run_id, "--onnx", "net.onnx")
    assert (code, "pip install 'bench[export]'" in err, Path("net.onnx").exists()) == (5, True, False)


@pytest.mark.parametrize(("wrong", "code"), [(0.0, 0), (0.5, 2)])
def test_a_file_whose_logits_differ_is_not_written(
    make: Callable[..., RunRecord], bench: Bench, monkeypatch: pytest.MonkeyPatch, wrong: float, code: int
) -> None:
    record, kept = make(), list[Any]()
    monkeypatch.setattr(exporting, "_require", lambda *_: None)

    def model(module: Any, *_: Any) -> bytes:
        kept.append(module)
        return b"content"

    monkeypatch.setattr(exporting, "_model", model)
    session = SimpleNamespace(
        get_inputs=lambda: [SimpleNamespace(name="images")],
        run=lambda _, feed: [kept[0](torch.from_numpy(feed["images"])).detach().numpy() + wrong],
    )
    monkeypatch.setattr(exporting, "_opened", lambda *_, **__: session)
    found, out, err = bench("export", record.run_id, "--onnx", "net.onnx")
    assert (found, Path("net.onnx").exists()) == (code, code == 0)
    assert ("largest difference from torch on a random image: 0" in out) == (code == 0)
    assert ("logits are 0.5 from torch's" in err) == (code != 0)


def test_what_goes_on_adapting_is_not_exported(make: Callable[..., RunRecord], bench: Bench) -> None:
    code, _, err = bench("export", make(method="tent").run_id, "--onnx", "net.onnx")
    assert (code, "goes on adapting" in err) == (2, True)


# -------------------------------------------------------------------- faults of all three


@pytest.mark.parametrize("verb", [("eval",), ("predict",), ("export", "--onnx", "x.onnx")], ids=lambda v: v[0])
def test_what_is_not_there_is_one_line(bench: Bench, verb: tuple[str, ...]) -> None:
    drawn(Path("photo.png"), (8, 8))
    more = ("photo.png",) if verb[0] == "predict" else ()
    for what, said in (
        ("r-0123456789abcdef", "has not finished in"),
        ("no.pth", "there is no such file of weights"),
        ("kazuo:x.pth", "unknown layout 'kazuo'"),
    ):
        code, out, err = bench(verb[0], what, *more, *verb[1:])
        assert (code in (2, 3), out, err.count("\n"), said in err) == (True, "", 1, True), err


def test_a_checkpoint_of_a_run_that_is_not_here(bench: Bench, four_convs: str) -> None:
    model: SegModel = names.build("model", Component(name=four_convs), 7)
    state = {"model": model.state_dict(), "step": 3}
    checkpoint.save(Path("ours.pt"), state, run_id="r-0123456789abcdef", step=3)
    assert "nothing here says of r-0123456789abcdef which network" in bench("eval", "ours.pt")[2]
    small = ("--dataset", "landcover", "--set", "tile_px=64", "--set", "test_tiles=2", "--domain", "urban")
    assert bench("eval", "ours.pt", "--model", four_convs, *small)[0] == 0
