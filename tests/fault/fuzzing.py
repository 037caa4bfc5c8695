"""What the fuzz tests draw from: documents and their mutations, mangled bytes, odd values; and how long they draw."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

LONG_S = float(os.environ.get("BENCH_FUZZ_S") or 0)
"""Seconds that each fuzz test goes on for when somebody asks for it, e.g. BENCH_FUZZ_S=1800."""


def fuzz(check: Callable[[Any], object], cases: st.SearchStrategy[Any], examples: int, seconds: float = 0) -> int:
    """Hold cases against `check`: so many examples, always the same; or ever new ones for `seconds`.  Returns how many.

    A case that fails is made small before it is raised.
    """
    done = 0

    def one(case: Any) -> None:
        nonlocal done
        done += 1
        check(case)

    how = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    if seconds == 0:
        settings(how, derandomize=True)(given(cases)(one))()
        return done
    start = time.monotonic()
    for round_ in itertools.count():
        if time.monotonic() - start > max(seconds, LONG_S):
            break
        seed(round_)(how(given(cases)(one)))()
    return done


# ------------------------------------------------------------------ bytes

WORDS = (
    *("{", "}", "[", "]", ":", ",", "-", "&a", "*a", "<<:", "!!int", "'", '"', "|", ">", "%", "#", "~", "true", "@"),
    *("1e400", "-1", "0", "017", "NaN", "null", "name", "options", "model", "sha256", "run_id", "schema_number"),
    *("../", "\\u0000", "\\ud800"),
)
PIECES = [word.encode() for word in (*WORDS, ": ", "- ", "\n", "  ", "\t", "\r\n", "\0", "\x1b[2J", "9" * 40, "\u202e")]
PIECES += [b"\xff", b"\xc3", b"\xed\xa0\x80"]

CUT = st.tuples(st.integers(0, 999), st.integers(0, 30), st.sampled_from(PIECES) | st.binary(max_size=4))


def mangled(corpus: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of `corpus` with up to six places of it cut out or written over."""

    def apply(data: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
        for thousandth, length, piece in cuts:
            at = thousandth * len(data) // 1000
            data = data[:at] + piece + data[at + length :]
        return data

    return st.builds(apply, st.sampled_from(corpus), st.lists(CUT, min_size=1, max_size=6))


# ------------------------------------------------------------------ values

ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 2**31, 2**63, 2**64, -(2**70), 10**30, 0.0, -0.0, 0.5, -1.5, 1e308, 5e-324]),
    st.sampled_from(["", "x", "a/b", "../x", "/etc/passwd", "\0", "\x1b[2J", "NA", "é", "\ud800", "x" * 5000, "1e5"]),
    st.sampled_from([[], {}, [[]], [None], {"": {}}, {"name": None}, [0] * 300, [[1, 2], [3]], {"a": [{"b": []}]}]),
    st.text(max_size=8),
    st.integers(),
)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value; of long lists the first and the last three."""
    found = [here] if here else []
    if isinstance(value, dict):
        inner = list(value.items())
    else:
        inner = list(enumerate(value)) if isinstance(value, list) else []
        inner = inner[:3] + inner[3:][-3:]
    for key, one in inner:
        found += places(one, (*here, key))
    return found


def changed(value: Any, path: tuple[Any, ...], how: str, odd: Any) -> Any:
    """A copy of a JSON value with what stands at `path` replaced, taken out, doubled or renamed."""
    whole = json.loads(json.dumps(value))
    inside = whole
    for key in path[:-1]:
        inside = inside[key]
    key = path[-1]
    if how == "drop":
        del inside[key]
    elif how == "rename" and isinstance(inside, dict):
        inside[f"{key}x"] = inside.pop(key)
    elif how == "double" and isinstance(inside, list):
        inside.append(inside[key])
    else:
        inside[key] = odd
    return whole


@st.composite
def odd_versions(draw: st.DrawFn, documents: list[Any]) -> Any:
    """A document with one to three of its values made odd."""
    whole = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(1, 3))):
        there = places(whole)
        if there:
            how = draw(st.sampled_from(["replace", "replace", "drop", "rename", "double"]))
            whole = changed(whole, draw(st.sampled_from(there)), how, draw(ODD))
    return whole
