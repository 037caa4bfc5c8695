"""How torch computes for the time of one run: TF32 or not, deterministic or not; and faults of it told as such."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from bench.run.picking import Picked
from bench.spec import BenchError

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
"""cuBLAS adds up in an order of its own choice unless its workspace is fixed."""


@contextmanager
def numerics(picked: Picked, device: torch.device, *, deterministic: bool = False) -> Iterator[None]:
    """Set torch's switches as was picked and put them back: in one process another run may follow."""
    cudnn: Any = torch.backends.cudnn
    families: tuple[Any, ...] = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)
    before = [family.fp32_precision for family in families]
    known = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    kernels, workspace = (cudnn.deterministic, cudnn.benchmark), os.environ.get(CUBLAS)
    try:
        if device.type == "cuda":
            for family in families:
                family.fp32_precision = "tf32" if picked.precision == "tf32" else "ieee"
        if deterministic:
            os.environ[CUBLAS] = ":4096:8"
            cudnn.deterministic, cudnn.benchmark = True, False
            torch.use_deterministic_algorithms(True)
        yield
    finally:
        for family, precision in zip(families, before, strict=True):
            family.fp32_precision = precision
        if deterministic:
            torch.use_deterministic_algorithms(known[0], warn_only=known[1])
            cudnn.deterministic, cudnn.benchmark = kernels
            os.environ.pop(CUBLAS) if workspace is None else os.environ.update({CUBLAS: workspace})


@contextmanager
def named() -> Iterator[None]:
    """Faults of torch that a field of the configuration brings become a BenchError that names the field."""
    try:
        yield
    except Exception as fault:
        first = str(fault).strip().partition("\n")[0]
        if "does not have a deterministic implementation" in first:
            problem = f"{first.partition(' ')[0]} cannot be computed in a fixed order on this device"
            remedy = "leave `deterministic` out, or take another loss, augmentation or model"
            raise BenchError(problem, remedy=remedy, key="deterministic") from fault
        if type(fault).__module__.startswith(("torch._dynamo", "torch._inductor")):
            problem = f"torch.compile failed: {type(fault).__name__}: {first}"
            raise BenchError(problem, remedy="leave `compile` out", key="compile") from fault
        raise
