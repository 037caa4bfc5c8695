"""What a loss promises: a finite scalar whatever is labelled, and no look at void."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.contracts.promise import CLASSES, Promise, Subject
from bench.spec import IGNORE

Loss = Callable[[dict[str, Tensor], Tensor], Tensor]


def _drawn(*values: int) -> Tensor:
    """Labels of two images of 16x24 in squares of 8, so that classes have an inside and an edge."""
    drawn = torch.randint(0, len(values), (2, 2, 3), generator=torch.Generator().manual_seed(1))
    return torch.tensor(values)[drawn].repeat_interleave(8, 1).repeat_interleave(8, 2)


LABELS = {"mixed": (0, 1, 2, 3, 4, IGNORE), "one class": (2,), "all void": (IGNORE,)}
"""Which values the labels take."""


def outputs(height: int = 2, width: int = 3) -> dict[str, Tensor]:
    """What a model with every head gives for two images of 16x24."""
    draw = torch.Generator().manual_seed(0)
    shapes = {"out": CLASSES, "aux": CLASSES, "boundary": 1}
    return {k: torch.randn(2, c, height, width, generator=draw).requires_grad_() for k, c in shapes.items()}


def loss_of(subject: Subject) -> Loss:
    """The loss, told of the source's classes where it asks."""
    loss: Loss = subject.seeded()
    if hasattr(loss, "fit"):
        loss.fit(torch.arange(1, 4 * CLASSES + 1).reshape(4, CLASSES))
    return loss


def finite(subject: Subject) -> str:
    for case, values in LABELS.items():
        given = outputs()
        value = loss_of(subject)(given, _drawn(*values))
        if not isinstance(value, Tensor) or value.shape != ():
            return "it is no scalar tensor"
        if not value.isfinite():
            return f"{value.item()} for labels that are {case}"
        value.backward()  # type: ignore[no-untyped-call]
        gradients = [logits.grad for logits in given.values() if logits.grad is not None]
        if not gradients or not all(gradient.isfinite().all() for gradient in gradients):
            return f"no finite gradient for labels that are {case}"
        if any(bool(gradient.any()) for gradient in gradients) is (case == "all void") and case != "one class":
            return f"its gradient is {'not ' if case == 'all void' else ''}zero for labels that are {case}"
    return ""


def blind(subject: Subject) -> str:
    labels = _drawn(*LABELS["mixed"])
    given, other = outputs(16, 24), outputs(16, 24)
    with torch.no_grad():
        other["out"][(labels == IGNORE)[:, None].expand_as(other["out"])] = 30.0
    one, two = loss_of(subject)(given, labels), loss_of(subject)(other, labels)
    return (
        "" if torch.allclose(one, two, rtol=1e-5) else f"{one.item():g}, and {two.item():g} with other logits on void"
    )


def pure(subject: Subject) -> str:
    labels, given = _drawn(*LABELS["mixed"]), outputs()
    kept, before = labels.clone(), {k: v.detach().clone() for k, v in given.items()}
    loss = loss_of(subject)
    one, two = loss(given, labels), loss(given, labels)
    if not torch.equal(labels, kept) or any(not torch.equal(given[k].detach(), v) for k, v in before.items()):
        return "it writes into its inputs"
    return "" if torch.equal(one, two) else "asked twice it gives two values"


def half(subject: Subject) -> str:
    value = loss_of(subject)({k: (20 * v).bfloat16() for k, v in outputs().items()}, _drawn(*LABELS["mixed"]))
    return "" if value.isfinite() else f"{value.item()} for logits in bf16"


def works_alone(subject: Subject) -> str:
    try:
        with torch.device("meta"):
            value = loss_of(subject)(
                {k: v.detach().to("meta") for k, v in outputs().items()}, torch.zeros(2, 16, 24).long()
            )
    except RuntimeError as fault:
        return f"it reads values, which stops the device: {fault}"
    return "" if value.shape == () else "it is no scalar"


PROMISES = (
    Promise(
        "a finite scalar with a finite gradient, 0 where all is void",
        finite,
        "divide by the number of labelled pixels, at least 1; keep `out` in the sum",
    ),
    Promise("what is void has no say", blind, "leave pixels out where labels == 255"),
    Promise("the same inputs give the same value, and stay as they are", pure, "keep no state; write into no input"),
    Promise("finite for bf16 logits", half, "work in float32: logits.float()"),
    Promise("no value is read on the host", works_alone, "write without .item(), bool(tensor) and nonzero()"),
)
