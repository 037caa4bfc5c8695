"""What Lightning adds to a bare step, with everything switched off and as it comes; run in the peers' environment."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")

import lightning
import torch
import torch.nn.functional as F
from step import Resident, compare, network, optimizer_of
from torch import Tensor, nn

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.simplefilter("ignore")


class Module(lightning.LightningModule):
    def __init__(self, logs: bool) -> None:
        super().__init__()
        self.net, self.logs = network(), logs

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        loss = F.cross_entropy(self.net(images), labels)
        if self.logs:
            self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimizer_of(self.net)


def off(resident: Resident) -> nn.Module:
    """No logger, bar, checkpoint, summary or validation, and nothing logged."""
    nothing = dict.fromkeys(
        ("logger", "enable_progress_bar", "enable_checkpointing", "enable_model_summary", "use_distributed_sampler"),
        False,
    )
    return fit(Module(logs=False), resident, **nothing)


def usual(resident: Resident) -> nn.Module:
    """As it comes, with `self.log` of the loss: CSV logger, checkpoint; only the bar is off, since it would print."""
    with tempfile.TemporaryDirectory() as folder:
        logger = lightning.pytorch.loggers.CSVLogger(folder)
        return fit(Module(logs=True), resident, logger=logger, enable_progress_bar=False, enable_model_summary=False)


def fit(module: Module, resident: Resident, **options: object) -> nn.Module:
    trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", devices=1, limit_val_batches=0, **options)
    trainer.fit(module, resident)
    return module.net


if __name__ == "__main__":
    compare(lightning_off=off, lightning_usual=usual)
