"""The lines around a table -> the conditions that they give to all its rows: model, device, size, batch, classes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bench.audit.columns import column
from bench.audit.devices import Device, device, mentioned
from bench.audit.figures import figure, size, sizes
from bench.audit.known import Named, named
from bench.audit.reading import Section
from bench.audit.rows import Supplied

_TIMED = re.compile(r"latenc|inference|\bspeed|\bfps\b|runtime|measured|timed|benchmark", re.IGNORECASE)


class Around:
    """Conditions that the lines of a section give to all its rows."""

    def __init__(self, section: Section, everywhere: list[tuple[int, str]], supplied: Supplied) -> None:
        self.section, self.supplied = section, supplied
        self.facts = [(line, column(key), value) for line, key, value in section.facts]
        self.where: tuple[Device | None, str] = (supplied.device, "--device" if supplied.device else "")
        self.where = _one_device(section.words) or _one_device(everywhere) or self.where
        told = [s for _, c, value in self.facts if c.quantity == "size" and (s := size(value))]
        told = told or [s for _, text in section.words for s in sizes(text)]
        self.size = told[0] if len(set(told)) == 1 else supplied.size
        self.batch = self._number("batch") or supplied.batch
        self.classes = self._number("classes") or supplied.classes

    def _number(self, quantity: str) -> int | None:
        return next((n for _, c, value in self.facts if c.quantity == quantity and (n := whole(value))), None)

    def model(self, above: Iterable[tuple[int, str]]) -> tuple[str, Named | None]:
        """The model that the lines above a table speak of: a `Model name:` line, the nearest known name, the title."""
        told = next((value for _, c, value in self.facts if c.quantity == "model"), "")
        if told:
            return told, named(told)
        for _, text in [*reversed(list(above)), (0, self.section.title)]:
            found = named(text, anywhere=True)
            if found:
                return found.label, found
        return self.section.title, None


def _one_device(lines: Iterable[tuple[int, str]]) -> tuple[Device, str] | None:
    """The one card that lines about speed speak of, and where."""
    found = {name: n for n, text in reversed(list(lines)) if _TIMED.search(text) for name in mentioned(text)}
    if len(found) != 1:
        return None
    name, line = next(iter(found.items()))
    known = device(name)
    return (known, f"line {line}") if known else None


def whole(text: str) -> int | None:
    found = figure(text, "count")
    return int(found.value) if found and found.value >= 1 and found.value == int(found.value) else None
