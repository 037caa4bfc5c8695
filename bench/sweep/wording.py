"""What pydantic found wrong -> (problem, remedy) in the words of a sweep file; and small rules on written values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.names import near
from bench.spec import JSON

_COMPONENT = ("a component", "write `name`, or `{name: ..., option: ...}`")
_KINDS = {
    "int": ("a whole number", "write digits alone, such as 4"),
    "float": ("a number", "write one such as 0.01 or 1e-3"),
    "finite": ("a finite number", "write one such as 0.01 or 1e-3"),
    "bool": ("a truth value", "write `true` or `false`"),
    "string": ("text", "write a name"),
    "tuple": ("a list", "write `[one, two]`"),
    "list": ("a list", "write `[one, two]`"),
    "dict": _COMPONENT,
    "model": _COMPONENT,
}


def spoken(value: JSON) -> str:
    """`value` as a message quotes it, short."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)) and value:
        return "a mapping" if isinstance(value, dict) else f"a list of {len(value)}"
    text = str(value) if isinstance(value, (int, float, list, dict)) else repr(value)
    return text if len(text) <= 60 else text[:40] + "..." + text[-10:]


def square(value: JSON) -> JSON:
    """A size: one whole number means a square."""
    return [value, value] if isinstance(value, int) and not isinstance(value, bool) else value


def wording(fault: Mapping[str, Any]) -> tuple[str, str]:
    """One entry of `ValidationError.errors()` as (problem, remedy)."""
    kind, value = fault["type"], spoken(fault["input"])
    if kind == "missing":
        key = fault["loc"][-1]
        if isinstance(key, int):  # an item of a list that has a length of its own
            return f"{value} is too short", _KINDS["tuple"][1]
        return f"`{key}` is missing", f"write `{key}: ...` under `base`"
    if kind == "literal_error":
        choices = fault["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return f"{value} is not one of its values", near(str(fault["input"]), choices)
    if kind == "value_error":
        return str(fault["ctx"]["error"]), "change one of these keys, or unset it with `key: null`"
    if fault["loc"] and fault["loc"][-1] == "name" and fault["input"] is None:
        return "a component without a name", _COMPONENT[1]
    if kind in ("too_short", "too_long"):
        limit = fault["ctx"].get("min_length") or fault["ctx"].get("max_length")
        return f"{value} is {kind.replace('_', ' ')}", f"write at {'least' if kind == 'too_short' else 'most'} {limit}"
    wanted = _KINDS.get(kind.partition("_")[0])
    if wanted and kind.endswith(("_type", "_parsing", "_from_float", "_number")):
        return f"{value} is not {wanted[0]}", wanted[1]
    return f"{value} is no value for it", fault["msg"][0].lower() + fault["msg"][1:]


def _kin(value: JSON) -> str:
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, (int, float)):
        return "a number"
    return "text" if isinstance(value, str) else ""


def coerced(written: JSON, taken: JSON, key: str = "") -> Iterator[tuple[str, str, str]]:
    """(key, problem, remedy) wherever a schema took text for a number, or the like: `steps: "6"`, `flag: no`."""
    if isinstance(written, Mapping) and isinstance(taken, Mapping):
        for name in written:
            if name in taken:
                yield from coerced(written[name], taken[name], f"{key}.{name}" if key else name)
    elif isinstance(written, (list, tuple)) and isinstance(taken, (list, tuple)):
        for i, (one, other) in enumerate(zip(written, taken, strict=False)):
            yield from coerced(one, other, f"{key}.{i}")
    elif _kin(written) and _kin(taken) and _kin(written) != _kin(taken):
        shown = str(taken).lower() if isinstance(taken, bool) else str(taken)
        yield key, f"{spoken(written)} is {_kin(written)}, not {_kin(taken)}", f"write `{shown}` if that is meant"
