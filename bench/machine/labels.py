"""Facts of a machine -> what people and files call it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from bench.machine.card import describe_card
from bench.machine.host import describe_host
from bench.spec import JSON


def describe(device: str) -> dict[str, JSON]:
    """Facts about this host and, for "cuda" or "cuda:<n>", its card under "gpu"; `absent` gives each null's reason."""
    host = describe_host()
    host["gpu"] = describe_card(device) if device.startswith("cuda") else None
    return host


def device_label(device: str, threads: int = 1, facts: Mapping[str, JSON] | None = None) -> str:
    """As people read it: "AMD EPYC, 1 thread", "NVIDIA H200 141 GB".  `facts` is what `describe(device)` said."""
    facts = describe(device) if facts is None else facts
    gpu = facts.get("gpu")
    if gpu is None:
        return f"{facts['cpu']['name'] or 'CPU'}, {threads} thread{'s' * (threads > 1)}"
    name, memory = gpu["name"] or "CUDA device", gpu["memory_bytes"]
    return name if memory is None or re.search(r"\d ?GB", name) else f"{name} {math.ceil(memory / 2**30)} GB"


def device_slug(device: str, threads: int = 1, facts: Mapping[str, JSON] | None = None) -> str:
    """As files are called: "amd-epyc-1t"; for a card also its power limit: "nvidia-h200-141g-700w"."""
    facts = describe(device) if facts is None else facts
    gpu = facts.get("gpu")
    text = device_label(device, threads, facts)
    if gpu is None:
        text = re.sub(r", (\d+) threads?$", r" \1t", text)
    elif gpu["power_limit_w"] is not None:
        text += f" {gpu['power_limit_w']:.0f}w"
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"(\d) ?gb", r"\1g", text.lower())).strip("-")
