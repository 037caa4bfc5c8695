"""A disk that is full after so many bytes, then larger: prints what was stored, refused and lost.

`small_disk.py DIR KILOBYTES...` runs in a name space of its own (unshare -rm), where it may mount.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from calls import ending, work
from hammer import forked, told
from storework import acknowledged, is_there, run_id

from bench.store import Store
from bench.store.checking import check
from bench.store.repairing import repair

RUNS = 24


def filled(place: Path, kilobytes: int, acks: Path) -> dict[str, Any]:
    """Store RUNS runs on a disk of this size, give it room, store what is left."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)], check=True)
    root = place / "results"

    def start() -> int:
        pid = forked(lambda: ending(lambda: work(root, told(acks), RUNS)))
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    first = start()
    stored = acknowledged(acks)
    lost = [number for number in stored if not is_there(Store(root), number)]
    wrong = [one.problem for one in check(Store(root)) if one.kind not in ("orphan", "temporary")]
    subprocess.run(["mount", "-o", "remount,size=4m", str(place)], check=True)
    second = start()
    repair(Store(root))
    left = [one.problem for one in check(Store(root))]
    missing = [run_id(number) for number in range(RUNS) if not is_there(Store(root), number)]
    subprocess.run(["umount", str(place)], check=True)
    acks.unlink()
    return {
        "size": kilobytes,
        "codes": [first, second],
        "stored": len(stored),
        "lost": len(lost),
        "wrong": wrong + left,
        "missing": missing,
    }


if __name__ == "__main__":
    place = Path(sys.argv[1]) / "disk"
    place.mkdir()
    print(json.dumps([filled(place, int(size), Path(sys.argv[1]) / "acks") for size in sys.argv[2:]]))
