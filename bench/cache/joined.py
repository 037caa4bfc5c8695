"""Several splits -> one that is drawn from as if it were one; nothing is copied."""

from __future__ import annotations

import bisect
import hashlib
import itertools
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from bench.cache.split import Split


class Rows:
    """Arrays of equal rank one behind the other: `rows[i, ...]` is a view of the one that holds row i.

    It is what drawing a batch needs of a tensor (or, by `numpy`, of an array).  `shape` gives the smallest sides of
    all, inside which a crop fits every row.
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = parts
        self.ends = list(itertools.accumulate(len(part) for part in parts))
        self.shape = torch.Size((self.ends[-1], *map(min, zip(*(part.shape[1:] for part in parts), strict=True))))

    @property
    def device(self) -> torch.device:
        return cast(torch.device, self.parts[0].device)

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.parts)

    def numpy(self) -> Rows:
        """The same of numpy arrays, over the same memory."""
        return Rows([part.numpy() for part in self.parts])

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        row, *rest = key
        part = bisect.bisect_right(self.ends, row)
        return self.parts[part][(row - self.ends[part] + len(self.parts[part]), *rest)]


def joined(splits: Sequence[Split]) -> Split:
    """All images and labels of `splits`, in order, to train on; its digest is made of theirs."""
    if len(splits) == 1:
        return splits[0]
    hosts = [split.labels if split.host_labels is None else split.host_labels for split in splits]
    counts = [split.counts for split in splits if split.counts is not None]
    return Split(
        images=_rows([split.images for split in splits]),
        labels=_rows([split.labels for split in splits]),
        names=tuple(name for split in splits for name in split.names),
        digest=hashlib.sha256(" ".join(split.digest for split in splits).encode()).hexdigest(),
        counts=np.concatenate(counts) if len(counts) == len(splits) else None,
        mapped=any(split.mapped for split in splits),
        host_labels=_rows(hosts),
    )


def _rows(parts: Sequence[Tensor]) -> Tensor:
    """One after the other; in host memory where they lie on several devices, as when one no longer fitted on a card."""
    if len({part.device for part in parts}) > 1:
        parts = [part.cpu() for part in parts]
    return cast(Tensor, Rows(parts))
