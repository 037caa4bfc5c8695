"""A finished run and two domains -> how much of the gap between them each kind of help at test time would close.

Nothing is trained: the chosen weights are scored on the target as they are, with statistics of normalisation from the
target, with class shares put right, with target images in the source's look.  Which of these helps says what kind of
shift it is.  The true class shares are read off target labels: a diagnosis, never a method's score.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from bench import checkpoint, names
from bench.augment.colours import normalised, shown
from bench.batches import normalise, scoring_batches
from bench.cache import Split
from bench.evaluate.counting import evaluate
from bench.methods.adabn import with_statistics_of
from bench.methods.color_transfer import recoloured
from bench.methods.fda import transferred
from bench.methods.prior_correction import Corrected
from bench.methods.unlabelled import Unlabelled
from bench.models.segmodel import SegModel
from bench.plan import without_weights
from bench.run.chosen import unpack
from bench.run.data import read
from bench.run.numerics import numerics
from bench.run.picking import as_recorded, computes
from bench.run.place import Place
from bench.scores import miou
from bench.spec import BenchError, ExitCode, RunRecord

BATCH, BETA, RARE = 8, 0.05, 1e-4
"""Images at a time; the reach of low frequencies; a class with a smaller share keeps its predictions."""

Change = Callable[[Tensor, Tensor], Tensor]
"""(target images, source images), float (B, 3, h, w) normalised -> the target's in the source's look."""


@dataclass(frozen=True)
class Remedy:
    """`miou` on the target's test split under `name`, and how much of the gap that closes; None where there is none."""

    name: str
    miou: float | None
    closes: float | None
    why_not: str = ""


def remedies(record: RunRecord, source: str, target: str, place: Place, tell: Callable[[str], None]) -> list[Remedy]:
    """A row for the source as it is, the target as it is and with each kind of help, in the run's own precision.

    The gap is that between the scores on the two test splits.  Raises BenchError where the weights are not there.
    """
    device = torch.device(place.device)
    with numerics(as_recorded(record, device), device, deterministic=record.config.deterministic):
        return _remedies(record, source, target, place, tell)


def _remedies(record: RunRecord, source: str, target: str, place: Place, tell: Callable[[str], None]) -> list[Remedy]:
    config, device = record.config, torch.device(place.device)
    network = chosen(record, place)
    train, tests = read(config, source, "train", place), {d: read(config, d, "test", place) for d in (source, target)}
    unlabelled = read(config, target, "target", place)
    scoring, classes = names.build("scoring", config.scoring), len(record.classes)

    def counts(model: SegModel, domain: str, change: Change | None = None) -> Tensor:
        fresh = copy.deepcopy(model)  # it may be one that adapts while it predicts
        return evaluate(fresh, _seen(tests[domain], train, device, change), classes, scoring).sum(0)

    tell("as it is")
    at_home, away = counts(network, source), counts(network, target)
    low, high = _score(away), _score(at_home)
    gap = None if low is None or high is None or high <= low else high - low

    def row(name: str, model: SegModel, change: Change | None = None) -> Remedy:
        tell(name)
        score = _score(counts(model, target, change))
        return Remedy(name, score, None if gap is None or score is None or low is None else (score - low) / gap)

    prior = _offsets(train, away).to(device)
    found = [Remedy("source as it is", high, None), Remedy("target as it is", low, 0.0 if gap else None)]
    images = Unlabelled(unlabelled.images, unlabelled.names)
    try:
        adapted = with_statistics_of(network, images, BATCH, device)
        found.append(row("statistics of BN from the target", adapted))
    except BenchError as error:
        adapted = None
        found.append(Remedy("statistics of BN from the target", None, None, error.problem))
    found.append(row("true class shares of the target", Corrected(network, prior).eval()))
    found.append(row("colours of the source", network, _colours))
    found.append(row("low frequencies of the source", network, _low))
    found.append(row("colours of the source and true shares", Corrected(network, prior).eval(), _colours))
    if adapted is not None:
        found.append(row("statistics of BN and true shares", Corrected(adapted, prior).eval()))
    return found


def chosen(record: RunRecord, place: Place) -> SegModel:
    """The network of a run that was scored, in eval mode on the place's device."""
    path = place.store.run_folder(record.run_id) / "chosen.pt"
    if not path.exists():
        remedy = "run it again with `bench sweep FILE --rerun all -k NAME`, without `--keep none`"
        raise BenchError(f"the weights of {record.name} are not there", remedy=remedy, file=path, code=ExitCode.STORE)
    network = names.build("model", without_weights(record.config.model), len(record.classes)).to(place.device)
    computes(network, as_recorded(record, torch.device(place.device)))
    return unpack(checkpoint.load(path, run_id=record.run_id), network)


def _score(counts: Tensor) -> float | None:
    return miou(counts.tolist())


def _colours(target: Tensor, source: Tensor) -> Tensor:
    return normalised(recoloured(shown(target), shown(source)).clamp_(0, 1))


def _low(target: Tensor, source: Tensor) -> Tensor:
    return normalised(transferred(shown(target), shown(source), BETA).clamp_(0, 1))


def _seen(test: Split, train: Split, device: torch.device, change: Change | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches to score; with `change`, image i in the look of source image i, beginning anew where those end."""
    first = 0
    for images, labels in scoring_batches(test, batch_size=BATCH, device=device):
        if change is not None:
            rows = torch.arange(first, first + len(images)) % len(train)
            images = change(images, normalise(train.images[rows].to(device)))
        first += len(images)
        yield images, labels


def _offsets(train: Split, counts: Tensor) -> Tensor:
    """log of target share over source share (K,), from the labels of both."""
    assert train.counts is not None  # splits that are read have them
    own = torch.as_tensor(train.counts.sum(0), dtype=torch.float64)
    own, other = own / own.sum(), counts.sum(1).double() / counts.sum()
    ratio = torch.where(own > RARE, other.clamp(min=RARE) / own.clamp(min=RARE), 1.0)
    return ratio.log().float()
