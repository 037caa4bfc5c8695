"""Words typed for a size -> (height, width)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.spec import Size


def parse_size(text: str) -> Size:
    """`512x1024` (height x width), or `512` for a square; raises BenchError for anything else."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})(?:x([1-9][0-9]{0,4}))?", text)
    if not found:
        raise BenchError(f"'{text}' is no size", remedy="write HxW, such as 512x512", key="--size")
    return int(found[1]), int(found[2] or found[1])
