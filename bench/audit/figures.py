"""The text of one cell -> a figure in its base unit, with what its rounding hides.

Base units: parameters 1, work 1 (FLOP or multiply-add, `unit` says which), time ms, rate images/s.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Kind = Literal["params", "work", "time", "rate", "share", "count"]

SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12, "p": 1e15}
WORDS = {"thousand": "k", "million": "m", "mio": "m", "mil": "m", "billion": "g", "trillion": "t"}
TIMES = {"s": 1e3, "sec": 1e3, "secs": 1e3, "second": 1e3, "seconds": 1e3, "ms": 1.0, "msec": 1.0, "msecs": 1.0}
TIMES |= {"millisecond": 1.0, "milliseconds": 1.0, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "usec": 1e-3, "ns": 1e-6}
TIMES |= {"min": 6e4, "mins": 6e4, "minutes": 6e4, "h": 3.6e6, "hr": 3.6e6, "hrs": 3.6e6, "hour": 3.6e6, "hours": 3.6e6}
MACS = {"mac", "macs", "madd", "madds", "multadd", "multadds", "multiplyadds", "multiplyadd", "muladds"}
FLOPS = {"flop", "flops"}
PLUS_MINUS = r"(?:±|\+/-|\+-|\\pm)"
EMPTY = {"", "-", "--", "---", "–", "—", "n/a", "na", "nan", "none", "null", "x", "?", "tbd", "todo", "...", "/"}

_DIGITS = r"(?:\d{1,3}(?:[,'’  ]\d{3})+(?:\.\d+)?(?!\d)|\d+(?:[.,]\d+)?|\.\d+)"
_POWER = r"(?:[eE][-+]?\d{1,2}|\s?[x×*·]\s?10\s?\^?\s?\{?[-+]?\d{1,2}\}?)?"
_NUMBER = rf"[-+−]?{_DIGITS}{_POWER}"
_UNIT = r"[A-Za-zµμ%/]*(?:[- ]?(?:flops?|macs?|m?adds?|params?|parameters))?"
_CELL = re.compile(
    rf"[~≈<>≤≥=$ ]*(?P<number>{_NUMBER})\s*\$?\s*(?P<unit>{_UNIT})\s*"
    rf"(?:{PLUS_MINUS}\s*(?P<std>{_NUMBER})\s*(?P<std_unit>[A-Za-zµμ%]*))?(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)


class Figure(NamedTuple):
    """`value` in the base unit, `slack` half a unit of its last printed digit, `unit` "mac" or "flop" if it says so."""

    value: float
    slack: float
    std: float | None = None
    unit: str = ""
    text: str = ""

    @property
    def exact(self) -> bool:
        """Printed to the last unit: `43016284`, not `43.0M`."""
        return self.slack <= 0.5


def figure(text: str, kind: Kind, *, scale: float = 1.0, unit: str = "") -> Figure | None:
    """Read `text`; `scale` and `unit` are the header's, for cells that name none.  None where it is no figure."""
    found = _CELL.match(text[:200])
    if not found or re.match(r"\s*[:/x×\d]", found["rest"]):
        return None
    own = _unit(found["unit"], kind)
    if own is None:
        # `45 epochs` is no time; `43016284 deployed` is a number with a remark.
        if kind == "time" or found.start("unit") == found.end("number"):
            return None
        own = (0.0, "")
    spread = TIMES.get((found["std_unit"] or "").casefold(), 0.0) if kind == "time" else 0.0
    factor, says = own[0] or spread or scale, own[1] or unit  # `4.0 ± 0.1 s` are seconds, both
    value, slack = _number(found["number"], kind)
    std = _number(found["std"], kind)[0] * (spread or factor) if found["std"] else None
    if abs(value) * factor > 1e24:
        return None
    return Figure(value * factor, slack * factor, std, says, text.strip())


def _unit(text: str, kind: Kind) -> tuple[float, str] | None:
    """(factor, "mac" or "flop"), each empty where the cell says nothing; None for a unit of something else."""
    word = re.sub(r"[- ]", "", text.casefold())
    if kind == "time":
        head = word.partition("/")[0]
        return (TIMES.get(head, 0.0), "") if head in TIMES or not head else None
    if kind == "rate":
        return (0.0, "") if word in {"", "fps", "hz", "img/s", "imgs/s", "images/s", "im/s", "it/s"} else None
    if kind in ("share", "count"):
        return 0.0, ""
    word = re.sub(r"(params?|parameters|weights)$", "", word)
    for says, names in (("mac", MACS), ("flop", FLOPS)):
        for name in sorted(names, key=len, reverse=True):
            if word.endswith(name) and word.removesuffix(name) in SCALES:
                letter = word.removesuffix(name)
                return SCALES[letter] if letter else 0.0, says
    word = WORDS.get(word, word)
    return (SCALES[word] if word else 0.0, "") if word in SCALES else None


def _number(text: str, kind: Kind) -> tuple[float, float]:
    """(value, half a unit of the last digit).  A comma before three digits groups, except in times."""
    text = re.sub(r"[\s'’  −]", lambda m: "-" if m[0] == "−" else "", text)
    mantissa, power = re.fullmatch(r"([-+]?[\d.,]+)(.*)", text).groups()  # type: ignore[union-attr]
    exponent = int(re.sub(r"^.*10\^?|[eE{}]", "", power) or 0) if power else 0
    grouped = re.fullmatch(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?", mantissa)
    if grouped and (kind in ("params", "work", "count") or mantissa.count(",") > 1 or "." in mantissa):
        mantissa = mantissa.replace(",", "")
    mantissa = mantissa.replace(",", ".")
    digits = len(mantissa.partition(".")[2])
    return float(mantissa) * 10.0**exponent, 0.5 * 10.0 ** (exponent - digits)


_SIZE = re.compile(r"(?<!\d)(\d{2,5})\s*(?:px)?\s*(?:[x×*✕,]|by)\s*(\d{2,5})(?!\d)", re.IGNORECASE)
_SQUARE = re.compile(r"(?<!\d)(\d{2,5})\s*(?:²|\^\{?2\}?)")


def sizes(text: str) -> list[tuple[int, int]]:
    """Every `512x1024`, `(512, 1024)` or `512²` in a text, in its order of sides."""
    found = [(int(a), int(b)) for a, b in _SIZE.findall(text)] + [(int(a), int(a)) for a in _SQUARE.findall(text)]
    return [pair for pair in found if min(pair) >= 16 and max(pair) <= 20_000]


def size(text: str) -> tuple[int, int] | None:
    """The one size that a cell names, also as a single side (`512`)."""
    found = sizes(text)
    if len(set(found)) == 1:
        return found[0]
    single = re.fullmatch(r"\s*(\d{2,5})\s*(?:px|p|pixels)?\s*", text)
    return (int(single[1]), int(single[1])) if single and not found and 64 <= int(single[1]) <= 20_000 else None


def is_empty(text: str) -> bool:
    """Whether a cell stands for nothing."""
    return text.strip().casefold() in EMPTY
