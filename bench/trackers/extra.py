"""A library that is not installed -> an error that says how to install it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.spec import BenchError, ExitCode


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Imports in the block come with `pip install 'bench[name]'`.  Raises BenchError (code ENVIRONMENT) without it."""
    try:
        yield
    except ImportError as fault:
        problem = f"{fault.name or name} is not installed" if isinstance(fault, ModuleNotFoundError) else str(fault)
        remedy = f"pip install 'bench[{name}]'"
        raise BenchError(problem, remedy=remedy, key=f"--tracker {name}", code=ExitCode.ENVIRONMENT) from None
