"""A planned run -> its record, event by event: read, train, choose, score, store."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Iterator
from typing import NoReturn

import torch

from bench import faults, names
from bench.batches import Timed, crop_size, scoring_batches
from bench.cache import Split
from bench.evaluate.counting import evaluate, predict
from bench.journal import Journal
from bench.models.segmodel import SegModel
from bench.names.code import code_digests
from bench.report.curves import curves
from bench.report.pictures import panels
from bench.run.blanks import Blanks
from bench.run.data import read
from bench.run.events import Diverged, Event, Interrupted, Phase, Reached, told_again
from bench.run.graphed import CudaRecorder, Graphed, obstacle
from bench.run.learning import Lesson, attach, batches, length, lesson
from bench.run.macs import training_macs
from bench.run.memory import reset_peak_memory
from bench.run.numerics import named, numerics
from bench.run.parts import build_parts, splits_of
from bench.run.picking import pick
from bench.run.place import Place
from bench.run.rates import Rates
from bench.run.recording import plain, recorded
from bench.run.selecting import Sample, merit
from bench.run.starting import start
from bench.run.states import Kept, States, weights_digest
from bench.run.stopping import EarlyStop
from bench.run.teaching import Teachers
from bench.spec import Evaluation, PlannedRun
from bench.store import Lease
from bench.train import train
from bench.update import Make, Update

SCORING_BATCH = 8
"""Images per forward pass when scoring; a constant, so that scores do not move with the training batch."""


class Run:
    """One run under way: its parts, its data, its journal."""

    def __init__(self, planned: PlannedRun, place: Place, lease: Lease) -> None:
        self.planned, self.config, self.place, self.lease = planned, planned.config, place, lease
        self.device = torch.device(place.device)
        self.folder = place.store.run_folder(planned.run_id)
        self.info = names.dataset_info(self.config.dataset)
        self.scoring = names.build("scoring", self.config.scoring)
        self.journal = Journal()
        self.stopper = EarlyStop(self.config.patience, self.config.min_gain)
        self.blanks = Blanks()
        self.teachers = Teachers(self.config, self.device, lambda: place.store)
        self.digests: dict[str, str] = {}
        self.sample: Sample | None = None
        self.graphed: Graphed | None = None
        self.code = code_digests(self.config)  # now: the files may change while it runs

    def events(self) -> Iterator[Event]:
        """Read, train, choose, score, store."""
        picked, fixed = pick(self.config, self.device), self.config.deterministic
        with numerics(picked, self.device, deterministic=fixed), named():
            yield from self.told()

    def told(self) -> Iterator[Event]:
        """`events`, while torch computes as the configuration asks."""
        reset_peak_memory(self.place.device)
        yield Phase("reading images")
        with self.journal.timed("prepare"):
            read, tests, along = self.prepare()
        if self.begun:
            yield Phase(f"starting from {self.begun}", telling=True)
        if self.config.cuda_graph and self.eager:
            yield Phase(f"step by step, without a CUDA graph: {self.eager}", telling=True)
        beside: dict[str, Kept] = {"stopper": self.stopper, "blanks": self.blanks}
        self.states = States(
            self.planned, self.place, self.lease, self.parts, self.journal, self.info, dict(self.digests), beside
        )
        done = self.states.resume()
        groups = self.parts.optimizers[0].param_groups
        base = self.parts.lr or 1.0  # at a rate of 0 no stage has another
        stages = {g["stage"]: g["initial_lr"] / base for g in groups if "stage" in g}
        yield Phase(f"going on after step {done}" if done else "training", self.steps, stages)
        yield from told_again(self.journal)
        yield from self.train(read, along, done)
        made = self.stopper.stopped_at or self.steps
        yield Phase("scoring", self.steps)
        chosen = self.states.choose(made)
        with self.journal.timed("evaluate"):
            network = self.adapted()
            self.states.keep_chosen(network, chosen)
            per_image = {domain: self.score(network, split, made) for domain, split in tests.items()}
        self.draw(network, tests)
        size = crop_size(read.labelled.images.shape[-2:], self.config.crop_px)
        macs = training_macs(self.config, size, self.steps, made, self.place.store)
        record = recorded(self, read, per_image, chosen=chosen, made=made, macs=macs)
        images = {domain: counts.numpy() for domain, counts in per_image.items()}
        self.place.store.add_run(record, images, self.lease)
        self.states.tidy()
        yield record

    # -------------------------------------------------------------- data and parts

    def prepare(self) -> tuple[Lesson, dict[str, Split], dict[str, Split]]:
        """What is learnt from, the splits that are scored in the end and those along the way; the parts are built."""
        read = lesson(self.config, self.split, self.device)
        tests = {domain: self.split("test", domain) for domain in self.config.evaluate_on}
        along = {domain: self.split("val", domain) for domain in splits_of(self.config)["val"]}
        if along and self.config.target is not None:
            target = read.target or self.split("target", self.config.target)
            self.sample = Sample.of(target, along[self.config.source])
        parts = build_parts(self.config, self.device)
        self.steps, self.per_epoch = length(self.config, len(read.labelled))
        self.begun = start(parts.model, self.config, self.place.store)
        self.weights = weights_digest(parts.model)
        self.parts = attach(parts, self.config, read, self.device, self.steps, self.teachers)
        self.eager = obstacle(self.config, self.parts, self.device)
        self.digests |= {f"{what}:weights": sha256 for what, sha256 in self.foreign().items() if sha256}
        return read, tests, along

    def foreign(self) -> dict[str, str | None]:
        """The digests of the files of weights that this run was given."""
        teacher = (self.teachers.facts or {}).get("sha256")
        return {"init": self.begun.sha256 if self.begun else None, "teacher": teacher}

    def split(self, split: str, domain: str) -> Split:
        """A split of a domain, its digest noted."""
        found = read(self.config, domain, split, self.place)
        self.digests[f"{domain}:{split}"] = found.digest
        return found

    # -------------------------------------------------------------- training

    def train(self, read: Lesson, along: dict[str, Split], start: int) -> Iterator[Event]:
        """Run the loop from step `start` on; score, save and stop between its reports."""
        config, parts = self.config, self.parts
        rates = Rates(config, parts.shape, self.steps, self.per_epoch, lambda: self.journal.evaluations)
        stream = Timed(self.blanks.watch(batches(config, parts, read, self.device, start)))
        every, look = config.evaluate_every, max(1, min(50, self.steps // 20))

        def pause(step: int) -> bool:
            self.place.beat()
            if faults.at("train.step") == "nan":
                next(parts.model.parameters()).data.fill_(float("nan"))
            return step % look == 0 or (every > 0 and step % every == 0) or self.place.stop()

        if start and self.owes(along, start):
            yield self.evaluate_along(along, start)
        loop = train(
            parts.model,
            parts.method,
            parts.optimizers,
            stream,
            steps=self.steps,
            lr_factor=rates.factor,
            pause=pause,
            device=self.device,
            scaler=parts.scaler,
            start=start,
            accumulate=config.accumulate,
            follow=parts.follow,
            momentum=rates.momentum,
            capture=self.captured if config.cuda_graph and not self.eager else None,
        )
        done, saved, waited = start, time.monotonic(), 0.0
        while done < self.steps and self.stopper.stopped_at is None:
            with self.journal.timed("train"):
                progress = next(loop)
            self.journal.seconds["data"] += stream.seconds - waited
            self.journal.seconds["train"] -= stream.seconds - waited
            waited = stream.seconds
            lr = [parts.lr * rates.factor(s) for s in range(done, progress.step)]
            bad = self.journal.note(progress, lr)
            done = progress.step
            if bad is not None:
                self.diverged(bad)
            self.states.good(done)
            yield Reached(done, progress.losses, tuple(lr))  # before it is scored, where a wish to stop ends it
            if self.owes(along, done):
                yield self.evaluate_along(along, done)
            if self.place.stop():
                self.interrupt(done)
            if time.monotonic() - saved > self.place.checkpoint_s and done < self.steps:
                self.states.save(done)
                saved = time.monotonic()

    def captured(self, update: Update) -> Make:
        """Updates of which the device's work is recorded and repeated."""
        self.graphed = Graphed(update, CudaRecorder(self.device))
        return self.graphed

    def diverged(self, step: int) -> NoReturn:
        """Keep what was learnt before the loss of `step`, and end."""
        kept = self.states.keep_good(step - 1)
        spoilt = "" if kept else f" (the gradients of step {step - 1} were not finite, and its loss was)"
        raise Diverged(f"loss is not finite at step {step}; no update was made from there on{spoilt}")

    def interrupt(self, done: int) -> NoReturn:
        """Save the state after `done` updates and end."""
        self.states.save(done)
        raise Interrupted(f"stopped after step {done} of {self.steps}; state saved")

    def owes(self, along: dict[str, Split], step: int) -> bool:
        """Whether scores along the way are due after `step` updates and not taken yet."""
        due = step % self.config.evaluate_every == 0 or step == self.steps if along else False
        return due and not any(evaluation.step == step for evaluation in self.journal.evaluations)

    def evaluate_along(self, along: dict[str, Split], step: int) -> Evaluation:
        """Score the splits that are for looking, keep the scores, and keep the weights if they are the best so far."""
        with self.journal.timed("evaluate"):
            network = self.adapted()
            counts = {domain: plain(self.score(network, split, step).sum(0)) for domain, split in along.items()}
        found: dict[str, float | None] = {}
        if self.sample is not None:
            with self.journal.timed("selection"):
                found = self.sample.scores(
                    self.parts.method, network, counts[self.config.source], self.device, lambda: self.beat(step)
                )
        evaluation = Evaluation(step=step, split="val", confusion=counts, label_free=found)
        self.journal.evaluations.append(evaluation)
        if self.config.choose != "last":
            worth = merit(self.config, counts, found)
            if self.journal.better(worth, step):
                self.states.keep_best(step)
            if step < self.steps:
                self.stopper.look(worth, step)
        return evaluation

    def beat(self, done: int) -> None:
        """A sign of life between updates, `done` of which are made; the run ends here when it is to stop."""
        self.place.beat()
        if self.place.stop():
            self.interrupt(done)

    def adapted(self) -> SegModel:
        """The network to score: the model or its average as it is, or what the method makes of that for the target."""
        return self.parts.method.adapted(self.parts.kept)

    def score(self, network: SegModel, split: Split, done: int) -> torch.Tensor:
        """Per-image confusion counts (N, K, K) of `network`, made of the model after `done` updates."""
        if self.parts.method.online:
            network = copy.deepcopy(network)

        def watched() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            for batch in scoring_batches(split, batch_size=SCORING_BATCH, device=self.device):
                self.beat(done)
                yield batch

        return evaluate(network, watched(), self.info.num_classes, self.scoring)

    # -------------------------------------------------------------- what is left behind

    def draw(self, network: SegModel, tests: dict[str, Split]) -> None:
        """panels.png and curves.png; a picture that fails is a warning, never a failed run."""
        rows = []
        for domain, split in tests.items():
            for index in (0, len(split) // 2):
                batch, _ = next(scoring_batches(_only(split, index), batch_size=1, device=self.device))
                height, width = split.labels.shape[-2:]
                guess = predict(network, batch, (height, width), self.scoring)[0].numpy()
                image = split.images[index].permute(1, 2, 0).cpu().numpy()
                rows.append((f"{domain} {split.names[index]}", image, split.labels[index].cpu().numpy(), guess))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            panels(self.folder / "panels.png", rows, self.info)
            title = f"{self.planned.name}{' (synthetic data)' if names.synthetic(self.config) else ''}"
            curves(self.folder / "curves.png", self.journal.history(), self.journal.evaluations, title=title)
        except Exception as fault:
            warnings.warn(f"no pictures of {self.planned.name}: {fault}", stacklevel=2)


def _only(split: Split, index: int) -> Split:
    row = slice(index, index + 1)
    return Split(split.images[row], split.labels[row], split.names[row], split.digest)
