"""A `-k` expression -> a test of readable names: words are parts of a name, joined by and, or, not, ( )."""

from __future__ import annotations

import re
from collections.abc import Callable

from bench.spec import BenchError

_TOKEN = re.compile(r"[()]|[^\s()]+")
_MAX_LENGTH = 1000
_MAX_DEPTH = 50

Test = Callable[[str], bool]


def selector(expression: str) -> Test:
    """The test of a name that `expression` spells; raises BenchError, key `-k`, for one that cannot be read.

    `not` binds more tightly than `and`, `and` more tightly than `or`; capitals do not matter.
    """
    if len(expression) > _MAX_LENGTH:
        raise _wrong(f"longer than {_MAX_LENGTH} characters")
    parser = _Parser(_TOKEN.findall(expression.lower()))
    test = parser.either(0)
    if parser.tokens:
        raise _wrong(f"'{parser.tokens[0]}' after the end of the expression")
    return test


def _wrong(problem: str) -> BenchError:
    return BenchError(problem, remedy="write words joined by `and`, `or`, `not` and brackets", key="-k")


class _Parser:
    """Recursive descent; `tokens` is what is left to read."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens

    def take(self, *wanted: str) -> bool:
        if self.tokens and self.tokens[0] in wanted:
            del self.tokens[0]
            return True
        return False

    def either(self, depth: int) -> Test:
        tests = [self.both(depth)]
        while self.take("or"):
            tests.append(self.both(depth))
        return lambda name: any(test(name) for test in tests)

    def both(self, depth: int) -> Test:
        tests = [self.one(depth)]
        while self.take("and"):
            tests.append(self.one(depth))
        return lambda name: all(test(name) for test in tests)

    def one(self, depth: int) -> Test:
        if depth > _MAX_DEPTH:
            raise _wrong(f"nested deeper than {_MAX_DEPTH} levels")
        if self.take("not"):
            inner = self.one(depth + 1)
            return lambda name: not inner(name)
        if self.take("("):
            inside = self.either(depth + 1)
            if not self.take(")"):
                raise _wrong("a bracket that is not closed")
            return inside
        if not self.tokens or self.tokens[0] in ("and", "or", ")"):
            raise _wrong(
                f"a word is missing before '{self.tokens[0]}'" if self.tokens else "a word is missing at the end"
            )
        word = self.tokens.pop(0)
        return lambda name: word in name.lower()
