"""A configuration and a device -> the precision, memory layout and compilation that a run really has there."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import torch

from bench.models.segmodel import SegModel
from bench.spec import RunConfig, RunRecord

Precision = Literal["fp32", "tf32", "bf16", "fp16"]

AMPERE, VOLTA = (8, 0), (7, 0)
"""Compute capabilities from which a GPU multiplies bf16 (and TF32), and fp16, in its matrix units."""


@dataclass(frozen=True)
class Picked:
    """What of `precision`, `channels_last` and `compile` is in use: no `auto`, and nothing the device lacks."""

    precision: Precision
    channels_last: bool
    compile: bool

    @property
    def dtype(self) -> torch.dtype | None:
        """What the forward pass is cast to; None for float32."""
        return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)


FP32 = Picked("fp32", channels_last=False, compile=False)
"""As torch computes by itself."""


def pick(config: RunConfig, device: torch.device) -> Picked:
    """Without a wish of its own the layout goes with the precision: channels last where that is `auto`.

    On tensors without memory nothing is compiled.
    """
    auto = config.precision == "auto"
    layout = auto if config.channels_last == "auto" else config.channels_last
    return Picked(_precision(config, device), layout, config.compile and device.type != "meta")


def as_recorded(record: RunRecord, device: torch.device) -> Picked:
    """What the network of a finished run is used with: what it was scored with, as it is written in Python."""
    had: dict[str, Any] = {**dataclasses.asdict(pick(record.config, device)), **record.picked}
    return Picked(had["precision"], had["channels_last"], compile=False)


def computes(model: SegModel, picked: Picked) -> SegModel:
    """`model`, which from now on computes in that precision and layout."""
    model.autocast_dtype, model.channels_last = picked.dtype, picked.channels_last
    if picked.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def _precision(config: RunConfig, device: torch.device) -> Precision:
    if config.precision == "auto":
        return fastest(device)
    if config.precision == "tf32" and not (device.type == "cuda" and _capability(device) >= AMPERE):
        return "fp32"  # what TF32 is where there is none
    return config.precision


def fastest(device: torch.device) -> Precision:
    """The precision in which a network trains fastest on `device` without being emulated there.

    A CPU has bf16 with AVX512-BF16 or AMX; without them it would be several times slower than fp32.
    """
    if device.type == "cuda":
        capability = _capability(device)
        return "bf16" if capability >= AMPERE else "fp16" if capability >= VOLTA else "fp32"
    if device.type == "cpu":
        can = torch.cpu.get_capabilities()
        return "bf16" if can.get("avx512_bf16") or can.get("amx_bf16") else "fp32"
    return "fp32"


def _capability(device: torch.device) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device)
