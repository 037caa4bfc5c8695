"""A split and a seed -> the batch of every step: the same on any device and after any restart.

`cutting` says which samples, `gathering` puts them in one place and has `normalising` make numbers of their bytes,
`training` joins these with augmentation; `scoring` goes through a split in order.
"""

from bench.batches.cutting import TARGET, crop_size, cut_samples, draws, steps_per_epoch
from bench.batches.gathering import bytes_of
from bench.batches.normalising import MEAN, STD, normalise
from bench.batches.scoring import scoring_batches
from bench.batches.training import Batch, Timed, Transform, paired, training_batches

__all__ = [
    "MEAN",
    "STD",
    "TARGET",
    "Batch",
    "Timed",
    "Transform",
    "bytes_of",
    "crop_size",
    "cut_samples",
    "draws",
    "normalise",
    "paired",
    "scoring_batches",
    "steps_per_epoch",
    "training_batches",
]
