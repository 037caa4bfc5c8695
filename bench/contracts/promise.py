"""A component and the promises of its kind -> for each whether it is kept, and what to do where it is not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from bench import names
from bench.contracts import PROMISES
from bench.spec import BenchError, Component

CLASSES = 5
"""How many classes components are tried with."""


class Subject:
    """A component on trial; `build(*args)` makes a new one, `args` being what the harness supplies."""

    def __init__(self, kind: str, component: Component) -> None:
        self.kind, self.component = kind, component

    def build(self, *args: Any) -> Any:
        return names.build(self.kind, self.component, *args)

    def seeded(self, *args: Any, seed: int = 0) -> Any:
        """One built after torch's generator was set to `seed`."""
        torch.manual_seed(seed)
        return self.build(*args)


@dataclass(frozen=True)
class Promise:
    """`says` what holds; `broken(subject)` tells how it does not, '' where it does; `remedy` is what to change."""

    says: str
    broken: Callable[[Subject], str]
    remedy: str


@dataclass(frozen=True)
class Finding:
    """What came of one promise: `fault` is '' where it is kept."""

    kind: str
    name: str
    promise: str
    fault: str
    remedy: str


def examine(kind: str, component: Component) -> Iterator[Finding]:
    """Try every promise of a kind in turn; whatever is raised is a fault.  The caller's random numbers stay as they
    were."""
    promises: tuple[Promise, ...] = names.load(PROMISES[kind])
    subject = Subject(kind, component)
    for promise in promises:
        found = fault(promise, subject)
        yield Finding(kind, component.name, promise.says, found, promise.remedy if found else "")


def fault(promise: Promise, subject: Subject) -> str:
    """How a promise is broken, what was raised included; '' where it is kept."""
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns that initialising on meta does nothing
            return promise.broken(subject)
    except BenchError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
