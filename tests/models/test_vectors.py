"""The networks against reference outputs, key tables and operation counts made outside this repository."""

from __future__ import annotations

import functools
import importlib.util
import json
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.models import make_model
from bench.models.pidnet_blocks import PixelAttention, resize

VECTORS = Path(os.environ.get("BENCH_VECTORS", Path(__file__).parents[2] / ".." / "shared" / "vectors"))
KEYS = VECTORS.parent / "specs" / "keys"
pytestmark = pytest.mark.skipif(
    not VECTORS.is_dir(), reason="no conformance vectors; set BENCH_VECTORS to their folder"
)

CASES = sorted(path.stem for path in VECTORS.glob("*.npz")) or ["none"]
COUNTS = json.loads((VECTORS / "counts.json").read_text()) if VECTORS.is_dir() else [{"id": "none", "conv_macs": 0}]
QUICK = re.compile(r"_1x3x64x96$|pidnet.*_2x3x128x128$|unet|pidnet_s_c7_aux_train|caffe_c7_train")
"""The vectors of the default run; the others are larger or repeat a mode that another network has."""


def _slow(ids: list[Any], is_slow: Callable[[Any], bool], name: Callable[[Any], str]) -> list[Any]:
    return [pytest.param(i, id=name(i), marks=[pytest.mark.slow] if is_slow(i) else []) for i in ids]


