"""The network that was scored <-> what is kept of it: weights of the configured one, and what the method put around.

A method may score something else than the network it trained: other statistics of BN (AdaBN), predictions corrected by
class shares, a network that goes by each batch or goes on adapting.  Weights are kept under the network's own names, so
that they load anywhere; the rest stands beside them.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from bench.methods.norms import ByBatch, normalise_by_batch
from bench.methods.prior_correction import Corrected
from bench.methods.tent import Adapting
from bench.models.segmodel import SegModel

Around = dict[str, Any]
"""One thing around a network: "kind" is `offsets`, `batch_statistics` or `tent`, beside it what that needs."""


def pack(trained: SegModel, scored: SegModel) -> dict[str, Any]:
    """{"model": weights as `trained` names them, "around": from the inside to the outside, "whole": bool, "note": str}.

    Not `whole` is what a method of somebody else scores with modules that `trained` has not: there the weights are
    those of `trained`, as the note says.  One that adapts while it predicts is kept as it was before its first batch.
    """
    around: list[Around] = []
    network: Any = scored
    while True:
        if isinstance(network, Corrected):
            around.insert(0, {"kind": "offsets", "offsets": network.offsets.detach().cpu()})
        elif isinstance(network, Adapting):
            around.insert(0, {"kind": "tent", "lr": network.lr, "episodic": network.episodic})
        else:
            break
        network = network.model
    by_batch = {f"{name}." for name, part in network.named_modules() if isinstance(part, ByBatch)}
    if by_batch and not any(one["kind"] == "tent" for one in around):  # which brings it by itself
        around.insert(0, {"kind": "batch_statistics"})
    weights = {_own_name(name, by_batch): tensor for name, tensor in network.state_dict().items()}
    own = trained.state_dict()
    if {k: t.shape for k, t in weights.items()} == {k: t.shape for k, t in own.items()}:
        return {"model": weights, "around": around, "whole": True, "note": ""}
    note = f"the method scored a {type(scored).__name__}, which these weights before adaptation are not the whole of"
    return {"model": own, "around": [], "whole": False, "note": note}


def unpack(kept: dict[str, Any], network: SegModel) -> SegModel:
    """The network that was scored, in eval mode, out of what `pack` gave and a `network` of the configuration.

    Files of earlier programs hold weights alone.  Raises RuntimeError where the weights are another network's.
    """
    network.load_state_dict(kept["model"])
    return surrounded(kept, network)


def surrounded(kept: dict[str, Any], network: SegModel) -> SegModel:
    """`network`, which has its weights, with all around it that `pack` noted, in eval mode."""
    device = next(network.parameters()).device
    for one in kept.get("around", ()):
        if one["kind"] == "offsets":
            offsets: Tensor = one["offsets"].to(device)
            network = Corrected(network, offsets)
        elif one["kind"] == "tent":
            network = Adapting(network, lr=one["lr"], episodic=one["episodic"])
        else:
            normalise_by_batch(network)
    return network.eval()


def _own_name(name: str, by_batch: set[str]) -> str:
    for prefix in by_batch:
        if name.startswith(f"{prefix}norm."):
            return prefix + name.removeprefix(f"{prefix}norm.")
    return name
