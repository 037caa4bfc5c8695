"""Networks of other libraries by prefix: named without their library, built with it, refused in one line without."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from typing import Any

import pytest
import torch

from bench import machine, names
from bench.contracts.promise import examine
from bench.models import FAMILIES, make_model
from bench.models.zoo import foreign
from bench.names.code import code_digests
from bench.plan.costs import _of_todays_code
from bench.spec import BenchError, Component, ExitCode, RunConfig

PARAMS = {
    "hf:nvidia/segformer-b0": 3_715_943,
    "smp:Unet/resnet18": 14_329_079,
    "smp:Segformer/mit_b0": 3_715_943,
    "timm:resnet18": 14_329_079,
    "timm:convnext_atto": 5_775_343,
    "tv:deeplabv3_mobilenet_v3_large": 11_025_576,
    "tv:lraspp_mobilenet_v3_large": 3_219_158,
}
"""Parameters for 7 classes; torchvision states 11,029,328 for 21 of deeplabv3, which is 14 * 268 more."""


def config(model: str) -> RunConfig:
    urban = "landcover/urban"
    return names.resolve_config(
        RunConfig(model=model, dataset="landcover", source=urban, evaluate_on=(urban,), steps=3)
    )  # type: ignore[arg-type]


def needs(name: str) -> None:
    pytest.importorskip(FAMILIES[name.partition(":")[0]].module)


# ------------------------------------------------------------------ names


def test_names_are_known_and_digested_without_any_library() -> None:
    words = (
        "import sys; from bench import names; from bench.spec import Component\n"
        f"for name in {sorted(PARAMS)}:\n"
        "    assert names.resolve('model', Component(name=name)).options['pretrained'] is None\n"
        "assert not {'torch', 'timm', 'transformers', 'torchvision', 'segmentation_models_pytorch'} & {*sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", words], check=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smp:Unit/resnet34", r"unknown model 'smp:Unit/resnet34'; did you mean Unet"),
        ("smp:Unet", r"not of the form smp:<architecture>/<encoder>; write it like smp:Unet/resnet34"),
        ("smp:Unet/", "not of the form"),
        ("hf:nvidia/segformer-b9", r"did you mean nvidia/segformer-b5"),
        ("hf:", "not of the form"),
        ("tv:resnet50", r"did you mean fcn_resnet50"),
        ("timm:a/b", "not of the form timm:<encoder>"),
        ("os:system", "unknown model 'os:system'"),
        ("smpp:Unet/resnet34", r"did you mean smp:Unet/resnet34"),
    ],
)
def test_a_name_that_nothing_answers_to_is_refused(name: str, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        names.entry("model", name)


def test_an_option_of_none_is_refused() -> None:
    with pytest.raises(BenchError, match=r"unknown option 'pretraind'.*did you mean pretrained"):
        names.resolve("model", Component(name="smp:Unet/resnet34", options={"pretraind": None}))


@pytest.mark.parametrize("name", ["smp:Unet/resnet34", "hf:nvidia/segformer-b0", "timm:resnet18"])
def test_without_the_extra_one_line_names_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = FAMILIES[name.partition(":")[0]]
    monkeypatch.setitem(sys.modules, family.module, None)
    wanted = rf"'{name}' needs {family.package}, which is not installed; pip install 'bench\[zoo\]'"
    with pytest.raises(BenchError, match=wanted) as raised:
        make_model(name, 3)
    assert raised.value.code == ExitCode.ENVIRONMENT
    assert names.resolve("model", Component(name=name)).name == name  # its records can be read all the same


def test_a_library_that_cannot_be_imported_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> Any:
        raise RuntimeError("operator missing")

    monkeypatch.setattr(foreign.importlib, "import_module", fail)
    with pytest.raises(BenchError, match=r"timm cannot be imported: RuntimeError: operator missing; install a version"):
        foreign.library("timm")


# ------------------------------------------------------------------ networks


@pytest.mark.parametrize("name", ["smp:Unet/resnet18", "hf:nvidia/segformer-b0", "timm:convnext_atto"])
def test_each_family_keeps_the_promises_of_models(name: str) -> None:
    needs(name)
    assert [f"{one.promise}: {one.fault}" for one in examine("model", Component(name=name)) if one.fault] == []


def test_torchvisions_family_keeps_them() -> None:
    found = [one.fault for one in examine("model", Component(name="tv:lraspp_mobilenet_v3_large")) if one.fault]
    assert found == []


@pytest.mark.parametrize("name", sorted(PARAMS))
def test_parameters_and_stages(name: str) -> None:
    needs(name)
    with torch.device("meta"):
        model = make_model(name, 7)
        assert set(model(torch.zeros(2, 3, 64, 96))) <= {"out", "aux"}
    assert all(p.is_meta for p in model.parameters())
    assert sum(p.numel() for p in model.parameters()) == PARAMS[name]
    words = [word for word, _ in model.stages()]
    assert (words[0], words[-1]) == ("stem", "head")
    assert len(words) > 3


def test_our_decoder_on_timms_resnet_is_our_own_unet() -> None:
    needs("timm:resnet18")
    from bench.models.unet import UNet

    theirs, ours = make_model("timm:resnet18", 5).eval(), UNet(18, 5).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(1, 3, 45, 70)
    with torch.inference_mode():
        assert torch.allclose(theirs(images)["out"], ours(images)["out"], atol=1e-5)
        ours.encoder.conv1.weight.mul_(1.1)  # the control
        assert not torch.allclose(theirs(images)["out"], ours(images)["out"], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm:vit_tiny_patch16_224", "maps at strides 16, 16, 16, which is no pyramid"),
        ("timm:resnot18", r"timm has no encoder 'resnot18'; did you mean resnet18"),
        ("smp:Unet/resnt34", r"has no encoder 'resnt34'; did you mean resnet34"),
    ],
)
def test_what_a_library_has_not_is_refused(name: str, words: str) -> None:
    needs(name)
    with pytest.raises(BenchError, match=words):
        make_model(name, 3)


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("smp:Unet/resnet18", (2, 33, 64), None),
        ("smp:FPN/resnet18", (2, 33, 64), r"multiples of 32, not 33x64; resize or crop to 64x64"),
        ("tv:deeplabv3_mobilenet_v3_large", (1, 64, 64), r"takes no batch of 1 images of 64x64.*batch_size: 2"),
    ],
)
def test_a_size_that_a_network_cannot_take_is_refused(name: str, size: Any, words: str | None) -> None:
    needs(name)
    model = make_model(name, 3)
    images = torch.zeros(size[0], 3, *size[1:])
    if words is None:
        assert model(images)["out"].shape[-2:] == size[1:]
        return
    with pytest.raises(BenchError, match=words):
        model(images)


def test_nothing_is_fetched_unless_asked_and_then_the_fault_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("hf:nvidia/segformer-b0")
    transformers = importlib.import_module("transformers")

    def fetch(*_: Any, **__: Any) -> Any:
        raise ConnectionError("no network")

    monkeypatch.setattr(transformers.SegformerForSemanticSegmentation, "from_pretrained", fetch)
    make_model("hf:nvidia/segformer-b0", 3)
    with torch.device("meta"):
        make_model("hf:nvidia/segformer-b0", 3, pretrained="imagenet")
    with pytest.raises(BenchError, match=r"weights of nvidia/mit-b0: ConnectionError: no network; go online") as raised:
        make_model("hf:nvidia/segformer-b0", 3, pretrained="imagenet")
    assert raised.value.code == ExitCode.ENVIRONMENT


def test_torchvisions_backbone_takes_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import mobilenet_v3_large

    from bench.models.zoo import torchvision_models

    given = mobilenet_v3_large().state_dict()
    monkeypatch.setattr(torchvision_models, "fetch_imagenet", lambda name: {"mobilenet_v3_large": given}[name])
    model: Any = make_model("tv:lraspp_mobilenet_v3_large", 3, pretrained="imagenet")
    assert torch.equal(model.net.backbone["4"].block[0][0].weight, given["features.4.block.0.0.weight"])


# ------------------------------------------------------------------ digests and costs


def test_another_version_of_the_library_is_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda package: "1.0")
    before = code_digests(config("timm:resnet18"))
    assert before["model from timm"] == "1.0"
    monkeypatch.setattr(importlib.metadata, "version", lambda package: "1.1")
    after = code_digests(config("timm:resnet18"))
    assert {part for part in before if before[part] != after[part]} == {"model from timm"}
    assert "model from timm" not in code_digests(config("unet_resnet18"))


def test_counts_of_another_version_are_not_those_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda package: "1.1")
    zoo, own = Component(name="timm:resnet18"), Component(name="unet_resnet18")
    for key in ("timm", "model timm:resnet18"):  # as earlier records name it, and as those of today do
        assert [_of_todays_code(zoo, {key: v}) for v in ("1.0", "1.1")] == [False, True]
    assert _of_todays_code(own, {})


def test_a_record_tells_the_versions_of_what_was_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", sys)
    monkeypatch.delitem(sys.modules, "transformers", raising=False)
    told = machine.software()
    assert "timm" in told
    assert "transformers" not in told
