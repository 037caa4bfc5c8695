"""A stand-in for `bench.run.timing_process` that starts in a blink: `timing_stand_in.py BEHAVIOUR LABEL TORCH`.

Speaks the same words and leaves the same files, with made-up readings.  No torch, no `bench`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


def series(middle: float, n: int = 120) -> dict[str, Any]:
    optional = dict.fromkeys(("median_low", "median_high", "p90", "p99", "ac1", "drift"))
    figures = {"mean": middle, "std": 0.1, "cv": 0.1 / middle, "median": middle, "mad": 0.1, "iqr": 0.2}
    return {"n": n, **figures, "p5": middle - 1, "min": middle - 2, "max": middle + 2, "far": 0, **optional}


def timing(workload: dict[str, Any], seed: int, macs: int | None) -> dict[str, Any]:
    middle = 10.0 * workload["batch"] + seed
    times = {"e2e": series(middle)}
    if workload["mode"] == "graph":
        times["device"] = series(middle / 4)
    known = {"macs": macs, "params": 11, "weight_bytes": 44, "converged": True, "verdict": "ok"}
    if workload["precision"] == "fp16":
        return {"workload": workload, "macs": None, "params": 0, "weight_bytes": 0, "failed": "no fp16 here"}
    return {"workload": workload, **known, "times": times, "memory_bytes": {"inference": 2**21, "per_image": None}}


def main(behaviour: str, label: str, torch: str) -> None:
    request = json.loads(sys.stdin.readline())
    batches = [workload["batch"] for workload in request["workloads"]]
    if behaviour == "unborn":
        sys.exit("no interpreter today")
    hangs = behaviour.startswith("hangs in process") and str(request["seed"]) in behaviour
    if hangs:
        note = Path(request["folder"]).with_name("bench-test-pid")
        note.with_suffix(".new").write_text(str(os.getpid()))
        note.with_suffix(".new").rename(note)
    facts = {"machine": {}, "software": {"torch": torch}, "label": label, "slug": "stand-in"}
    print(json.dumps({"facts": facts}), flush=True)
    print(json.dumps({"what": "canaries", "fraction": 0.25}), flush=True)
    if behaviour == "killed at batch 16" and 16 in batches:
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "raises in process 2" and request["seed"] == 2:
        sys.exit("Traceback ...\nValueError: a bad\tkernel\n")
    if behaviour == "refuses":
        refused = {"problem": "a canary died", "remedy": "get air", "key": "", "code": 5}
        print(json.dumps({"refused": refused}), flush=True)
        return
    if hangs:
        if "asked to stop by" in behaviour:
            os.kill(os.getppid(), signal.Signals[behaviour.split()[-1]])
        time.sleep(600)
    timings = [
        timing(workload, request["seed"], macs)
        for workload, macs in zip(request["workloads"], request["macs"], strict=True)
    ]
    readings = {f"{i}.e2e": np.array([1.0, 2.0], np.float32) for i, t in enumerate(timings) if "times" in t}
    np.savez(Path(request["folder"]) / "samples.npz", **readings)
    left = {"timings": timings, "canaries": {"no-op": 0.01}, "conditions": {"seed": request["seed"]}}
    (Path(request["folder"]) / "timings.json").write_text(json.dumps(left))


if __name__ == "__main__":
    main(*sys.argv[1:])
