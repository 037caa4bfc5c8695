"""The software of a measurement: versions, flags, settings, and the commit of this package."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.spec import JSON

_SETTINGS = (
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_DEVICE_MAX_CONNECTIONS",
    "CUDA_MODULE_LOADING",
    "CUBLAS_WORKSPACE_CONFIG",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "PYTORCH_CUDA_ALLOC_CONF",
)

_LIBRARIES = {
    "segmentation_models_pytorch": "segmentation-models-pytorch",
    "timm": "timm",
    "transformers": "transformers",
}
"""Modules that give networks -> the package each comes from."""


def software() -> dict[str, JSON]:
    """Versions (null where not installed), torch's precision flags, and environment settings that change timings.

    Of libraries that give networks, those that this process has loaded.
    """
    import torch

    found: dict[str, JSON] = {name: version(name) for name in ("bench", "torch", "torchvision", "numpy", "fvcore")}
    cudnn: Any = torch.backends.cudnn
    found |= {package: version(package) for module, package in _LIBRARIES.items() if module in sys.modules}
    found["python"] = platform.python_version()
    found["cuda"] = torch.version.cuda
    try:
        found["cudnn"] = cudnn.version() if torch.cuda.is_available() else None
    except RuntimeError:  # a card too old for this cuDNN
        found["cudnn"] = None
    found["flags"] = {
        "cudnn_benchmark": cudnn.benchmark,
        "cudnn_deterministic": cudnn.deterministic,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "conv_fp32_precision": cudnn.conv.fp32_precision,
        "matmul_fp32_precision": torch.backends.cuda.matmul.fp32_precision,
    }
    found["environment"] = {name: os.environ[name] for name in _SETTINGS if name in os.environ}
    return found


def commit(path: Path | None = None) -> tuple[str | None, bool | None]:
    """(hash, dirty) of the checkout that tracks this package, or (None, None) where none does.

    `path` is the package's folder.  An installed copy inside somebody else's checkout is not tracked by it.  Dirty
    means that a file of the package is changed or new: other files do not decide numbers, or are in the record.
    """
    folder = Path(__file__).parent.parent if path is None else path
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None, None
    head, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain", "--", ".")
    return head, None if changes is None else bool(changes)


@functools.cache
def version(package: str) -> str | None:
    """The installed version of a package, without importing it; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(folder: Path, *words: str) -> str | None:
    """git's answer, or None: no git, no checkout, or one that is not ours to read.  No lock is taken."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *words], cwd=folder, env=clean, capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
