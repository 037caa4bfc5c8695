"""What a schedule promises: a factor for every part of the run, the same however often it is asked."""

from __future__ import annotations

import math

from bench.contracts.promise import Promise, Subject


def factors(subject: Subject) -> str:
    shape = subject.build()
    found = [shape(i / 1000) for i in range(1001)]
    for i, factor in enumerate(found):
        if not isinstance(factor, (int, float)) or not 0 <= factor < math.inf:
            return f"{factor!r} after {i / 10:g} % of the run"
    return "" if found[0] > 0 else "0 at the start"


def pure(subject: Subject) -> str:
    shape, other = subject.build(), subject.build()
    places = [i / 50 for i in range(50)]
    forwards, backwards = [shape(p) for p in places], [other(p) for p in reversed(places)][::-1]
    return "" if forwards == backwards == [shape(p) for p in places] else "it depends on what was asked before"


PROMISES = (
    Promise("a factor >= 0, above 0 at the start", factors, "return a finite number >= 0 for progress in [0, 1]"),
    Promise("the factor follows from progress alone", pure, "keep no state: a resumed run asks from the middle"),
)
