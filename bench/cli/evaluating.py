"""`bench eval`: a run or a file of weights scored on a dataset, as runs are scored."""

from __future__ import annotations

import copy
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from bench.cli.console import counting, print_table
from bench.cli.data import Asked, Json, Option
from bench.cli.plugins import Plugin
from bench.cli.sweeping import DataRoot, Results, print_json
from bench.cli.using import Device, Model, ModelOption, OfDataset, Weights, facts_of, found_weights
from bench.names import near
from bench.spec import BenchError, ExitCode

if TYPE_CHECKING:
    from bench.models.segmodel import SegModel
    from bench.run.place import Place
    from bench.run.using import Used
    from bench.scores import Interval, Scores
    from bench.spec import DatasetInfo


class Scored(NamedTuple):
    """What came of one domain: `confusion` row = label, column = prediction."""

    confusion: list[list[int]]
    scores: Scores
    interval: Interval
    images: int


def evaluate(
    weights: Weights,
    dataset: OfDataset = None,
    domain: Annotated[
        list[str] | None, typer.Option("--domain", metavar="NAME", help="Only this domain; repeatable.")
    ] = None,
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="Which split.")] = "test",
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="A=B", help="The network's class A is the dataset's B; `by-name`: where alike."),
    ] = None,
    model: Model = None,
    model_option: ModelOption = None,
    option: Option = None,
    device: Device = "auto",
    results: Results = Path("results"),
    data_root: DataRoot = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> int:
    """Score a run or a file of weights on a dataset as runs are scored: IoU of each class, mIoU with its interval."""
    used, asked, place = found_weights(weights, dataset, option, model, model_option, device, results, data_root)
    info = asked.info
    for name in domain or ():
        if name not in info.domains:
            remedy = near(name, info.domains)
            raise BenchError(f"{info.name} has no domain '{name}'", remedy=remedy, key="--domain")
    network = _in_classes_of(info, used, mapping)
    found = {name: _score(used, network, asked, name, split, place) for name in domain or info.domains}
    if as_json:
        facts = {"dataset": info.name, "split": split, "map": mapping}
        print_json({**facts_of(used), **facts, "domains": {k: _plain(v, info.class_names) for k, v in found.items()}})
        return ExitCode.OK
    print(f"weights: {used.what}")
    _print_scores(found, info.class_names, split)
    return ExitCode.OK


def _in_classes_of(info: DatasetInfo, used: Used, mapping: list[str] | None) -> SegModel:
    """The network for the dataset's classes: its own, or declared to be those of `mapping`."""
    from bench.run.using import ByMap, groups_of

    if mapping:
        declared = None if mapping == ["by-name"] else dict(map(_pair, mapping))
        return ByMap(used.network, groups_of(declared, used.info.class_names, info.class_names))
    if used.info.class_names != info.class_names:
        problem = f"the network has {used.info.num_classes} classes that are not the {info.num_classes} of {info.name}"
        remedy = "declare which is which: --map ITS_CLASS=DATASET_CLASS, or --map by-name"
        raise BenchError(problem, remedy=remedy, key="--dataset")
    return used.network


def _score(used: Used, network: SegModel, asked: Asked, domain: str, split: str, place: Place) -> Scored:
    """The counts of one domain and what follows from them."""
    import torch

    from bench.run.data import read
    from bench.run.using import counts_of, request_of
    from bench.scores import bootstrap_interval, miou, summary

    request = request_of(used, asked.component, domain)
    data = read(request, request.source, split, place)
    with counting(f"scoring {domain}", len(data)) as tick:
        fresh = copy.deepcopy(network)  # it may be one that adapts while it predicts
        counts = counts_of(used, fresh, data, asked.info.num_classes, torch.device(place.device), tick)
    total = counts.sum(0).tolist()
    return Scored(total, summary(total), bootstrap_interval(counts.numpy(), miou), len(counts))


def _pair(text: str) -> tuple[str, str]:
    one, sign, other = text.partition("=")
    if not (one and sign and other):
        raise BenchError(
            f"'{text}' maps nothing", remedy="write ITS_CLASS=DATASET_CLASS, or by-name alone", key="--map"
        )
    return one, other


def _plain(found: Scored, classes: tuple[str, ...]) -> dict[str, Any]:
    scores = asdict(found.scores)
    for name in ("iou", "recall", "dice"):
        scores[name] = dict(zip(classes, scores[name], strict=True))
    return {
        "images": found.images,
        "miou": found.scores.miou,
        "interval": [found.interval.low, found.interval.high],
        "scores": scores,
        "confusion": found.confusion,
    }


def _print_scores(found: dict[str, Scored], classes: tuple[str, ...], split: str) -> None:
    each = list(found.values())
    rows = [(name, *(_cell(one.scores.iou[k]) for one in each)) for k, name in enumerate(classes)]
    rows.append(("mIoU", *(_cell(one.scores.miou) for one in each)))
    rows.append(("  95 % interval", *(_range(one.interval) for one in each)))
    rows.append(("pixel accuracy", *(_cell(one.scores.pixel_accuracy) for one in each)))
    rows.append((f"images ({split})", *(str(one.images) for one in each)))
    print_table(("IoU (%)", *found), rows, right=range(1, len(found) + 1))
    print("intervals are over images (bootstrap); classes that are absent from labels and predictions are in no mean")


def _cell(value: float | None) -> str:
    return "absent" if value is None else f"{100 * value:.2f}"


def _range(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return "one image"
    return f"{100 * interval.low:.2f} to {100 * interval.high:.2f}"
