"""How convolutions start: a network and a rule -> its weights, drawn from torch's global generator."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def start_convolutions(network: nn.Module, rule: Callable[[Tensor], object]) -> None:
    """Fill the weight of every convolution in `network` by `rule`; biases keep PyTorch's own start.

    On the meta device nothing is drawn: there are no values, and the first normal_ there makes torch load its
    decompositions, which takes seconds.
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d) and not part.weight.is_meta:
            rule(part.weight)


def he_normal(weight: Tensor) -> None:
    """Kaiming-normal over fan_out, for ReLU (He et al. 2015, arXiv 1502.01852, section 2.2)."""
    nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")


def he_uniform(weight: Tensor) -> None:
    """Kaiming-uniform over fan_in, for ReLU."""
    nn.init.kaiming_uniform_(weight, mode="fan_in", nonlinearity="relu")


def narrow_normal(weight: Tensor) -> None:
    """N(0, 0.01)."""
    nn.init.normal_(weight, std=0.01)
