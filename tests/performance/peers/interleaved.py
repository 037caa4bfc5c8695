"""A bare way of doing something and others' ways -> what each costs beside the bare one, as JSON on standard output.

Needs torch alone: it runs in this project's environment and in the peers'.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable

import torch

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "40"))


def compare(bare: Callable[[], float], **ways: Callable[[], float]) -> None:
    """Each call gives its own CPU microseconds; every call of a way comes right after a bare one, ROUNDS times over.

    Prints the medians over the rounds: of the bare way, of the difference to it and of the ratio to it, with the
    quartiles of the difference, and the machine's load at the end.
    """
    torch.set_num_threads(1)
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            before = bare()
            pairs[name].append((before, way()))
    found: dict[str, object] = {"torch": torch.__version__, "load": round(os.getloadavg()[0], 2)}
    found["bare_us"] = round(statistics.median(b for of_way in pairs.values() for b, _ in of_way), 1)
    for name, of_way in pairs.items():
        low, middle, high = statistics.quantiles([w - b for b, w in of_way], n=4)
        found[name] = {
            "extra_us": round(middle, 1),
            "quartiles_us": [round(low, 1), round(high, 1)],
            "ratio": round(statistics.median(w / b for b, w in of_way), 3),
        }
    print(json.dumps(found))
