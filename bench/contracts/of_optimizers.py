"""What an optimizer promises: it learns, stands still when told, and goes on from its state."""

from __future__ import annotations

import copy
from typing import Any

import torch

from bench.contracts.promise import Promise, Subject


def _started(subject: Subject) -> tuple[torch.nn.Parameter, Any]:
    weight = torch.nn.Parameter(torch.ones(3))
    return weight, subject.build([{"params": [weight]}])


def _step(weight: torch.nn.Parameter, optimizer: Any, gradient: float, flag: torch.Tensor) -> None:
    weight.grad = torch.full((3,), gradient)
    optimizer.found_inf = flag
    optimizer.step()


def downhill(subject: Subject) -> str:
    weight, optimizer = _started(subject)
    if not all("initial_lr" in group for group in optimizer.param_groups):
        return "its groups have no `initial_lr`, which schedules scale"
    for _ in range(3):
        _step(weight, optimizer, 1.0, torch.zeros(()))
    return "" if (weight < 1).all() else "it does not move against the gradient"


def withheld(subject: Subject) -> str:
    weight, optimizer = _started(subject)
    for gradient, raised in ((1.0, False), (float("nan"), True), (1.0, False), (float("nan"), True)):
        before = weight.detach().clone()
        _step(weight, optimizer, gradient, torch.tensor(float(raised)))
        if torch.equal(weight, before) is not raised:
            return "it moves while found_inf is 1" if raised else "it stands still while found_inf is 0"
    return ""


def factor(subject: Subject) -> str:
    one, two = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = subject.build([{"params": [one], "lr_factor": 10.0}, {"params": [two]}])
    rates = [group["initial_lr"] for group in optimizer.param_groups]
    return "" if abs(rates[0] - 10 * rates[1]) < 1e-9 * rates[0] else f"initial_lr are {rates}, not as 10 to 1"


def state(subject: Subject) -> str:
    (weight, optimizer), (other, second), up = _started(subject), _started(subject), torch.zeros(())
    for _ in range(3):
        _step(weight, optimizer, 1.0, up)
    other.data.copy_(weight.data)
    second.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for one, which in ((weight, optimizer), (other, second)):
        _step(one, which, 0.5, up)
    return "" if torch.equal(weight, other) else "one that took over its state makes another step"


PROMISES = (
    Promise("it moves against the gradient", downhill, "build it with bench.optimizers.groups, as ours are"),
    Promise("no update while found_inf is 1", withheld, "use one of torch's fused optimizers (fused=True)"),
    Promise("lr_factor multiplies a group's rate", factor, "give each group lr = lr * lr_factor and initial_lr"),
    Promise("it goes on from its state", state, "keep all state in state_dict()"),
)
