"""KiB of memory of its own that a process needs for 40 batches out of `images.npy` and `labels.npy` in a folder."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import torch

from bench.augment.flip import flip
from bench.batches import training_batches
from bench.cache import Split
from bench.cache.rows import mapped, tensor


def private() -> int:
    """KiB that no file backs and no other process shares."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    before = private()
    images, labels = (tensor(mapped(Path(sys.argv[1]) / f"{name}.npy")) for name in ("images", "labels"))
    split = Split(images, labels, (), "", mapped=True)
    cpu = torch.device("cpu")
    made = training_batches(split, batch_size=6, seed=0, device=cpu, crop_px=(512, 512), augment=(flip(),))
    for _batch in itertools.islice(made, 40):
        pass
    print(len(split), private() - before)
