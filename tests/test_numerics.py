"""Pinned numbers: a change that is meant to keep results must keep these, to the tolerance of another processor.

Up to five updates on fixed arithmetic inputs, in double precision: PIDNet's statistics over two small images make 18 %
of the fifth loss out of a millionth in the first, so of it only the first update is pinned.  Parameters and
multiply-adds as exact integers.
"""

from __future__ import annotations

import pytest
import torch

from bench import names
from bench.batches import Batch
from bench.cost.counts import count_macs, count_parameters
from bench.spec import Component
from bench.train import train

GOLDEN = {
    ("pidnet_s", "source_only", "cross_entropy"): (5.7147, 5.2388),
    ("pidnet_s", "source_only", "pidnet"): (39.6347, 32.5381),
    ("unet_resnet18", "source_only", "cross_entropy"): (2.2239, 2.1242, 2.0031, 1.9161, 1.825),
    ("unet_resnet18", "source_only", "ohem"): (2.5739, 2.5191, 2.3975, 2.3323, 2.2863),
}
OPTIONS = {"ohem": {"threshold": 0.15, "min_kept": 1000}}  # by default every pixel of an untrained network is hard
COUNTS = {
    "deeplabv2_resnet101": (43_016_284, 43_016_284, 184_519_925_760),
    "pidnet_s": (7_624_167, 7_717_839, 5_893_029_888),
    "unet_resnet18": (14_329_079, 14_329_079, 21_818_769_408),
}


def five_losses(model_name: str, method_name: str, loss_name: str) -> list[float]:
    """The loss of each of five updates; weights are drawn from seed 0 by torch's own generator, the same everywhere."""
    torch.manual_seed(0)
    model = names.build("model", Component(name=model_name), 7).double()
    loss = names.build("loss", Component(name=loss_name, options=OPTIONS.get(loss_name, {})))
    method = names.build("method", Component(name=method_name), loss, 7)
    optimizer = names.build("optimizer", Component(name="sgd"), [{"params": list(model.parameters())}])
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    waves = torch.stack([torch.sin(0.1 * (k + 1) * rows + 0.07 * columns) for k in range(6)]).reshape(2, 3, 64, 64)
    labels = ((rows // 16 + columns // 16) % 7).long().expand(2, 64, 64).clone()
    labels[:, :4] = 255
    loop = train(
        model,
        method,
        (optimizer,),
        iter([Batch(waves.double(), labels)] * 5),
        steps=5,
        lr_factor=lambda step: 1 - step / 5,
        pause=lambda step: False,
        device=torch.device("cpu"),
    )
    (progress,) = loop
    return list(progress.losses["segmentation"])


@pytest.mark.parametrize("what", GOLDEN, ids="-".join)
def test_losses_are_what_they_were(what: tuple[str, str, str]) -> None:
    assert five_losses(*what)[: len(GOLDEN[what])] == pytest.approx(GOLDEN[what], rel=1e-3)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_exact(name: str) -> None:
    with torch.device("meta"):
        model = names.build("model", Component(name=name), 7)
        deployed = model.deployed()
    found = (count_parameters(deployed), count_parameters(model), count_macs(deployed, (1, 3, 512, 512)))
    assert found == COUNTS[name]
