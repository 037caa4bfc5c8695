"""A file of weights, ours or foreign, or a finished run -> its tensors; never more than tensors are read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from bench import checkpoint
from bench.names.lineage import is_run
from bench.plan.needed import not_here, unfinished
from bench.spec import BenchError, ExitCode, RunRecord
from bench.store import Store, parse

WRAPPERS = ("state_dict", "model", "model_state_dict", "net", "network")
"""What published checkpoints call the tensors that lie beside an optimizer's or a counter."""


@dataclass(frozen=True)
class Weights:
    """Tensors on the CPU by their names in `file`, whose bytes have `sha256`; `run_id` is the run that saved it."""

    file: Path
    sha256: str
    tensors: Mapping[str, Tensor] = field(repr=False)
    run_id: str | None = None
    step: int | None = None

    @property
    def name(self) -> str:
        """What a message calls it."""
        return self.run_id or self.file.name


def read_weights(path: Path) -> Weights:
    """The weights in `path`: a checkpoint of ours, or whatever torch.save wrote of tensors by name.

    Raises BenchError (code DATA) for a file that is missing, damaged, holds no weights or more than weights.
    """
    if not path.is_file():
        raise _fault(path, "there is no such file of weights", "check the path: it starts at the working folder")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _fault(path, f"cannot be read ({error.strerror})", "check its permissions") from None
    sha256, run_id = hashlib.sha256(content).hexdigest(), checkpoint.owner(content)
    try:
        state = checkpoint.parse(content, older=True) if run_id is None else checkpoint.load(path, run_id=run_id)
    except (ValueError, BenchError) as error:
        reason = error.problem if isinstance(error, BenchError) else str(error)
        remedy = "restore it" if run_id else "save its state_dict alone with torch.save, or fetch it again"
        raise _fault(path, reason, remedy) from None
    step = state.get("step")
    tensors = _tensors_by_name(state)
    if not tensors:
        remedy = f"save a state_dict, alone or under one of: {', '.join(WRAPPERS)}"
        raise _fault(path, "holds no tensors by name", remedy)
    return Weights(path, sha256, tensors, run_id, step if isinstance(step, int) else None)


def weights_of(store: Store, run_id: str) -> Weights:
    """The chosen weights of a finished run of this store.

    Raises BenchError (code DATA) that names what to run first where they are not there.
    """
    record_of(store, run_id)
    if fault := unfinished(run_id, store):
        raise fault
    path = store.run_folder(run_id) / "chosen.pt"
    found = read_weights(path)
    if found.run_id != run_id:
        raise _fault(path, f"holds the weights of {found.run_id}", "move it away and run it again")
    return found


def record_of(store: Store, run_id: str) -> RunRecord:
    """The newest record of a run; raises BenchError (code DATA) where it has not finished here."""
    file = store.newest_run_file(run_id)
    if file is None:
        raise not_here(run_id, store)
    try:
        return RunRecord.model_validate(parse(file))
    except ValueError:
        remedy = "see `bench store check`"
        raise BenchError("is no record of a run", remedy=remedy, file=file, code=ExitCode.DATA) from None


def classes_of(store: Store, run_id: str) -> tuple[str, ...] | None:
    """The classes of a run; None where its record is not here."""
    return None if store.newest_run_file(run_id) is None else record_of(store, run_id).classes


def find_weights(text: str, store: Store) -> Weights:
    """The weights that `text` names: a run's id, or a path."""
    return weights_of(store, text) if is_run(text) else read_weights(Path(text).expanduser())


def refuse_infinite(weights: Weights, tensors: Mapping[str, Tensor]) -> None:
    """Raises BenchError (code DATA) naming a tensor with values that are no numbers."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise _fault(weights.file, f"{name} holds values that are not finite", "use another checkpoint")


def _tensors_by_name(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a state dict, or of the first wrapper that holds one."""
    for inside in (state, *(state.get(key) for key in WRAPPERS)):
        if isinstance(inside, Mapping):
            found = {str(name): value for name, value in inside.items() if isinstance(value, Tensor)}
            if found:
                return found
    return {}


def _fault(path: Path, problem: str, remedy: str) -> BenchError:
    return BenchError(problem, remedy=remedy, file=path, code=ExitCode.DATA)
