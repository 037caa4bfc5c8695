"""`init:`: weights of runs, of our files and of public layouts, what became of each tensor, and what is refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench import checkpoint, names
from bench.batches.normalising import MEAN, STD, normalise
from bench.models.segmodel import SegModel
from bench.names.lineage import in_order, is_run, runs_before, weights_before
from bench.plan import plan
from bench.run.attempt import attempt
from bench.run.blueprint import blueprint, class_tensors
from bench.run.checking import check
from bench.run.layouts import CAFFE_MEAN, LAYOUTS, recognised, translated, unwrapped
from bench.run.place import Place
from bench.run.starting import check_start, split_layout, start
from bench.run.teaching import Teachers
from bench.run.training import Run
from bench.run.weights import read_weights, weights_of
from bench.spec import BenchError, Component, ExitCode, Failure, PlannedRun, RunConfig, RunRecord, Sweep
from bench.store import Store, dump

Make = Callable[..., PlannedRun]
OTHER = "r-0123456789abcdef"


@pytest.fixture
def planned(planned: Make, four_convs: str) -> Make:
    return lambda **changes: planned(**{"model": four_convs, **changes})


@pytest.fixture
def place(results: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(Run, "draw", lambda *_: None)
    return Place(store=Store(results), sweep="test", workers=1)


def finish(run: PlannedRun, place: Place) -> Any:
    *_, last = attempt(run, place)
    return last


def finished(run: PlannedRun, place: Place) -> RunRecord:
    record = finish(run, place)
    assert isinstance(record, RunRecord), record
    return record


def built(config: RunConfig) -> SegModel:
    torch.manual_seed(5)
    model: SegModel = names.build("model", config.model, names.dataset_info(config.dataset).num_classes)
    return model


def saved(tmp_path: Path, state: Any, **how: Any) -> Path:
    path = tmp_path / "weights.pth"
    torch.save(state, path, **how)
    return path


# -------------------------------------------------------------------- of a run


def test_a_run_starts_from_the_chosen_weights_of_another(planned: Make, place: Place) -> None:
    first = planned()
    finished(first, place)
    second = planned(init=first.run_id)
    assert second.run_id != first.run_id
    record = finished(second, place)
    assert record.init is not None
    assert (record.init["from"], record.init["layout"], record.init["missing"]) == (first.run_id, "plain", 0)
    found = weights_of(place.store, first.run_id)
    assert record.init["sha256"] == found.sha256 == record.data_digests["init:weights"]
    model = built(second.config)
    begun = start(model, second.config, place.store)
    assert begun is not None
    assert all(torch.equal(tensor, found.tensors[name]) for name, tensor in model.state_dict().items())
    assert str(begun) == f"{first.run_id} (plain): {len(found.tensors)} matched, 0 skipped, 0 unexpected, 0 missing"
    assert record.weights_sha256 != finished(planned(seed=0, steps=5), place).weights_sha256


def test_a_run_that_has_not_finished_is_named(planned: Make, place: Place) -> None:
    failure = finish(planned(init=OTHER), place)
    assert isinstance(failure, Failure)
    assert (failure.state, OTHER in failure.reason, "run it first" in failure.reason) == ("data", True, True)
    with pytest.raises(BenchError, match=f"{OTHER} has not finished") as caught:
        check([planned(init=OTHER).config], place)
    assert caught.value.code == ExitCode.DATA
    first = planned()
    check([first.config, planned(init=first.run_id).config], place)  # there by then
    finished(first, replace(place, keep="none"))
    with pytest.raises(BenchError, match="has a record and no weights here; run it again"):
        weights_of(place.store, first.run_id)


def test_other_weights_make_a_record_stale(planned: Make, place: Place) -> None:
    first = planned()
    finished(first, place)
    second = planned(init=first.run_id)
    finished(second, place)
    sweep = Sweep(name="s", runs=(first, second))
    assert [state for _, state in plan(sweep, place.store).states] == ["done", "done"]
    path = place.store.run_folder(first.run_id) / "chosen.pt"
    state = checkpoint.load(path, run_id=first.run_id)
    state["model"]["stem.0.bias"] += 1
    checkpoint.save(path, state, run_id=first.run_id, step=4)
    later = plan(sweep, place.store)
    assert [state for _, state in later.states] == ["done", "stale-data"]
    assert later.why() == ""
    assert later.why(second.run_id) == "data: init"


def test_the_head_is_left_out_where_the_classes_are_others_of_the_same_number(planned: Make, place: Place) -> None:
    first = planned()
    record = finished(first, place)
    path = place.store.run_file(first.run_id)
    path.write_bytes(dump(record.model_copy(update={"classes": tuple(f"class {k}" for k in range(7))})))
    config = planned(init=first.run_id).config
    before = built(config)
    model = built(config)
    begun = start(model, config, place.store)
    assert begun is not None
    assert begun.report.skipped == ("head.weight", "head.bias")
    assert begun.facts()["other_classes"]
    assert torch.equal(model.state_dict()["head.weight"], before.state_dict()["head.weight"])
    assert not torch.equal(model.state_dict()["stem.0.weight"], before.state_dict()["stem.0.weight"])


def test_class_tensors_are_those_of_the_heads() -> None:
    found = class_tensors(Component(name="pidnet_s", options={"aux": True}), 7)
    assert found == {f"{head}.conv2.{part}" for head in ("final_layer", "seghead_p") for part in ("weight", "bias")}


# -------------------------------------------------------------------- order


def test_runs_stand_behind_those_whose_weights_they_take(planned: Make) -> None:
    first = planned(steps=9)
    second = planned(init=first.run_id)
    taught = planned(method={"name": "distillation", "teacher": second.run_id})
    both = planned(init=second.run_id, steps=2)
    runs = [taught, both, second, first]
    assert list(in_order({run.run_id: run.config for run in runs})) == [
        run.run_id for run in (first, second, taught, both)
    ]
    assert list(in_order({run.run_id: run.config for run in runs[:2]})) == [taught.run_id, both.run_id]
    assert runs_before(taught.config) == (second.run_id,)
    assert weights_before(taught.config) == {"teacher": second.run_id}
    assert weights_before(second.config) == {"init": first.run_id}
    assert (is_run("r-12"), is_run(first.run_id), is_run({"name": "unet"})) == (False, True, False)


# -------------------------------------------------------------------- of files


def test_a_file_of_ours_and_a_foreign_one_do_alike(planned: Make, place: Place, tmp_path: Path) -> None:
    source = built(planned().config)
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.normal_()
    checkpoint.save(tmp_path / "ours.pt", {"model": source.state_dict(), "step": 3}, run_id=OTHER, step=3)
    plain = source.state_dict()
    wrapped = {f"module.model.{name}": tensor for name, tensor in plain.items()}
    for path in (
        tmp_path / "ours.pt",
        saved(tmp_path, plain).rename(tmp_path / "plain.pth"),
        saved(tmp_path, {"state_dict": wrapped, "epoch": 3}).rename(tmp_path / "wrapped.pth"),
        saved(tmp_path, plain, _use_new_zipfile_serialization=False).rename(tmp_path / "old.pth"),
    ):
        config = planned(init=str(path)).config
        model = built(config)
        torch.nn.init.zeros_(next(model.parameters()))
        begun = start(model, config, place.store)
        assert begun is not None
        assert len(begun.report.matched) == len(plain), path
        assert all(torch.equal(tensor, plain[name]) for name, tensor in model.state_dict().items())


def test_another_number_of_classes_skips_the_head(planned: Make, place: Place, four_convs: str, tmp_path: Path) -> None:
    other: SegModel = names.build("model", Component(name=four_convs), 19)
    config = planned(init=str(saved(tmp_path, other.state_dict()))).config
    begun = start(built(config), config, place.store)
    assert begun is not None
    assert begun.report.skipped == ("head.weight", "head.bias")
    assert "2 skipped (head.weight, head.bias)" in str(begun)


def _nothing(tmp_path: Path) -> str:
    return str(tmp_path / "nothing.pth")


class Thing:
    """No tensor."""


def _squeezed(tmp_path: Path) -> str:
    path = saved(tmp_path, {"stem.0.weight": torch.zeros(10**5)})
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "z.pth", "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    return str(tmp_path / "z.pth")


def _written(tmp_path: Path, content: bytes) -> str:
    (tmp_path / "file.pth").write_bytes(content)
    return str(tmp_path / "file.pth")


def _damaged(tmp_path: Path) -> str:
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(2)}, buffer)
    head = checkpoint._head(OTHER, 1, buffer.getvalue())
    return _written(tmp_path, head + buffer.getvalue()[:-1] + b"?")


WRONG: list[tuple[Callable[[Path], str], str]] = [
    (_nothing, "there is no such file of weights"),
    (str, "there is no such file of weights"),
    (lambda p: _written(p, b""), "cannot be read"),
    (lambda p: _written(p, b"<html>not found</html>"), "cannot be read"),
    (_damaged, "checkpoint is damaged; restore it"),
    (_squeezed, "claims more than its bytes hold"),
    (lambda p: str(saved(p, {"a": torch.zeros(1).expand(10**6, 10**6)})), "claims more than its bytes hold"),
    (lambda p: str(saved(p, nn.Conv2d(1, 1, 1))), "cannot be read .*save its state_dict alone"),
    (lambda p: str(saved(p, {"a": Thing()})), "cannot be read .*save its state_dict alone"),
    (lambda p: str(saved(p, {"epoch": 3})), "holds no tensors by name"),
    (lambda p: str(saved(p, {"a.weight": torch.zeros(2)})), "no tensor of weights.pth fits the network"),
    (lambda p: str(saved(p, {"stem.1.num_batches_tracked": torch.tensor(3)})), "no weight of weights.pth fits"),
    (
        lambda p: str(saved(p, {"stem.0.bias": torch.full((8,), torch.nan)})),
        "bias holds values that are not fin",
    ),
]


@pytest.mark.parametrize(("file", "words"), WRONG, ids=[words[:30] + str(i) for i, (_, words) in enumerate(WRONG)])
def test_what_cannot_be_started_from_is_one_line_and_a_fault_of_data(
    planned: Make, place: Place, tmp_path: Path, file: Callable[[Path], str], words: str
) -> None:
    config = planned(init=file(tmp_path)).config
    for attempted in (lambda: start(built(config), config, place.store), lambda: check_start(config, place.store, ())):
        with pytest.raises(BenchError, match=words) as caught:
            attempted()  # type: ignore[no-untyped-call]
        assert caught.value.code == ExitCode.DATA
        assert "\n" not in str(caught.value)


# -------------------------------------------------------------------- public layouts


def deeplab(variant: str = "caffe", classes: int = 7) -> tuple[Component, dict[str, Tensor]]:
    part = names.resolve("model", Component(name="deeplabv2_resnet101", options={"variant": variant}))
    shapes = blueprint(part, classes).state_dict()
    stem = ("conv1.", "bn1.")
    return part, {name: torch.zeros(t.shape) if name.startswith(stem) else t for name, t in shapes.items()}


BODY = ("conv1.", "bn1.", "layer")


def as_adaptsegnet(own: dict[str, Tensor], prefix: str = "", head: str = "layer6") -> dict[str, Tensor]:
    found = {prefix + name.replace("classifier", head): tensor for name, tensor in own.items()}
    if head == "layer6":
        found |= {f"{prefix}layer5.conv2d_list.{i}.bias": torch.zeros(7, device="meta") for i in range(4)}
    return found


def as_kazuto(own: dict[str, Tensor]) -> dict[str, Tensor]:
    """By hand from the other side, so that two mistakes would have to agree."""
    units = {"conv1": "reduce.conv", "bn1": "reduce.bn", "conv2": "conv3x3.conv", "bn2": "conv3x3.bn"}
    units |= {"conv3": "increase.conv", "bn3": "increase.bn"}
    found = {}
    for name, tensor in own.items():
        words = name.split(".")
        if words[0] == "classifier":
            theirs = f"base.aspp.c{words[2]}.{words[3]}"
        elif words[0] in ("conv1", "bn1"):
            theirs = f"base.layer1.conv1.{words[0][:-1]}.{words[1]}"
        else:
            block = f"base.layer{int(words[0][5:]) + 1}.block{int(words[1]) + 1}"
            down = words[2] == "downsample"
            unit = ("shortcut.conv", "shortcut.bn")[int(words[3])] if down else units[words[2]]
            theirs = f"{block}.{unit}.{words[-1]}"
        found[theirs] = tensor
    return found


FILES: dict[str, tuple[str, Callable[[dict[str, Tensor]], dict[str, Tensor]]]] = {
    "ours": ("plain", dict),
    "wrapped": ("plain", lambda own: {f"module.{name}": tensor for name, tensor in own.items()}),
    "adaptsegnet, two levels": ("adaptsegnet", as_adaptsegnet),
    "adaptsegnet, one level": ("adaptsegnet", lambda own: as_adaptsegnet(own, head="layer5")),
    "adaptsegnet, COCO": ("adaptsegnet", lambda own: as_adaptsegnet(own, "Scale.", "layer5")),
    "mldl": ("mldl", lambda own: {n.replace("classifier", "layer6"): t for n, t in own.items()}),
    "kazuto": ("kazuto", as_kazuto),
}


@pytest.mark.parametrize("file", FILES)
def test_public_names_of_deeplab_become_ours(file: str) -> None:
    layout, theirs = FILES[file]
    _, own = deeplab()
    found = unwrapped(theirs(own), own)
    assert recognised(found) == layout
    named = translated(found, layout, own)
    assert {name: tuple(named[name].shape) for name in own} == {name: tuple(t.shape) for name, t in own.items()}
    assert all(name.startswith("layer5") for name in named.keys() - own.keys())


def test_a_bare_resnet_is_a_body_or_an_encoder() -> None:
    _, own = deeplab("torchvision")
    resnet = {name: tensor for name, tensor in own.items() if name.startswith(BODY)} | {"fc.weight": torch.zeros(1)}
    assert recognised(resnet) == "torchvision"
    assert set(translated(resnet, "torchvision", own)) - set(own) == {"fc.weight"}
    unet = blueprint(Component(name="unet_resnet18"), 7).state_dict()
    small = {n.removeprefix("encoder."): t for n, t in unet.items() if n.startswith("encoder.")} | {
        "fc.weight": torch.zeros(1)
    }
    assert set(translated(small, "torchvision", unet)) - {"fc.weight"} == {n for n in unet if n.startswith("encoder.")}


def test_networks_for_caffe_images_take_ours() -> None:
    """The stem on BGR bytes less a mean, and the one made over on normalised RGB: alike but at the border."""
    torch.manual_seed(0)
    theirs = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8)).eval()
    nn.init.uniform_(theirs[1].running_mean, -100, 100)  # type: ignore[arg-type]
    nn.init.uniform_(theirs[1].running_var, 500, 2000)  # type: ignore[arg-type]
    state = {f"{('conv1', 'bn1')[int(n[0])]}{n[1:]}": t for n, t in theirs.state_dict().items()}
    named = translated(state, "kazuto", ())
    ours = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8)).eval()
    ours.load_state_dict(
        {f"{'0' if n.startswith('conv1') else '1'}.{n.partition('.')[2]}": t for n, t in named.items()}
    )
    pixels = torch.randint(256, (1, 3, 32, 32), dtype=torch.uint8)
    caffe = (pixels.float() - torch.tensor(CAFFE_MEAN)[:, None, None]).flip(1)
    with torch.no_grad():
        one, other, untouched = theirs(caffe), ours(normalise(pixels)), theirs(normalise(pixels))
    inner = (..., slice(2, -2), slice(2, -2))
    assert torch.allclose(one[inner], other[inner], atol=1e-4)
    assert not torch.allclose(one[inner], untouched[inner], atol=0.1)
    assert (one - other).abs().max() < 0.1
    assert (MEAN[0], STD[0]) == (0.485, 0.229)


def test_weights_of_the_other_body_are_refused(planned: Make, place: Place, tmp_path: Path) -> None:
    path = tmp_path / "coco.pth"
    state = {"Scale.conv1.weight": torch.zeros(64, 3, 7, 7), "Scale.layer5.conv2d_list.0.bias": torch.zeros(21)}
    torch.save(state, path)
    config = planned(init=str(path), model={"name": "deeplabv2_resnet101", "variant": "torchvision"}).config
    with pytest.raises(BenchError, match=r"weights of the caffe body.*variant: caffe"):
        check_start(config, place.store, ())
    check_start(planned(init=str(path), model="deeplabv2_resnet101").config, place.store, ())


def test_a_layout_may_be_named(tmp_path: Path) -> None:
    assert split_layout("kazuto:a/b.pth") == ("kazuto", "a/b.pth")
    assert split_layout("a/b:c.pth") == (None, "a/b:c.pth")
    assert split_layout(OTHER) == (None, OTHER)
    with pytest.raises(BenchError, match="unknown layout 'kazuo'; did you mean kazuto"):
        split_layout("kazuo:b.pth")
    assert list(LAYOUTS)[-1] == "plain"  # it takes all


# -------------------------------------------------------------------- teachers


def test_a_run_teaches_another_and_both_stand_in_the_record(planned: Make, place: Place, four_convs: str) -> None:
    first = planned()
    finished(first, place)
    student = planned(model={"name": four_convs, "width": 4}, method={"name": "distillation", "teacher": first.run_id})
    check([student.config], place)
    record = finished(student, place)
    assert record.teacher is not None
    found = weights_of(place.store, first.run_id)
    assert {k: record.teacher[k] for k in ("from", "sha256", "trained")} == {
        "from": first.run_id,
        "sha256": found.sha256,
        "trained": False,
    }
    assert record.teacher["model"]["width"] == 8
    assert record.config.model.options["width"] == 4
    assert record.data_digests["teacher:weights"] == found.sha256
    assert record.training_macs is not None
    alone = finished(planned(model={"name": four_convs, "width": 4}), place)
    assert alone.teacher is None
    assert alone.training_macs is not None
    assert record.training_macs > alone.training_macs


def test_a_teacher_that_learns_is_noted_too(planned: Make, place: Place, four_convs: str) -> None:
    run = planned(method={"name": "distillation", "teacher": {"name": four_convs, "width": 12}})
    record = finished(run, place)
    assert record.teacher is not None
    assert (record.teacher["from"], record.teacher["trained"]) == (None, True)
    assert record.teacher["model"] == {"name": four_convs, "width": 12}
    assert "teacher" in record.history.losses


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"teacher": "unet_resnet43"}, "method.teacher: unknown model 'unet_resnet43'; did you mean"),
        ({"teacher": {"name": "four_convs", "widht": 3}}, "method.teacher: unknown option 'widht'"),
        ({"teacher": {"width": 3}}, "names no teacher"),
        ({"teacher": OTHER}, f"{OTHER} has not finished"),
    ],
)
def test_a_teacher_that_is_none_is_told_before_the_run(
    planned: Make, place: Place, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(BenchError, match=words):
        check([planned(method={"name": "distillation", **options}).config], place)


def test_a_teacher_with_other_classes_or_half_of_its_weights_is_refused(
    planned: Make, place: Place, four_convs: str, tmp_path: Path
) -> None:
    first = planned()
    record = finished(first, place)
    other = record.model_copy(update={"classes": ("a", "b")})
    place.store.run_file(first.run_id).write_bytes(dump(other))
    teachers = Teachers(first.config, torch.device("cpu"), lambda: place.store)
    with pytest.raises(BenchError, match="has 2 classes that are not the 7 of this run"):
        teachers(first.run_id, None)
    nineteen: SegModel = names.build("model", Component(name=four_convs), 19)
    path = saved(tmp_path, nineteen.state_dict())
    with pytest.raises(BenchError, match=r"has nothing that fits head.weight and 1 more of four_convs"):
        teachers(four_convs, str(path))
    seven: SegModel = names.build("model", Component(name=four_convs), 7)
    path = saved(tmp_path, {n: t for n, t in seven.state_dict().items() if "num_batches" not in n})
    assert torch.equal(teachers(four_convs, str(path)).state_dict()["head.bias"], seven.state_dict()["head.bias"])
    assert teachers.facts is not None
    assert teachers.facts["sha256"] == read_weights(path).sha256
