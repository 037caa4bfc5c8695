"""A run under way <-> its checkpoints: saved, taken up again, chosen from, tidied away."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from bench import checkpoint, machine
from bench.journal import Journal
from bench.models.segmodel import SegModel
from bench.names.code import code_digests
from bench.run.chosen import pack
from bench.run.parts import Parts
from bench.run.place import Place
from bench.spec import DatasetInfo, PlannedRun, canonical_json
from bench.store import Lease


class Kept(Protocol):
    """What a run knows beside its weights, such as how long it has waited for a gain."""

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


class States:
    """What of a run outlives its process; `digests` are those of the images it reads, `beside` goes along."""

    def __init__(
        self,
        planned: PlannedRun,
        place: Place,
        lease: Lease,
        parts: Parts,
        journal: Journal,
        info: DatasetInfo,
        digests: dict[str, str],
        beside: Mapping[str, Kept],
    ) -> None:
        self.planned, self.place, self.lease = planned, place, lease
        self.parts, self.journal, self.beside = parts, journal, beside
        self.folder: Path = place.store.run_folder(planned.run_id)
        self.records = place.store.attempts(planned.run_id)
        self.surroundings = _surroundings(planned, place, info, digests, parts)
        self.bests: list[int | None] = []
        self.buffers = self._buffers(0)

    def save(self, step: int) -> None:
        """Save everything after `step` updates; best weights that no checkpoint speaks of any more are dropped."""
        state = {
            "step": step,
            "model": self.parts.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.parts.optimizers],
            "method": self.parts.method.state_dict(),
            "scaler": self.parts.scaler.state_dict() if self.parts.scaler else {},
            "average": self.parts.average.state_dict() if self.parts.average else {},
            "journal": self.journal.state(),
            "beside": {name: one.state() for name, one in self.beside.items()},
            "made_with": self.surroundings,
            "records": self.records,
            "draws": _generators(self.parts),
        }
        self.lease.check()
        checkpoint.save_step(self.folder, state, run_id=self.planned.run_id, step=step)
        self.bests = [*self.bests, self._best()][-checkpoint.KEEP :]
        self._drop_bests()

    def resume(self) -> int:
        """Take up the newest checkpoint that is this run's own; returns the number of updates already made.

        One that was made with other data or code, another configuration, device or torch is left alone, with a
        warning; what a finished run has left, without.
        """
        own = self.parts.model.state_dict()
        state = checkpoint.newest(
            self.folder, run_id=self.planned.run_id, refuse=lambda state: checkpoint.misfit(state.get("model"), own)
        )
        if state is None or state["records"] != self.records:
            return 0
        changed = [key for key, value in self.surroundings.items() if state["made_with"].get(key) != value]
        if changed:
            problem = f"{self.planned.name} starts anew: {', '.join(changed)} changed since it stopped"
            warnings.warn(problem, stacklevel=2)
            return 0
        self.parts.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.parts.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.parts.method.load_state_dict(state["method"])
        if self.parts.scaler:
            self.parts.scaler.load_state_dict(state["scaler"])
        if self.parts.average:
            self.parts.average.load_state_dict(state["average"])
        for name, one in self.beside.items():
            one.restore(state["beside"][name])
        _restore_generators(state["draws"], self.parts)
        self.journal.restore(state["journal"], state["step"])
        self.bests = [self._best()]
        return int(state["step"])

    def keep_best(self, step: int) -> None:
        """Save the weights as they are as the best so far; those that a checkpoint speaks of stay as well."""
        self._save(checkpoint.best_file(self.folder, step), {"model": self.parts.kept.state_dict()}, step)
        self._drop_bests()

    def choose(self, steps: int) -> int:
        """Put the chosen weights into the network that is kept; returns their step."""
        best = self._best()
        if self.planned.config.choose != "last" and best is None:
            rule = f"`choose: {self.planned.config.choose}`"
            warnings.warn(f"{self.planned.name}: {rule} never had a score; the last weights are taken", stacklevel=2)
        if best is None:
            return steps
        state = checkpoint.load(checkpoint.best_file(self.folder, best), run_id=self.planned.run_id)
        self.parts.kept.load_state_dict(state["model"])
        return best

    def keep_chosen(self, scored: SegModel, step: int) -> None:
        """Keep `scored`, what the method made of the network of `step`, on disk unless asked not to."""
        if self.place.keep != "none":
            self._save(self.folder / "chosen.pt", pack(self.parts.kept, scored), step)

    def good(self, step: int) -> None:
        """Note that the run was sound after `step` updates: buffers move with each batch, also with one that is not."""
        self.buffers = self._buffers(step)

    def keep_good(self, step: int) -> bool:
        """Save what a run that diverges after `step` updates had learnt: updates were withheld from there on.

        Statistics of BN, which no flag withholds, are those of the last report before, `buffers_of_step`.  Gives False
        where update `step` itself had spoilt the weights, its loss being finite and its gradients not: then the
        newest checkpoint is the last good state, and it stays.
        """
        of_step, buffers = self.buffers
        model = {**self.parts.model.state_dict(), **buffers}
        if not all(bool(tensor.isfinite().all()) for tensor in model.values() if tensor.is_floating_point()):
            return False
        self._save(self.folder / "last-good.pt", {"model": model, "buffers_of_step": of_step}, step)
        return True

    def _buffers(self, step: int) -> tuple[int, dict[str, torch.Tensor]]:
        model = self.parts.model
        own = {name for name, _ in model.named_buffers(remove_duplicate=False)}
        return step, {name: tensor.clone() for name, tensor in model.state_dict().items() if name in own}

    def tidy(self) -> None:
        """Once the record is stored, no checkpoint is left that a rerun could go on from."""
        self.bests = []
        self._drop_bests()
        for path in (*self.folder.glob("refused-*.pt"), *self.folder.glob("last-good.pt")):
            path.unlink()
        for path in (*self.folder.glob("step-*.pt"), *self.folder.glob("best-*.pt")):
            if self.place.keep == "all":
                path.replace(self.folder / f"kept-{path.name}")
            else:
                path.unlink()

    def _best(self) -> int | None:
        return None if self.journal.best is None else self.journal.best[1]

    def _drop_bests(self) -> None:
        kept = {checkpoint.best_file(self.folder, best) for best in (*self.bests, self._best()) if best is not None}
        for path in set(self.folder.glob("best-*.pt")) - kept:
            path.unlink()

    def _save(self, path: Path, state: dict[str, Any], step: int) -> None:
        self.lease.check()
        checkpoint.save(path, {**state, "step": step}, run_id=self.planned.run_id, step=step)


def weights_digest(model: torch.nn.Module) -> str:
    """sha256 over the names, types, shapes and bytes of all parameters and buffers."""
    found = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def _generators(parts: Parts) -> dict[str, torch.Tensor]:
    """Where the generators stand that a network draws from by itself, as for dropout; ours begin anew at each step."""
    device = next(parts.model.parameters()).device
    cuda = {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"cpu": torch.get_rng_state(), **cuda}


def _restore_generators(draws: dict[str, torch.Tensor], parts: Parts) -> None:
    torch.set_rng_state(draws["cpu"])
    if "cuda" in draws:
        torch.cuda.set_rng_state(draws["cuda"], next(parts.model.parameters()).device)


def _surroundings(
    planned: PlannedRun, place: Place, info: DatasetInfo, digests: dict[str, str], parts: Parts
) -> dict[str, str]:
    """All that a step depends on beside the state: half a run made with one and half with another has no record."""

    def digest(plain: Any) -> str:
        return hashlib.sha256(canonical_json(plain)).hexdigest()

    return {
        "configuration": digest(planned.config.model_dump(mode="json")),
        "classes": digest(list(info.class_names)),
        "device": machine.device_label(place.device, torch.get_num_threads()),
        "torch": str(torch.__version__),
        "precision": digest(dataclasses.asdict(parts.picked)),
        **{f"code of {part}": found for part, found in code_digests(planned.config).items()},
        **{f"images of {where}": found for where, found in sorted(digests.items())},
    }
