"""Configurations -> for those with a record on this machine, whether it holds them, and the code and data it is of.

Ten thousand records are not read again for this: `.bench/configs.json` remembers of each what is asked for here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bench import names
from bench.spec import BenchError, ExitCode, RunConfig, Spelling
from bench.store.files import canonical, digest, parse
from bench.store.memory import Memory, mark, settled

if TYPE_CHECKING:
    from bench.store.folder import Store


@dataclass(frozen=True)
class Made:
    """A record: whether it `agrees` with the configuration asked about, and the digests of its code and of its data."""

    agrees: bool
    code: Mapping[str, str]
    data: Mapping[str, str]


def made(store: Store, configs: Mapping[str, RunConfig]) -> dict[str, Made | BenchError]:
    """Run id -> what its newest record was made with; runs without a record are left out.

    Records of this machine only: reference runs never count.  A record that cannot be read is its BenchError: running
    it again could hide a result.  Records made alike share one `Made`.
    """
    memory, spell = Memory(store.work / "configs.json"), Spelling(plain)
    alike, found = _Alike(memory), dict[str, Made | BenchError]()
    for run_id, item in store.newest(configs).items():
        config, stat = configs[run_id], item.stat(follow_symlinks=False)
        known = memory.recall(item.name, mark(stat))
        agreed, _, key = str(known).partition(" ")
        if agreed == digest(spell(config)) and (one := alike.recall(key)):
            found[run_id] = one
            continue
        try:
            stored, of = _read(Path(item.path))
        except BenchError as error:
            found[run_id] = error
            continue
        today = stored if stored == plain(config) else _today(stored)
        found[run_id] = alike.one(of, today == plain(config))
        if today is not None and settled(stat):
            learnt = f"{digest(canonical(today))} {_key(of)}"
            if learnt != known or memory.recall(f"made {_key(of)}", "") != of:
                memory.learn(item.name, mark(stat), learnt)
                memory.learn(f"made {_key(of)}", "", of)
    memory.save()
    return found


Digests = dict[str, dict[str, str]]
"""`code` and `data` of a record."""


def _read(path: Path) -> tuple[dict[str, Any], Digests]:
    """The configuration in a record and its digests."""
    record = parse(path)
    try:
        code, data = record["code"], record["data_digests"]
        if not all(isinstance(word, str) for word in (*code.values(), *data.values())):
            raise TypeError("a digest is text")
        return record["config"], {"code": code, "data": data}
    except (KeyError, TypeError, AttributeError):
        remedy = "restore it from a copy, or move it away to run it again"
        raise BenchError("is no record of a run", remedy=remedy, file=path, code=ExitCode.STORE) from None


class _Alike:
    """One `Made` for all records made with the same, so that it is compared with today once; in the memory, what many
    were made with stands once, under its digest."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.known: dict[tuple[str, bool], Made] = {}

    def recall(self, key: str) -> Made | None:
        """For a record that agrees: what was learnt under `key`."""
        if (key, True) not in self.known:
            of = self.memory.recall(f"made {key}", "")
            if of is None or _key(of) != key:
                return None
            self.known[key, True] = Made(True, of["code"], of["data"])
        return self.known[key, True]

    def one(self, of: Digests, agrees: bool) -> Made:
        """What was made with `of`."""
        return self.known.setdefault((_key(of), agrees), Made(agrees, of["code"], of["data"]))


def _key(of: Digests) -> str:
    return digest(canonical(of))


def plain(config: RunConfig) -> dict[str, Any]:
    """A configuration as a record holds it."""
    return config.model_dump(mode="json")


def _today(stored: dict[str, Any]) -> dict[str, Any] | None:
    """A stored configuration, fields that came later at their defaults; None if it fits no more."""
    try:
        return plain(names.resolve_config(RunConfig.model_validate(stored)))
    except (ValidationError, BenchError):
        return None
