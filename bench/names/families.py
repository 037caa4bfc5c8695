"""Names with a prefix, `smp:Unet/resnet34`: one builder for all that a library offers, none of it imported to be named.

What follows the prefix is the variant; the builder gets it before what the harness supplies.
"""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

from bench.spec import BenchError, ExitCode


class Family(NamedTuple):
    """A row of a table of prefixes.

    `pattern` is how its names are written, `example` one of them; `package` is what pip calls the library and `module`
    what Python does; `extra` is the extra of this package that brings it, '' where it is always there.  `known` lists
    all that may stand before the first `/` of a variant, nothing where only the library can tell.
    """

    build: str
    pattern: str
    example: str
    package: str
    module: str
    extra: str = ""
    known: tuple[str, ...] = ()
    paper: str = ""

    def fault(self, kind: str, name: str) -> tuple[str, str]:
        """(what is wrong with a name of this family, the word to look near for), both '' where nothing is."""
        variant = name.partition(":")[2]
        head, slash, rest = variant.partition("/")
        if not variant or (slash and not rest) or variant != variant.strip() or ("/" in self.pattern) != bool(slash):
            return f"{kind} '{name}' is not of the form {self.pattern}", ""
        if self.known and variant not in self.known and head not in self.known:
            return f"unknown {kind} '{name}'", head if any("/" not in word for word in self.known) else variant
        return "", ""

    @property
    def installed(self) -> bool:
        """Whether the library is there; nothing is imported."""
        return importlib.util.find_spec(self.module) is not None

    @property
    def remedy(self) -> str:
        """The command that installs it."""
        return f"pip install 'bench[{self.extra}]'" if self.extra else f"pip install {self.package}"

    def require(self, name: str) -> None:
        """Raises BenchError where the library is not installed."""
        if not self.installed:
            problem = f"'{name}' needs {self.package}, which is not installed"
            raise BenchError(problem, remedy=self.remedy, key="model", code=ExitCode.ENVIRONMENT)
