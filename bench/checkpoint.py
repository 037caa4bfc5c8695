"""Loop state <-> disk, so that a killed run goes on to the same numbers.

A checkpoint file is one line of JSON (run id, step, size of the rest, sha256 of it all), then what torch.save writes.
The digest is checked before anything is parsed, because torch.load does not notice flipped bits; parsing is
weights-only, without a fallback, and nothing in it may claim more memory than its file has bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from bench.spec import BenchError, ExitCode
from bench.store import replace
from bench.store.durable import is_stale

MAX_HEAD = 4096
"""Bytes of a file's first line, at most: it holds a run's id, two numbers and a digest."""

KEEP = 2
"""Checkpoints of the running loop that stay: the newest, and the one before it should the newest be damaged."""


def save(path: Path, state: dict[str, Any], *, run_id: str, step: int) -> None:
    """Write `state` (tensors, numbers, text, lists, dicts) durably to `path`; a kill leaves the old file or the new."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    replace(path, _head(run_id, step, content) + content, points="ckpt")


def load(path: Path, *, run_id: str) -> dict[str, Any]:
    """The state in `path`, on the CPU.  Raises BenchError (code STORE) if it is damaged or of another run."""
    try:
        first, line, content = path.read_bytes().partition(b"\n")
        head = json.loads(first)
        owner = head["run_id"]
        intact = first + line == _head(owner, head["step"], content)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        intact, owner = False, run_id
    if not intact:
        raise _refused(path, "checkpoint is damaged")
    if owner != run_id:
        raise _refused(path, f"checkpoint belongs to {owner}, not to {run_id}")
    try:
        return parse(content)
    except ValueError as fault:
        raise _refused(path, f"checkpoint {fault}") from None


def owner(content: bytes) -> str | None:
    """The run that a file of ours says it belongs to; None for the content of any other file."""
    try:
        found = json.loads(content[:MAX_HEAD].partition(b"\n")[0])["run_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def parse(content: bytes, *, older: bool = False) -> dict[str, Any]:
    """What torch.save wrote, on the CPU; with `older` also in the form that torch had before 1.6, which is no archive.

    Raises ValueError with the reason, the end of a sentence, for what holds more than tensors and plain values or
    claims more memory than it has bytes.
    """
    if not _stored_plainly(content) and not (older and not zipfile.is_zipfile(io.BytesIO(content))):
        raise ValueError("claims more than its bytes hold")
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as fault:  # whole, and yet not what we write
        raise ValueError(f"cannot be read ({type(fault).__name__})") from None
    if not isinstance(state, dict) or any(_spread(tensor) for tensor in _tensors(state)):
        raise ValueError("claims more than its bytes hold")
    return state


def _head(run_id: str, step: int, content: bytes) -> bytes:
    facts = {"run_id": run_id, "step": step, "bytes": len(content)}
    whole = hashlib.sha256(json.dumps(facts).encode())
    whole.update(content)
    return json.dumps({**facts, "sha256": whole.hexdigest()}).encode() + b"\n"


def step_file(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}.pt"


def best_file(folder: Path, step: int) -> Path:
    """The best weights so far, named by their step: a checkpoint says which of them is its own."""
    return folder / f"best-{step:08d}.pt"


def save_step(folder: Path, state: dict[str, Any], *, run_id: str, step: int) -> None:
    """Save the loop's state after `step` updates and, once that is durable, drop all but the newest KEEP such files.

    One of a later step is of a past that was given up: the run has gone back behind it.
    """
    path = step_file(folder, step)
    save(path, state, run_id=run_id, step=step)
    found = sorted(folder.glob("step-*.pt"))
    for old in (*found[: found.index(path) + 1][:-KEEP], *found[found.index(path) + 1 :]):
        old.unlink()


def newest(
    folder: Path, *, run_id: str, refuse: Callable[[dict[str, Any]], str | None] = lambda state: None
) -> dict[str, Any] | None:
    """The newest intact checkpoint of this run, or None; those passed over are put aside, told of in one warning.

    `refuse(state)` says why a state is not to be used, None if it is.  Temporary files left by a kill are removed.
    """
    faults: list[str] = []
    found: dict[str, Any] | None = None
    for path in sorted(folder.glob("step-*.pt"), reverse=True):
        try:
            state = load(path, run_id=run_id)
            if problem := refuse(state):
                raise _refused(path, problem)
            found = state
            break
        except BenchError as error:
            faults.append(str(error))
            path.replace(folder / f"refused-{path.name}")  # or it would count as one of those that are kept
    if faults:
        instead = "the one before it is used" if found else "the run starts anew"
        warnings.warn(f"{faults[0]}{f' (and {len(faults) - 1} more)' * (len(faults) > 1)}; {instead}", stacklevel=2)
    for left in folder.glob(".*.tmp"):
        if is_stale(left):
            left.unlink(missing_ok=True)
    return found


def misfit(saved: Any, own: Mapping[str, torch.Tensor]) -> str | None:
    """Why the weights `saved` are none for a model whose are `own`; None if they are.

    load_state_dict takes another precision and weights that are not numbers without a word.
    """
    if not isinstance(saved, Mapping) or saved.keys() != own.keys():
        return "checkpoint has the weights of another model"
    for name, mine in own.items():
        theirs = saved[name]
        if not isinstance(theirs, torch.Tensor) or theirs.shape != mine.shape or theirs.dtype != mine.dtype:
            return f"checkpoint has another shape or precision at {name}"
        if theirs.is_floating_point() and not theirs.isfinite().all():
            return f"checkpoint has weights that are not finite at {name}"
    return None


def _refused(path: Path, problem: str) -> BenchError:
    return BenchError(problem, file=path, code=ExitCode.STORE)


def _stored_plainly(content: bytes) -> bool:
    """Whether nothing in the archive grows when it is read: no compression, no entry twice over the same bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False
    plain = all(e.compress_type == zipfile.ZIP_STORED and e.file_size == e.compress_size for e in entries)
    return plain and sum(entry.file_size for entry in entries) <= len(content)


def _spread(tensor: torch.Tensor) -> bool:
    """Whether a tensor shows more numbers than it has memory for."""
    return tensor.numel() * tensor.itemsize > tensor.untyped_storage().nbytes()


def _tensors(state: Any) -> Iterator[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, Mapping):
        for value in state.values():
            yield from _tensors(value)
    elif isinstance(state, (list, tuple)):
        for value in state:
            yield from _tensors(value)
