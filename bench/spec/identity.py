"""A value -> the one spelling of it, and from that a run's id."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping

from bench.spec.values import JSON

DEFAULTS = 1
"""Raised whenever a default below or in a component changes, so that old ids never mean new numbers."""


def canonical_json(value: JSON) -> bytes:
    """The one spelling of a JSON value: sorted keys, no blanks, text in NFC, -0.0 as 0.0; nan is refused."""

    def plain(v: JSON) -> JSON:
        if isinstance(v, str):
            return unicodedata.normalize("NFC", v)
        if isinstance(v, Mapping):
            return {plain(str(k)): plain(x) for k, x in v.items()}
        if isinstance(v, (list, tuple)):
            return [plain(x) for x in v]
        return 0.0 if isinstance(v, float) and v == 0 else v

    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def run_id(identity: Mapping[str, JSON]) -> str:
    """`r-` + 16 hex over the fields that differ from their defaults (see `bench.names.identity`)."""
    return "r-" + hashlib.sha256(canonical_json({"defaults": DEFAULTS, **identity})).hexdigest()[:16]
