"""What parameter groups promise: every parameter once, in the words that optimizers know."""

from __future__ import annotations

import torch

from bench.contracts.promise import Promise, Subject
from bench.contracts.stand_ins import SmallNet


def partition(subject: Subject) -> str:
    model = SmallNet()
    groups = subject.build(model)
    listed = [id(p) for group in groups for p in group["params"]]
    wanted = {id(p): key for key, p in model.named_parameters()}
    lost = [key for i, key in wanted.items() if i not in listed]
    if lost:
        return f"{len(lost)} parameters in no group: {', '.join(lost[:3])}"
    return "a parameter in two groups" if len(listed) != len(wanted) else ""


def usable(subject: Subject) -> str:
    groups = subject.build(SmallNet())
    factors = [group.get("lr_factor", 1.0) for group in groups]
    if any(not isinstance(f, (int, float)) or not 0 <= f < float("inf") for f in factors):
        return f"lr_factor are {factors}"
    torch.optim.SGD([{k: v for k, v in group.items() if k != "lr_factor"} for group in groups], lr=0.1)
    return ""


PROMISES = (
    Promise("every parameter in one group", partition, "go through model.stages(), and leave none out"),
    Promise("an optimizer can take them", usable, 'give {"params": [...], "lr_factor": number >= 0}'),
)
