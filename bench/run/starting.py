"""`init:` of a configuration -> the model with those weights, and what of them it took over.

    init: r-0123456789abcdef       the chosen weights of that run, which has finished in the same store
    init: weights/file.pth         a checkpoint of ours or a public one, its layout recognised by its names
    init: adaptsegnet:file.pth     the same, in a layout of `bench.run.layouts` that is named

A path starts at the working folder.  Tensors that depend on the number of classes stay as they were drawn where the
file's are of other classes, and are named.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from bench import names
from bench.models.segmodel import SegModel
from bench.models.weights import LoadReport, load_matching
from bench.names.lineage import is_run, weights_before
from bench.plan.needed import KEYS
from bench.run.blueprint import blueprint, class_tensors
from bench.run.layouts import LAYOUTS, recognised, translated, unwrapped
from bench.run.weights import Weights, classes_of, find_weights, refuse_infinite
from bench.spec import JSON, BenchError, Component, ExitCode, RunConfig
from bench.store import Store

SHOWN = 20
"""Names of tensors that a record lists; it counts all of them."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a model starts from: `origin` is a run's id or a file, `report` says what became of each tensor.

    `other_classes` says that the tensors of the head were left out because the run has other classes.
    """

    origin: str
    layout: str
    sha256: str
    report: LoadReport
    other_classes: bool = False

    def __str__(self) -> str:
        """`r-... (plain): 92 matched, 2 skipped (...), 0 unexpected, 0 missing`."""
        return f"{self.origin} ({self.layout}): {self.report}"

    def facts(self) -> dict[str, JSON]:
        """What a record keeps: counts, and the names of what was skipped or is missing, up to SHOWN of each."""
        report = self.report
        return {
            "from": self.origin,
            "layout": self.layout,
            "sha256": self.sha256,
            "matched": len(report.matched),
            "unexpected": len(report.unexpected),
            "skipped": len(report.skipped),
            "missing": len(report.missing),
            "skipped_names": list(report.skipped[:SHOWN]),
            "missing_names": list(report.missing[:SHOWN]),
            "other_classes": self.other_classes,
        }


def start(model: SegModel, config: RunConfig, store: Store) -> Start | None:
    """Give `model` the weights that `config.init` names; None where it names none.

    Raises BenchError (code DATA) for weights that are missing or broken, of which nothing fits, of another body than
    the model's, or not finite.
    """
    if config.init is None:
        return None
    layout, text = split_layout(config.init)
    try:
        found = find_weights(text, store)
    except BenchError as error:
        raise error.at(key="init") from None
    classes = names.dataset_info(config.dataset).class_names
    others = found.run_id is not None and classes_of(store, found.run_id) not in (None, classes)
    skip = class_tensors(config.model, len(classes)) if others else frozenset[str]()
    taken = take(model, config.model, found, layout, skip)
    return Start(
        origin=found.run_id or str(found.file),
        layout=taken[0],
        sha256=found.sha256,
        report=taken[1],
        other_classes=bool(skip),
    )


def take(
    model: SegModel, part: Component, found: Weights, layout: str | None = None, skip: Collection[str] = ()
) -> tuple[str, LoadReport]:
    """Copy what fits of `found` into `model`, built from `part`; gives the layout and the report.

    Raises BenchError (code DATA) as `start` does.
    """
    own = model.state_dict()
    tensors = unwrapped(found.tensors, own)
    layout = layout or recognised(tensors)
    _refuse_body(layout, part, found)
    named = translated(tensors, layout, own)
    left_out = tuple(name for name in named if name in skip)
    kept = {name: tensor for name, tensor in named.items() if name not in skip}
    refuse_infinite(found, {name: tensor for name, tensor in kept.items() if name in own})
    try:
        report = load_matching(model, _of_the_networks_kind(kept, own), origin=found.name)
    except BenchError as error:
        raise BenchError(error.problem, remedy=error.remedy, file=found.file, key="init", code=ExitCode.DATA) from None
    parameters = {name for name, _ in model.named_parameters()}
    if not parameters.intersection(report.matched):
        problem = f"no weight of {found.name} fits the network: {report}"
        remedy = "use a checkpoint of this model"
        raise BenchError(problem, remedy=remedy, file=found.file, key="init", code=ExitCode.DATA)
    missing = tuple(name for name in report.missing if name not in left_out)
    return layout, LoadReport(report.matched, (*report.skipped, *left_out), report.unexpected, missing)


def split_layout(text: str) -> tuple[str | None, str]:
    """`adaptsegnet:file.pth` -> the layout and the rest; (None, text) where no layout is named."""
    head, colon, rest = text.partition(":")
    if not colon or "/" in head or Path(text).exists():
        return None, text
    if head not in LAYOUTS:
        raise BenchError(f"unknown layout '{head}'", remedy=names.near(head, LAYOUTS), key="init")
    return head, rest


def check_start(config: RunConfig, store: Store, planned: Collection[str]) -> None:
    """What can be said of a run's weights before it runs: those of runs that are `planned` will be there by then.

    Raises BenchError (code DATA) naming the run that has to come first.
    """
    for key, text in weights_before(config).items():
        if is_run(text) and text not in planned:
            try:
                find_weights(text, store)
            except BenchError as error:
                raise error.at(key=KEYS[key]) from None
    if config.init is not None and not (is_run(config.init) and config.init in planned):
        classes = names.dataset_info(config.dataset).num_classes
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns that a tensor without values takes none
            start(blueprint(config.model, classes), config, store)


def _of_the_networks_kind(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Numbers of a floating type where the network has such: what is not is another thing of the same name."""
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name not in own or own[name].is_floating_point() == tensor.is_floating_point()
    }


def _refuse_body(layout: str, part: Component, found: Weights) -> None:
    """DeepLabV2's two bodies have the same tensors and other strides: weights of one are wrong in the other."""
    body, variant = LAYOUTS[layout].body, part.options.get("variant")
    if part.name == "deeplabv2_resnet101" and body is not None and variant not in (None, body):
        problem = f"{found.name} has weights of the {body} body, and the model has the {variant} one"
        remedy = f"set `model: {{name: {part.name}, variant: {body}}}`"
        raise BenchError(problem, remedy=remedy, key="init", code=ExitCode.DATA)
