"""Random outputs and labels, the reference checkers' folder, and a mode that forbids the host to look at the device."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

ROOT = Path(__file__).parents[2]


class NoLooking(TorchDispatchMode):
    """Refuses every operation whose result, or the size of whose result, the host has to read."""

    refused = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "_unique2", "bincount", "equal")

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        name = func.overloadpacket.__name__
        by_boolean = name in ("index", "index_put_") and any(
            i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1]
        )
        if name in self.refused or by_boolean:
            raise RuntimeError(f"the host looked: {name}")
        return func(*args, **(kwargs or {}))


@pytest.fixture
def no_looking() -> NoLooking:
    """The mode, to be entered where a loss is computed."""
    return NoLooking()


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the losses take the way that they take where the host must not read the device."""
    monkeypatch.setattr("bench.losses.ohem.readable", lambda values: False)


@pytest.fixture
def make_batch() -> Callable[..., tuple[dict[str, Tensor], Tensor]]:
    """(outputs that require gradients, labels) of a seed: labels in blocks of 6 x 6, a share `void` of them IGNORE."""

    def make(
        seed: int = 0,
        *,
        n: int = 2,
        classes: int = 5,
        size: tuple[int, int] = (24, 32),
        stride: int = 8,
        dtype: torch.dtype = torch.float64,
        void: float = 0.2,
    ) -> tuple[dict[str, Tensor], Tensor]:
        draw = torch.Generator().manual_seed(seed)
        blocks = torch.randint(classes, (n, size[0] // 6 + 1, size[1] // 6 + 1), generator=draw)
        blocks[torch.rand(blocks.shape, generator=draw) < void] = 255
        labels = blocks.repeat_interleave(6, 1).repeat_interleave(6, 2)[:, : size[0], : size[1]].contiguous()
        low = (size[0] // stride, size[1] // stride)
        channels = {"aux": classes, "out": classes, "boundary": 1}
        outputs = {
            name: (2 * torch.randn(n, k, *low, generator=draw, dtype=dtype)).requires_grad_()
            for name, k in channels.items()
        }
        return outputs, labels

    return make


@pytest.fixture
def vectors(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of reference vectors and checkers, importable while the test runs."""
    folder = Path(os.environ.get("BENCH_VECTORS", ROOT / "../shared/vectors")).resolve()
    if not (folder / "losses.json").is_file():
        pytest.skip("no reference vectors: set BENCH_VECTORS to their folder")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    return folder
