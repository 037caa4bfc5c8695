"""Several components of one kind at once, written as a list: `method: [fda, mic]`, `loss: [dice, {name: focal}]`.

They become one component, `combined`, whose option `parts` holds theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from bench.spec import BenchError, Component

COMBINED, PARTS = "combined", "parts"
KINDS = ("loss", "method")
"""Kinds of which a configuration may name several in one place."""

FACTORS = {"loss": "weight"}
"""What stands beside a part's own options: by how much it counts."""


def from_list(parts: list[Any]) -> dict[str, Any]:
    """What a list of components stands for; a list of one is that one."""
    return parts[0] if len(parts) == 1 else {"name": COMBINED, "options": {PARTS: parts}}


def each_part(kind: str, parts: Any, change: Callable[[Component], Component]) -> list[dict[str, Any]]:
    """`change` applied to every part; a BenchError says which one it is about."""
    if not isinstance(parts, (list, tuple)) or len(parts) < 2:
        remedy = f"write `{kind}: [one, two]`"
        raise BenchError(f"a combination has at least two parts, not {parts!r}", remedy=remedy, key=PARTS)
    changed = []
    for i, part in enumerate(parts):
        try:
            component, factor = split_factor(kind, Component.model_validate(part))
            if component.name == COMBINED:
                raise BenchError("a combination inside a combination", remedy="write one list", key="")
            full = change(component).model_dump()
            changed.append(full if factor in (None, 1.0) else {**full, FACTORS[kind]: factor})
        except ValidationError:
            raise BenchError(f"{part!r} is no component", remedy="write its name, or {name: ...}", key=str(i)) from None
        except BenchError as error:
            error.key = f"{i}.{error.key}" if error.key not in ("", kind) else str(i)
            raise
    return changed


def split_factor(kind: str, part: Component) -> tuple[Component, float | None]:
    """A part without its factor, and the factor; None for a kind that has none."""
    word = FACTORS.get(kind)
    if word is None:
        return part, None
    factor = part.options.get(word, 1.0)
    if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not 0 < factor < 1e6:
        raise BenchError(f"{factor!r} is no weight", remedy="write a number above 0", key=word)
    rest = {key: value for key, value in part.options.items() if key != word}
    return Component(name=part.name, options=rest), float(factor)


def title(component: Component) -> str:
    """`fda+mic` for a combination, else the name."""
    parts = component.options.get(PARTS)
    if component.name != COMBINED or not isinstance(parts, (list, tuple)):
        return component.name
    return "+".join(str(part.get("name")) if isinstance(part, Mapping) else str(part) for part in parts)
