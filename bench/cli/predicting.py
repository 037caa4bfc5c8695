"""`bench predict`: photos -> overlays with a legend, and class numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import counting, say
from bench.cli.data import Json, Option
from bench.cli.plugins import Plugin
from bench.cli.sweeping import DataRoot, Results, print_json
from bench.cli.using import Device, Model, ModelOption, OfDataset, Weights, facts_of, found_weights
from bench.spec import BenchError, ExitCode


def predict(
    weights: Weights,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photos, or folders of photos.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where pictures go.")] = Path("predictions"),
    dataset: OfDataset = None,
    model: Model = None,
    model_option: ModelOption = None,
    option: Option = None,
    device: Device = "auto",
    results: Results = Path("results"),
    data_root: DataRoot = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> int:
    """Label photos of any size: for each an overlay with a legend, and a PNG of the class numbers."""
    import torch

    from bench.datasets.reading import read_image
    from bench.report.overlay import class_numbers, overlay
    from bench.run.predicting import classes_of, photos

    paths = photos(images)
    used, _, place = found_weights(weights, dataset, option, model, model_option, device, results, data_root)
    info = used.info
    stems, written, faults = set[str](), [], list[BenchError]()
    if not as_json:
        print(f"weights: {used.what}")
    with counting("predicting", len(paths)) as tick:
        for path in paths:
            try:
                image = read_image(path)
                guess = classes_of(used, image, torch.device(place.device))
            except BenchError as fault:
                faults.append(fault)
                say(f"bench: error: {fault}", sys.stderr)
                continue
            stem = _unused(path.stem, stems)
            drawn, numbers = out / f"{stem}.overlay.png", out / f"{stem}.classes.png"
            overlay(drawn, f"{path.name}: {used.weights.name}", image, guess, info)
            class_numbers(numbers, guess, info)
            written.append({"image": str(path), "overlay": str(drawn), "classes": str(numbers)})
            if not as_json:
                say(f"{path}: {drawn}, {numbers}")
            tick()
    if as_json:
        failed = [str(fault) for fault in faults]
        print_json({**facts_of(used), "class_names": info.class_names, "predictions": written, "failed": failed})
    return ExitCode.DATA if faults else ExitCode.OK


def _unused(stem: str, taken: set[str]) -> str:
    """`stem`, or with a number where a photo before has it already."""
    found, number = stem, 1
    while found.lower() in taken:
        number += 1
        found = f"{stem}-{number}"
    taken.add(found.lower())
    return found
