"""Speeds of counting, printed; run on purpose with `-m performance -s`."""

from __future__ import annotations

import time

import pytest

from bench.cost.counts import count_macs, count_parameters
from bench.models import make_model

SHAPE = (1, 3, 512, 512)
NAMES = ("deeplabv2_resnet101", "pidnet_s", "unet_resnet18")


@pytest.mark.performance
def test_three_networks_are_counted_without_values(capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: all three in under 2 s once torch's meta kernels are imported (the first meta tensor imports them)."""
    models = [make_model(name, 7) for name in NAMES]
    count_macs(models[1], (1, 3, 64, 64))
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        macs = [count_macs(model, SHAPE) for model in models]
        parameters = [count_parameters(model) for model in models]
        rounds.append(time.perf_counter() - start)
    assert macs == [184_519_925_760, 6_274_318_336, 21_818_769_408]
    assert parameters == [43_016_284, 7_717_839, 14_329_079]
    with capsys.disabled():
        print(
            f"\nthree networks counted in {sorted(rounds)[2]:.3f} s (median of 5; best {min(rounds):.3f}; goal < 2 s)"
        )
