"""A network that has shapes and no values: which of its tensors depend on the number of classes."""

from __future__ import annotations

import warnings

import torch

from bench import names
from bench.models.segmodel import SegModel
from bench.spec import Component

META = torch.device("meta")


def blueprint(part: Component, classes: int) -> SegModel:
    """The network `part` for `classes` classes on the meta device: nothing is initialised, nothing fetched."""
    with META, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that initialising a tensor without values does nothing
        model: SegModel = names.build("model", part, classes)
    return model


def class_tensors(part: Component, classes: int) -> frozenset[str]:
    """The names of the tensors whose shape depends on the number of classes: the network's heads."""
    one, other = (blueprint(part, count).state_dict() for count in (classes, classes + 1))
    return frozenset(name for name, tensor in one.items() if tensor.shape != other[name].shape)
