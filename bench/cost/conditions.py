"""The conditions a timing is taken under; whatever is changed here is put back, also after an error."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from bench.spec.timing import Precision


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """`count` intra-op threads.  On preempted cores a second thread spins and makes a forward several times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """The collector runs once now and not again inside: one collection costs more than a small forward (0.3 s)."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def numerics(precision: Precision) -> Iterator[None]:
    """float32 products on tensor cores ("tf32") or as float32 on every device; cuDNN searches all its algorithms.

    On a CPU it keeps oneDNN from computing float32 in bfloat16.  Torch's older switches (`allow_tf32`) are set to the
    same: its exporter and compiler read them, and fail where the newer ones say something else.
    """
    backends: Any = torch.backends
    cudnn, mkldnn = backends.cudnn, backends.mkldnn
    families: tuple[Any, ...] = (backends.cuda.matmul, cudnn.conv, cudnn.rnn, mkldnn.conv, mkldnn.matmul, mkldnn.rnn)
    before = [family.fp32_precision for family in families]
    older = _older_switches()
    search = (cudnn.benchmark, cudnn.benchmark_limit, cudnn.deterministic)
    try:
        _switch((precision == "tf32",) * 2)
        for family in families[:3]:
            family.fp32_precision = "tf32" if precision == "tf32" else "ieee"
        for family in families[3:]:
            family.fp32_precision = "ieee"
        cudnn.benchmark, cudnn.benchmark_limit, cudnn.deterministic = True, 0, False
        yield
    finally:
        _switch(older)
        for family, value in zip(families, before, strict=True):
            family.fp32_precision = value
        cudnn.benchmark, cudnn.benchmark_limit, cudnn.deterministic = search


def _older_switches() -> tuple[bool, bool] | None:
    """`allow_tf32` of convolutions and of products; None where only newer switches were set: torch then refuses."""
    try:
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    except RuntimeError:
        return None


def _switch(older: tuple[bool, bool] | None) -> None:
    """Set the older switches; it sets the newer ones, too, so those come after."""
    if older is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that they are the older ones
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = older


def launches_block() -> bool:
    """True where the driver waits for every kernel, which puts launch overhead into each reading."""
    return os.environ.get("CUDA_LAUNCH_BLOCKING", "0") not in ("", "0")
