"""A split of drawn images <-> a file, so that runs in processes of their own need not draw it again.

The file is numpy's archive of plain arrays, whose checksums are compared when it is read.  It is named by all that its
content depends on, the code that draws included; one that cannot be read is drawn anew, and one that cannot be written
is done without.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from bench.cache import Split
from bench.spec import JSON, BenchError, canonical_json
from bench.store import replace


def kept(folder: Path, made_of: JSON, draw: Callable[[], Split]) -> Split:
    """The split that `draw` gives, from `folder` if it lies there; `made_of` is all that it depends on."""
    name = hashlib.sha256(canonical_json(made_of)).hexdigest()[:16]
    path = folder / f"drawn-{name}.npz"
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return _read(path)
    split = draw()
    with contextlib.suppress(BenchError):
        replace(path, _packed(split))
    return split


def _packed(split: Split) -> bytes:
    buffer, counts = io.BytesIO(), split.counts
    facts = np.array([split.digest, *split.names])
    assert counts is not None
    np.savez(buffer, images=split.images.numpy(), labels=split.labels.numpy(), counts=counts, facts=facts)
    return buffer.getvalue()


def _read(path: Path) -> Split:
    with np.load(path) as found:
        digest, *names = found["facts"].tolist()
        images, labels = torch.from_numpy(found["images"]), torch.from_numpy(found["labels"])
        return Split(images, labels, tuple(names), digest, found["counts"])
