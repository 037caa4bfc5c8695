"""A value -> the one spelling of it, and from that a run's id."""

from __future__ import annotations

import bisect
import hashlib
import json
import operator
import unicodedata
from collections.abc import Callable, Mapping

from bench.spec.request import RunConfig
from bench.spec.values import JSON

DEFAULTS = 1
"""Raised whenever a default below or in a component changes, so that old ids never mean new numbers."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


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

    return _encode(plain(value)).encode()


class Spelling:
    """`canonical_json(plain(config))` as text, for a `plain` that treats every field by itself.

    The runs of a sweep are made of the same few objects, so a field's part is worked out once per object.
    """

    def __init__(self, plain: Callable[[RunConfig], Mapping[str, JSON]]) -> None:
        self.plain, self.fields = plain, sorted(RunConfig.model_fields)
        self.values = operator.itemgetter(*self.fields)
        self.parts: list[dict[int, str]] = [{} for _ in self.fields]
        self.seen: list[RunConfig] = []
        """The configurations whose objects `parts` knows by their id: kept, so that no id is given to another."""

    def __call__(self, config: RunConfig) -> str:
        ids = map(id, self.values(config.__dict__))
        try:
            known = list(map(operator.getitem, self.parts, ids))
        except KeyError:
            known = self._learn(config)
        return f"{{{','.join(filter(None, known))}}}"

    def _learn(self, config: RunConfig) -> list[str]:
        grouped: dict[str, dict[str, JSON]] = {field: {} for field in self.fields}
        for key, value in self.plain(config).items():  # what is no field, as `defaults` of an id, goes with the next
            grouped[self.fields[bisect.bisect_left(self.fields[:-1], key)]][key] = value
        known = [canonical_json(group).decode()[1:-1] for group in grouped.values()]
        for n, value in enumerate(self.values(config.__dict__)):
            self.parts[n][id(value)] = known[n]
        self.seen.append(config)
        return known


def run_id(identity: Mapping[str, JSON]) -> str:
    """`r-` + 16 hex over the fields that differ from their defaults (see `bench.names.identity`)."""
    return _id_of(canonical_json({"defaults": DEFAULTS, **identity}).decode())


def run_id_reader(identity: Callable[[RunConfig], Mapping[str, JSON]]) -> Callable[[RunConfig], str]:
    """`run_id(identity(config))` for many configurations, faster."""
    text = Spelling(lambda config: {"defaults": DEFAULTS, **identity(config)})
    return lambda config: _id_of(text(config))


def _id_of(text: str) -> str:
    return "r-" + hashlib.sha256(text.encode()).hexdigest()[:16]