def _load(name: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(name, VECTORS / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def checker() -> Iterator[ModuleType]:
    """The checker of the vectors; its filler draws each weight once for all cases."""
    before = list(sys.path)
    module = _load("check_vectors")
    filler = sys.modules["filler"]
    plain, remembered = filler.fill_value, functools.cache(filler.fill_value)
    filler.fill_value = lambda key, shape, salt="": remembered(key, tuple(shape), salt)
    yield module
    filler.fill_value = plain
    sys.path[:] = before


def _run(checker: ModuleType, case: str, change: Callable[[nn.Module], object] | None = None) -> dict[str, Any]:
    def factory(name: str, num_classes: int, **options: Any) -> nn.Module:
        model = make_model(name, num_classes, **options)
        if change is not None:
            change(model)
        return model

    result: dict[str, Any] = checker.run_case(VECTORS / f"{case}.npz", factory)
    return result


@pytest.mark.parametrize("case", _slow(CASES, lambda case: not QUICK.search(case), str))
def test_vector(checker: ModuleType, case: str) -> None:
    assert _run(checker, case)["problems"] == []


def test_no_vector_case_was_lost() -> None:
    assert len(CASES) == 20


# ------------------------------------------------------------------ negative controls: one detail changed


def _relu_inside_layer5(model: Any) -> None:
    model.layer5[0].final_relu = True


def _padding_not_averaged(model: Any) -> None:
    model.spp.scale1[0].count_include_pad = False


def _rates_swapped(first: int) -> Callable[[Any], None]:
    def swap(model: Any) -> None:
        one, other = model.classifier.conv2d_list[first : first + 2]
        one.dilation, other.dilation = other.dilation, one.dilation
        one.padding, other.padding = other.padding, one.padding

    return swap


def _floored_pool(model: Any) -> None:
    model.maxpool.ceil_mode = False


def _stride_in_3x3(model: Any) -> None:
    block = model.layer2[0]
    block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride


def _other_eps(model: Any) -> None:
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = 1e-3


def _slower_statistics(model: Any) -> None:
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 0.01


def _key_renamed(model: Any) -> None:
    model.encoder.first = model.encoder.conv1
    del model.encoder.conv1


@pytest.mark.parametrize(
    ("case", "change", "word"),
    [
        ("pidnet_s_c7_aux_1x3x64x96", _relu_inside_layer5, "deviation"),
        ("pidnet_s_c7_aux_1x3x64x96", _padding_not_averaged, "deviation"),
        ("deeplabv2_r101_caffe_c7_1x3x64x96", _rates_swapped(0), "deviation"),
        pytest.param("deeplabv2_r101_caffe_c7_1x3x232x264", _rates_swapped(2), "deviation", marks=pytest.mark.slow),
        ("deeplabv2_r101_caffe_c7_1x3x64x96", _floored_pool, "shape"),
        ("deeplabv2_r101_caffe_c7_1x3x64x96", _stride_in_3x3, "deviation"),
        ("unet_r18_c7_1x3x64x96", _other_eps, "deviation"),
        ("unet_r18_c7_1x3x64x96", _key_renamed, "state_dict"),
        ("unet_r18_c7_train_4x3x64x96", _slower_statistics, "running stats"),
    ],
)
def test_a_changed_detail_is_caught(
    checker: ModuleType, case: str, change: Callable[[nn.Module], object], word: str
) -> None:
    assert word in " ".join(_run(checker, case, change)["problems"])


def test_projecting_after_the_resize_is_caught_in_train_mode(
    checker: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resize_first(self: PixelAttention, p: Tensor, i: Tensor) -> Tensor:
        i = resize(i, p)
        gate = torch.sigmoid((self.f_x(p) * self.f_y(i)).sum(1, keepdim=True))
        return (1 - gate) * p + gate * i

    monkeypatch.setattr(PixelAttention, "forward", resize_first)
    assert _run(checker, "pidnet_s_c7_aux_1x3x64x96")["problems"] == []
    assert _run(checker, "pidnet_s_c7_aux_train_4x3x128x192")["problems"] != []


def test_a_head_that_reads_before_the_relu_is_caught(checker: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    # Out of place, the kept maps would be the unrectified ones only if the code kept them before; here it keeps after.
    monkeypatch.setattr("bench.models.pidnet._relu", lambda x: x)
    problems = " ".join(_run(checker, "pidnet_s_c7_aux_1x3x64x96")["problems"])
    assert "aux" in problems
    assert "boundary" in problems


# ------------------------------------------------------------------ keys


def _table(name: str) -> dict[str, tuple[int, ...]]:
    rows = (line.split("\t") for line in (KEYS / f"{name}.tsv").read_text().splitlines()[1:])
    return {row[0]: tuple(int(n) for n in row[1].split("x") if n.isdigit()) for row in rows}


@pytest.mark.parametrize(
    ("table", "name", "num_classes", "options"),
    [
        ("pidnet_s_c7_aux", "pidnet_s", 7, {"aux": True}),
        ("pidnet_s_c7_noaux", "pidnet_s", 7, {"aux": False}),
        ("pidnet_m_c19_aux", "pidnet_m", 19, {}),
        ("pidnet_l_c19_aux", "pidnet_l", 19, {}),
        ("deeplabv2_resnet101_c7", "deeplabv2_resnet101", 7, {"variant": "caffe"}),
        ("deeplabv2_resnet101_c7", "deeplabv2_resnet101", 7, {"variant": "torchvision"}),
        ("unet_resnet18_c7", "unet_resnet18", 7, {}),
        ("unet_resnet34_c7", "unet_resnet34", 7, {}),
    ],
)
def test_state_dict_is_the_key_table(table: str, name: str, num_classes: int, options: dict[str, Any]) -> None:
    if not KEYS.is_dir():
        pytest.skip("no key tables beside the conformance vectors (../specs/keys)")
    with torch.device("meta"):
        state = make_model(name, num_classes, **options).state_dict()
    # The order too: optimizers and checkpoints of other tools rely on it.
    assert [(key, tuple(value.shape)) for key, value in state.items()] == list(_table(table).items())


# ------------------------------------------------------------------ operation counts


def _case_model(case: dict[str, Any]) -> nn.Module:
    return make_model(case["arch"], case["num_classes"], **case["options"]).train(case["mode"] == "train")


@pytest.mark.parametrize("case", _slow(COUNTS, lambda case: "_6x3x" in case["id"], lambda case: case["id"]))
def test_params_and_convolution_macs_are_exact(case: dict[str, Any]) -> None:
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as flops:
        model = _case_model(case)
        model(torch.empty(case["shape"]))
    assert sum(p.numel() for p in model.parameters()) == case["params"]
    assert flops.get_total_flops() == case["torch_flops"] == 2 * case["conv_macs"]


@pytest.mark.parametrize(
    "case", _slow(COUNTS, lambda case: case["id"] != "pidnet_s_c7_aux=True_eval_1x3x512x512", lambda case: case["id"])
)
def test_fvcore_counts_are_exact(case: dict[str, Any]) -> None:
    counter = _load("check_counts").default_counter
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fvcore rests on torch.jit, which torch has begun to deprecate
        got = counter(_case_model(case), tuple(case["shape"]))
    logging.disable(logging.NOTSET)  # the counter silences every logger of the process
    assert got == {key: case[key] for key in ("fvcore_total", "conv_macs", "torch_flops")}


def test_a_wrong_resize_changes_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    count, shape = _load("check_counts").default_counter, (1, 3, 64, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        right = count(make_model("pidnet_s", 7).eval(), shape)
        nearest = functools.partial(F.interpolate, mode="nearest")
        monkeypatch.setattr("bench.models.pidnet_blocks.resize", lambda x, like: nearest(x, like.shape[-2:]))
        wrong = count(make_model("pidnet_s", 7).eval(), shape)
    logging.disable(logging.NOTSET)
    assert wrong["conv_macs"] == right["conv_macs"]
    assert wrong["fvcore_total"] != right["fvcore_total"]
