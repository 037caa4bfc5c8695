"""What every network is to the rest of the house: normalised images in -> named logits out."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class SegModel(nn.Module):
    """A segmentation network.

    `forward(images)`: float (N, 3, H, W), normalised -> {"out": logits (N, K, h, w)} and, when built with auxiliary
    heads, also "aux" and "boundary", in train and in eval mode.  h, w may be smaller than H, W (stride 8).

    `autocast_dtype` is the precision of the forward pass; autocast is entered here, inside the call, because a caller
    that is a generator would leak it into the backward pass.  With `channels_last` images are laid out so on their way
    in, which convolutions pass on.  Outputs come back as contiguous float32 (N, K, h, w), because losses are slower on
    any other layout.

    `compile` (of torch.nn.Module) compiles what a step goes through: in eval mode, where sizes of images differ, and in
    copies, the network runs as it is written.
    """

    autocast_dtype: torch.dtype | None = None
    channels_last: bool = False
    auxiliary: tuple[str, ...] = ()
    """Names of the modules that only training needs; `deployed` leaves them out, so each may be None."""

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        if self.autocast_dtype is None:
            outputs = self._called(images)
            if not self.channels_last:
                return outputs
        else:
            with torch.autocast(images.device.type, self.autocast_dtype):
                outputs = self._called(images)
        return {name: logits.float().contiguous() for name, logits in outputs.items()}

    def _called(self, images: Tensor) -> dict[str, Tensor]:
        if self.training or self._compiled_call_impl is None:
            return super().__call__(images)  # type: ignore[no-any-return]
        with torch.compiler.set_stance("force_eager"):
            return super().__call__(images)  # type: ignore[no-any-return]

    def deployed(self) -> nn.Module:
        """A module that shares these weights and whose forward gives the main logits alone: what is timed and counted.

        It comes in eval mode.  Only tensors are shared: mode, hooks and precision of one side do not reach the other
        (`autocast_dtype` is this moment's).  Moving either to another device or type parts them.
        """
        shared = {id(tensor): tensor for tensor in (*self.parameters(), *self.buffers())}
        twin = copy.deepcopy(self, shared)
        for name in self.auxiliary:
            setattr(twin, name, None)
        return Deployed(twin).eval()

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        """(name, modules) from stem to head, a partition of all parameters: for learning rates by depth."""
        raise NotImplementedError


class Deployed(nn.Module):
    """The main logits (N, K, h, w) of a SegModel, as a plain tensor."""

    def __init__(self, model: SegModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)["out"]
