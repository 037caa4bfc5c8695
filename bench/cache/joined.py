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
    """Tensors of equal rank one behind the other: `rows[i, ...]` is a view of the one that holds row i.

    `shape` gives the smallest sides of all, inside which a crop fits every row.
    """

    def __init__(self, parts: Sequence[Tensor]) -> None:
        self.parts = parts
        self.ends = list(itertools.accumulate(len(part) for part in parts))
        self.shape = torch.Size((self.ends[-1], *map(min, zip(*(part.shape[1:] for part in parts), strict=True))))
        self.device, self.nbytes = parts[0].device, sum(part.nbytes for part in parts)

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, key: Any) -> Tensor:
        row, *rest = key
        part = bisect.bisect_right(self.ends, row)
        return self.parts[part][(row - (self.ends[part] - len(self.parts[part])), *rest)]


def joined(splits: Sequence[Split]) -> Split:
    """All images and labels of `splits`, in order; its digest is that of theirs."""
    if len(splits) == 1:
        return splits[0]
    hosts = [split.labels if split.host_labels is None else split.host_labels for split in splits]
    counts = [split.counts for split in splits if split.counts is not None]
    return Split(
        images=cast(Tensor, Rows([split.images for split in splits])),
        labels=cast(Tensor, Rows([split.labels for split in splits])),
        names=tuple(name for split in splits for name in split.names),
        digest=hashlib.sha256(" ".join(split.digest for split in splits).encode()).hexdigest(),
        counts=np.concatenate(counts) if len(counts) == len(splits) else None,
        mapped=any(split.mapped for split in splits),
        host_labels=cast(Tensor, Rows(hosts)),
    )
