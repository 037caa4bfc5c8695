"""A contestant's name -> how long its process takes until its first optimizer step is done, as JSON.

The first word is the contestant, the second the monotonic clock when the process was started.  Everything counts:
starting Python, importing torch and the framework, building the network of `step.py`, getting ready, one step on the
batch in memory.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

CONTESTANTS = {
    "bare": "step:bare",
    "bench": "bench_step:loop",
    "accelerate": "accelerate_step:loop",
    "lightning_off": "lightning_step:off",
    "lightning_usual": "lightning_step:usual",
}


def done(*_: object) -> None:
    """The first step is over: say when, and end without what a framework does at its end."""
    found = {"wall_s": time.monotonic() - float(sys.argv[2]), "cpu_s": time.process_time()}
    print(json.dumps(found), flush=True)
    os._exit(0)


if __name__ == "__main__":
    module, _, function = CONTESTANTS[sys.argv[1]].partition(":")
    loop = getattr(importlib.import_module(module), function)
    from step import Resident
    from torch.optim.optimizer import register_optimizer_step_post_hook

    register_optimizer_step_post_hook(done)
    loop(Resident())
    sys.exit("no optimizer made a step")
