"""Pinned numbers: a change that is meant to keep results must keep these, to the tolerance of another processor.

Five updates on fixed arithmetic inputs; parameters and multiply-adds as exact integers.
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
    ("pidnet_s", "source_only", "cross_entropy"): (5.7147, 5.5351, 5.0308, 4.7009, 5.1321),
    ("pidnet_s", "source_only", "pidnet"): (39.635, 33.194, 25.203, 21.692, 17.151),
    ("unet_resnet18", "source_only", "cross_entropy"): (2.2239, 2.1242, 1.9993, 1.9149, 1.792),
    ("unet_resnet18", "source_only", "ohem"): (2.5739, 2.5197, 2.3911, 2.3349, 2.2882),
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
    model = names.build("model", Component(name=model_name), 7)
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
        iter([Batch(waves, labels)] * 5),
        steps=5,
        lr_factor=lambda step: 1 - step / 5,
        pause=lambda step: False,
        device=torch.device("cpu"),
    )
    (progress,) = loop
    return list(progress.losses["segmentation"])


@pytest.mark.parametrize("what", GOLDEN, ids="-".join)
def test_five_losses_are_what_they_were(what: tuple[str, str, str]) -> None:
    assert five_losses(*what) == pytest.approx(GOLDEN[what], rel=5e-3)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_exact(name: str) -> None:
    with torch.device("meta"):
        model = names.build("model", Component(name=name), 7)
        deployed = model.deployed()
    found = (count_parameters(deployed), count_parameters(model), count_macs(deployed, (1, 3, 512, 512)))
    assert found == COUNTS[name]
