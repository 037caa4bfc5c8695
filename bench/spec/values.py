"""The smallest words of the house: frozen values, domains, components, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

IGNORE = 255
"""The label of a pixel that no loss and no score may see (void, no-data, unlabelled)."""

JSON = Any


class Frozen(BaseModel):
    """An immutable value; unknown keys are errors, and nan or infinity is never a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


@dataclass(frozen=True)
class Domain:
    """One visual world, written `loveda/urban`."""

    dataset: str
    name: str

    @classmethod
    def parse(cls, text: str, dataset: str = "") -> Domain:
        """`rural` (of `dataset`) or `other_dataset/rural`."""
        head, slash, tail = text.rpartition("/")
        return cls(head if slash else dataset, tail)

    def __str__(self) -> str:
        return f"{self.dataset}/{self.name}"


class Component(Frozen):
    """A named part with its options, written `ohem` or `{name: ohem, threshold: 0.9}`."""

    name: str
    options: dict[str, JSON] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _written_flat(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value, "options": {}}
        if isinstance(value, Mapping) and not isinstance(value.get("options"), Mapping):
            return {"name": value.get("name"), "options": {k: v for k, v in value.items() if k != "name"}}
        return value

    @model_serializer
    def _flat(self) -> dict[str, JSON]:
        return {"name": self.name, **dict(sorted(self.options.items()))}


Size = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
"""(height, width) in pixels."""
