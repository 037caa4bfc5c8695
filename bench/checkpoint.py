"""Loop state <-> disk, so that a killed run goes on to the same numbers.

A checkpoint file is one line of JSON (run id, step, sha256 and size of the rest) followed by what torch.save writes.
The digest is checked before anything is parsed, because torch.load does not notice flipped bits; parsing is
weights-only, without a fallback.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import torch

from bench.spec import BenchError, ExitCode
from bench.store import replace

KEEP = 2
"""Checkpoints of the running loop that stay: the newest, and the one before it should the newest be damaged."""


def save(path: Path, state: dict[str, Any], *, run_id: str, step: int) -> None:
    """Write `state` (tensors, numbers, text, lists, dicts) durably to `path`; a kill leaves the old file or the new."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    head = {"run_id": run_id, "step": step, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    replace(path, json.dumps(head, sort_keys=True).encode() + b"\n" + content)


def load(path: Path, *, run_id: str) -> dict[str, Any]:
    """The state in `path`, on the CPU.  Raises BenchError (code STORE) if it is damaged or of another run."""
    try:
        first, _, content = path.read_bytes().partition(b"\n")
        head = json.loads(first)
        intact = len(content) == head["bytes"] and hashlib.sha256(content).hexdigest() == head["sha256"]
        owner = head["run_id"]
    except (OSError, ValueError, KeyError, TypeError):
        intact, owner = False, run_id
    if not intact:
        raise BenchError("checkpoint is damaged", remedy="remove it", file=path, code=ExitCode.STORE)
    if owner != run_id:
        problem = f"checkpoint belongs to {owner}, not to {run_id}"
        raise BenchError(problem, remedy="remove it", file=path, code=ExitCode.STORE)
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state


def step_file(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}.pt"


def save_step(folder: Path, state: dict[str, Any], *, run_id: str, step: int) -> None:
    """Save the loop's state after `step` updates and drop all but the newest KEEP such files."""
    save(step_file(folder, step), state, run_id=run_id, step=step)
    for old in sorted(folder.glob("step-*.pt"))[:-KEEP]:
        old.unlink()


def newest(folder: Path, *, run_id: str) -> dict[str, Any] | None:
    """The newest intact checkpoint of this run, or None; damaged ones are warned of and passed over."""
    for path in sorted(folder.glob("step-*.pt"), reverse=True):
        try:
            return load(path, run_id=run_id)
        except BenchError as error:
            warnings.warn(f"{error}; the one before it is used", stacklevel=2)
    return None
