"""The text of a plain YAML scalar -> null, a truth value, a number, or the text itself.

Only the forms of YAML 1.2's core schema are read, and an integer part with a leading zero stays text: `no`, `017`,
`1:30`, `1_000` and dates mean something else to every reader, so here they are never silently a number.
"""

from __future__ import annotations

import math
import re

from bench.spec import BenchError

Scalar = None | bool | int | float | str

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_RADIX = re.compile(r"(0o[0-7]+|0x[0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

MAX_DIGITS = 18
"""Longer whole numbers fit no counter of ours, and thousands of digits cost seconds to convert."""


def scalar(text: str) -> Scalar:
    """The value that plain `text` spells; raises BenchError for nan, infinity and numbers too large to hold."""
    if text in _WORDS:
        return _WORDS[text]
    if whole := _INT.fullmatch(text) or _RADIX.fullmatch(text):
        if len(whole[1]) > MAX_DIGITS:
            raise BenchError(f"a whole number of more than {MAX_DIGITS} digits", remedy="write a smaller one")
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isfinite(number):
            return number
        raise BenchError(f"{text} is too large to hold", remedy="write a smaller number")
    if _NOT_FINITE.fullmatch(text):
        raise BenchError(f"{text} is not a finite number", remedy="write a number, or quote it if it is text")
    return text
