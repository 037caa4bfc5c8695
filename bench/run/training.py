"""A planned run -> its record, event by event: read, train, choose, score, store."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Iterator
from typing import Any, NoReturn

import torch

from bench import faults, machine, names
from bench.batches import Timed, crop_size, scoring_batches, steps_per_epoch
from bench.cache import Split
from bench.evaluate.counting import evaluate, predict
from bench.journal import Journal
from bench.models.segmodel import SegModel
from bench.names.code import code_digests
from bench.report.curves import curves
from bench.report.pictures import panels
from bench.run.data import read
from bench.run.events import Diverged, Event, Interrupted, Phase, Reached, told_again, utc_now
from bench.run.learning import Lesson, attach, batches, lesson
from bench.run.macs import training_macs
from bench.run.memory import peak_memory, reset_peak_memory
from bench.run.parts import build_parts, splits_of
from bench.run.place import Place
from bench.run.selecting import Sample, merit
from bench.run.states import States, weights_digest
from bench.spec import Counts, Domain, Evaluation, PlannedRun, RunRecord
from bench.store import Lease
from bench.train import train

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
        self.digests: dict[str, str] = {}
        self.sample: Sample | None = None
        self.code = code_digests(self.config)  # now: the files may change while it runs

    def events(self) -> Iterator[Event]:
        """Read, train, choose, score, store."""
        reset_peak_memory(self.place.device)
        if self.device.type == "cuda":
            cudnn: Any = torch.backends.cudnn
            families: tuple[Any, ...] = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)
            for family in families:
                family.fp32_precision = "tf32" if self.config.precision == "tf32" else "ieee"
        yield Phase("reading images")
        with self.journal.timed("prepare"):
            read = lesson(self.config, self.split, self.device)
            tests = {domain: self.split("test", domain) for domain in self.config.evaluate_on}
            along = {domain: self.split("val", domain) for domain in splits_of(self.config)["val"]}
            if along and self.config.target is not None:
                target = read.target or self.split("target", self.config.target)
                self.sample = Sample.of(target, along[self.config.source])
            parts = build_parts(self.config, self.device)
            per_epoch = steps_per_epoch(len(read.labelled), self.config.batch_size)
            self.steps = self.config.steps or (self.config.epochs or 0) * per_epoch
            self.weights = weights_digest(parts.model)
            self.parts = attach(parts, self.config, read, self.device, self.steps)
        self.states = States(
            self.planned, self.place, self.lease, self.parts, self.journal, self.info, dict(self.digests)
        )
        start = self.states.resume()
        yield Phase(f"going on after step {start}" if start else "training", self.steps)
        yield from told_again(self.journal)
        yield from self.train(read, along, start)
        yield Phase("scoring", self.steps)
        chosen = self.states.choose(self.steps)
        with self.journal.timed("evaluate"):
            network = self.adapted()
            per_image = {domain: self.score(network, split, self.steps) for domain, split in tests.items()}
        self.draw(network, tests)
        record = self.record(chosen, read, per_image)
        images = {domain: counts.numpy() for domain, counts in per_image.items()}
        self.place.store.add_run(record, images, self.lease)
        self.states.tidy()
        yield record

    # -------------------------------------------------------------- data

    def split(self, split: str, domain: str) -> Split:
        """A split of a domain, its digest noted."""
        found = read(self.config, domain, split, self.place)
        self.digests[f"{domain}:{split}"] = found.digest
        return found

    # -------------------------------------------------------------- training

    def train(self, read: Lesson, along: dict[str, Split], start: int) -> Iterator[Event]:
        """Run the loop from step `start` on; score, save and stop between its reports."""
        config, parts = self.config, self.parts
        schedule_steps = config.schedule_steps or self.steps
        stream = Timed(batches(config, parts, read, self.device, start))
        every, look = config.evaluate_every, max(1, min(50, self.steps // 20))

        def lr_factor(step: int) -> float:
            return parts.shape(min(step / schedule_steps, 1.0))

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
            lr_factor=lr_factor,
            pause=pause,
            device=self.device,
            scaler=parts.scaler,
            start=start,
        )
        done, saved, waited = start, time.monotonic(), 0.0
        while done < self.steps:
            with self.journal.timed("train"):
                progress = next(loop)
            self.journal.seconds["data"] += stream.seconds - waited
            self.journal.seconds["train"] -= stream.seconds - waited
            waited = stream.seconds
            rates = [parts.lr * lr_factor(s) for s in range(done, progress.step)]
            bad = self.journal.note(progress, rates)
            done = progress.step
            if bad is not None:
                raise Diverged(f"loss is not finite at step {bad}; no update was made from there on")
            yield Reached(done, progress.losses, tuple(rates))  # before it is scored, where a wish to stop ends it
            if self.owes(along, done):
                yield self.evaluate_along(along, done)
            if self.place.stop():
                self.interrupt(done)
            if time.monotonic() - saved > self.place.checkpoint_s and done < self.steps:
                self.states.save(done)
                saved = time.monotonic()

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
            counts = {domain: _plain(self.score(network, split, step).sum(0)) for domain, split in along.items()}
        found: dict[str, float | None] = {}
        if self.sample is not None:
            with self.journal.timed("selection"):
                found = self.sample.scores(
                    self.parts.method, network, counts[self.config.source], self.device, lambda: self.beat(step)
                )
        evaluation = Evaluation(step=step, split="val", confusion=counts, label_free=found)
        self.journal.evaluations.append(evaluation)
        if self.config.choose != "last" and self.journal.better(merit(self.config, counts, found), step):
            self.states.keep_best(step)
        return evaluation

    def beat(self, done: int) -> None:
        """A sign of life between updates, `done` of which are made; the run ends here when it is to stop."""
        self.place.beat()
        if self.place.stop():
            self.interrupt(done)

    def adapted(self) -> SegModel:
        """The network to score: the model as it is, or what its method makes of it for the target."""
        return self.parts.method.adapted(self.parts.model)

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
            curves(self.folder / "curves.png", self.journal.history(), self.journal.evaluations)
        except Exception as fault:
            warnings.warn(f"no pictures of {self.planned.name}: {fault}", stacklevel=2)

    def record(self, chosen: int, read: Lesson, per_image: dict[str, torch.Tensor]) -> RunRecord:
        commit, dirty = machine.commit()
        seconds = {**self.journal.seconds, "total": sum(self.journal.seconds.values())}
        domains, crop = (self.config.source, *self.config.evaluate_on), self.config.crop_px
        return RunRecord(
            run_id=self.planned.run_id,
            name=self.planned.name,
            sweep=self.place.sweep,
            config=self.config,
            synthetic=any(names.dataset_info(Domain.parse(d).dataset).synthetic for d in domains),
            classes=self.info.class_names,
            confusion={domain: _plain(counts.sum(0)) for domain, counts in per_image.items()},
            images_scored={domain: len(counts) for domain, counts in per_image.items()},
            history=self.journal.history(),
            evaluations=tuple(self.journal.evaluations),
            chosen_step=chosen,
            steps=self.steps,
            images_seen=self.steps * self.config.batch_size,
            source_images=len(read.labelled),
            target_images=0 if read.target is None else len(read.target),
            training_macs=training_macs(self.config, crop_size(read.labelled.images.shape[-2:], crop), self.steps),
            resumed_at=tuple(self.journal.resumed_at),
            seconds={name: round(value, 3) for name, value in seconds.items()},
            memory_bytes=peak_memory(self.place.device),
            device=machine.device_label(self.place.device, torch.get_num_threads()),
            machine=machine.describe(self.place.device),
            software=machine.software(),
            commit=commit,
            dirty=dirty,
            data_digests=dict(sorted(self.digests.items())),
            code=self.code,
            weights_sha256=self.weights,
            started_utc=self.journal.started_utc,
            finished_utc=utc_now(),
        )


def _plain(counts: torch.Tensor) -> Counts:
    return tuple(tuple(row) for row in counts.tolist())


def _only(split: Split, index: int) -> Split:
    row = slice(index, index + 1)
    return Split(split.images[row], split.labels[row], split.names[row], split.digest)
