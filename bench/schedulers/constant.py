"""Progress of training -> 1: the learning rate never changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.schedulers import Schedule


def constant() -> Schedule:
    """The same learning rate from the first step to the last.

    Gives f(progress) = 1.0.  As in the paper (there is none: it is the reference the other shapes are compared with).
    """
    return lambda progress: 1.0
