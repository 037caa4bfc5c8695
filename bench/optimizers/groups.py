"""Parameter groups as a method gives them -> groups as torch wants them, every number checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.optimizers import Groups


def prepared(groups: Groups, lr: float) -> Groups:
    """Copies of `groups` with "lr" and "initial_lr" = `lr` times the group's own "lr_factor" (1 where it has none).

    Raises BenchError where no parameter is given, or one is given twice: it would be updated twice in a step.
    """
    check("lr", lr)
    ready = []
    for group in groups:
        factor = group.get("lr_factor", 1.0)
        check("lr_factor", factor)
        rest = {key: value for key, value in group.items() if key != "lr_factor"}
        ready.append({**rest, "params": list(group["params"]), "lr": lr * factor, "initial_lr": lr * factor})
    given = [id(parameter) for group in ready for parameter in group["params"]]
    if not given:
        raise BenchError("the optimizer gets no parameter", remedy="train at least one stage", key="optimizer")
    if len(given) != len(set(given)):
        twice = len(given) - len(set(given))
        raise BenchError(
            f"{twice} parameters are in the optimizer's groups more than once",
            remedy="put each parameter in one group: shared weights belong to the first stage that uses them",
            key="optimizer",
        )
    return ready


def fusible(groups: Groups) -> bool:
    """Whether torch can update all parameters in one fused kernel, which also honours the loop's `found_inf` flag."""
    return all(parameter.device.type in ("cpu", "cuda") for group in groups for parameter in group["params"])


def check(name: str, value: float, *, below: float = math.inf) -> None:
    """Raises BenchError unless 0 <= `value` < `below`, where `name` is the option's name."""
    if not 0 <= value < below:
        wanted = "a finite number that is not negative" if below == math.inf else f"a number in [0, {below:g})"
        raise BenchError(f"{name} is {value}", remedy=f"give {wanted}", key=f"optimizer.{name}")


def check_betas(betas: Sequence[float]) -> tuple[float, float]:
    """The two decay rates of Adam's running means; raises BenchError unless both are in [0, 1)."""
    first, second = betas
    check("betas", first, below=1)
    check("betas", second, below=1)
    return first, second
