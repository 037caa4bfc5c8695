"""A run or a file of weights as typed -> the network to use; and `bench export`, which writes it as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.console import counting
from bench.cli.data import WORKERS, Asked, Json, Option
from bench.cli.plugins import Plugin
from bench.cli.sweeping import Results, print_json
from bench.spec import BenchError, ExitCode

if TYPE_CHECKING:
    from bench.run.place import Place
    from bench.run.using import Used

Weights = Annotated[
    str, typer.Argument(metavar="RUN|FILE", help="A run's id or how it begins, or a file of weights ([LAYOUT:]FILE).")
]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="The network that a file is for.")]
ModelOption = Annotated[
    list[str] | None, typer.Option("--model-set", metavar="KEY=VALUE", help="An option of that network; repeatable.")
]
OfDataset = Annotated[
    str | None, typer.Option("--dataset", metavar="DATASET", help="The dataset; that of the run by default.")
]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]", help="Where to compute.")]


def export(
    weights: Weights,
    onnx: Annotated[Path, typer.Option("--onnx", metavar="FILE", help="The ONNX file to write.")],
    size: Annotated[
        str | None, typer.Option("--size", metavar="HxW", help="The images' size; that of the run's, else 512x512.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, max=1024, help="Images at a time.")] = 1,
    dataset: OfDataset = None,
    model: Model = None,
    model_option: ModelOption = None,
    option: Option = None,
    results: Results = Path("results"),
    plugin: Plugin = None,
    as_json: Json = False,
) -> int:
    """Write a network as ONNX, without the heads that only training needs, and compare it with torch's logits."""
    import torch

    from bench.batches.normalising import MEAN, STD
    from bench.cli.sizes import parse_size
    from bench.cost.export import to_onnx
    from bench.models.segmodel import SegModel
    from bench.run.picking import FP32, computes
    from bench.store import replace

    used, _, _ = found_weights(weights, dataset, option, model, model_option, "cpu", results, None)
    if type(used.network).deployed is not SegModel.deployed or hasattr(used.network, "episodic"):
        raise BenchError("this network goes on adapting, which ONNX has no words for", remedy="export another run")
    config = used.config
    given = parse_size(size) if size else None
    height, width = given or (config and (config.resize_px or config.crop_px)) or (512, 512)
    images = torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(0))
    facts = {
        "weights": used.what,
        "sha256": used.weights.sha256,
        "classes": ",".join(used.info.class_names),
        "input": "RGB in 0..1, less the mean, by the deviation",
        "mean": ",".join(map(str, MEAN)),
        "std": ",".join(map(str, STD)),
    }
    for part in used.network.modules():
        if isinstance(part, SegModel):
            computes(part, FP32)  # the file says no precision: whoever runs it chooses one
    with counting("exporting", None):
        found = to_onnx(used.network.deployed(), images, facts)
    replace(onnx, found.content)
    shapes = {"input": list(images.shape), "output": list(found.shape)}
    if as_json:
        told = {"file": str(onnx), "bytes": len(found.content), **shapes, "largest_difference": found.apart}
        print_json({**facts_of(used), **told, "largest_logit": found.largest})
        return ExitCode.OK
    print(f"weights: {used.what}")
    sides = " -> ".join("x".join(map(str, shape)) for shape in shapes.values())
    print(f"{onnx}: {len(found.content) / 1e6:.1f} MB, {sides} logits")
    print(f"largest difference from torch on a random image: {found.apart:.2g} (largest logit {found.largest:.2g})")
    return ExitCode.OK


def found_weights(
    weights: str,
    dataset: str | None,
    option: list[str] | None,
    model: str | None,
    model_option: list[str] | None,
    device: str,
    results: Path,
    data_root: Path | None,
) -> tuple[Used, Asked, Place]:
    """The network, the dataset asked about (its own by default) and where it all happens."""
    from bench.run.place import Place, pick_device
    from bench.run.using import find
    from bench.spec import Component
    from bench.store import Store, run_called
    from bench.sweep import option_values

    place = Place(store=Store(results), sweep="", device=pick_device(device), data_root=data_root, workers=WORKERS)
    asked = Asked(dataset, option, data_root) if dataset else None
    if option and not dataset:
        raise BenchError("options of which dataset?", remedy="name it with --dataset", key="--set")
    part = None if model is None else Component(name=model, options=option_values(model_option or []))
    if model_option and model is None:
        raise BenchError("options of which network?", remedy="name it with --model", key="--model-set")
    used = find(run_called(weights, [place.store]) or weights, place, part, asked.info if asked else None)
    if used.config and (asked is None or (asked.component.name == used.config.dataset.name and not option)):
        asked = Asked(used.config.dataset.name, None, data_root, component=used.config.dataset)
    assert asked is not None
    return used, asked, place


def facts_of(used: Used) -> dict[str, Any]:
    weights = used.weights
    facts = {"file": str(weights.file), "sha256": weights.sha256, "step": weights.step, "run_id": weights.run_id}
    return {"weights": {"what": used.what, **facts}, "model": used.model}
