"""What a record was made with -> which of its code and of its data is another by now; what nobody can tell is not."""

from __future__ import annotations

import hashlib
import json
import operator
import os
from pathlib import Path
from typing import Any

from bench import names
from bench.names.code import KINDS, changed_parts, part_digest
from bench.names.lineage import is_run, weights_before
from bench.spec import Component, Domain, RunConfig
from bench.store import Made, Memory, Store, canonical, mark
from bench.store.memory import settled

DECIDING = (*KINDS, "choose", "dataset", "source", "target", "evaluate_on", "resize_px", "init")
"""Fields of a configuration on which its code and its data depend."""

WEIGHTS = "weights"
"""What stands in the place of a split where a record notes the file of weights that a run was given."""

Changed = tuple[tuple[str, ...], tuple[str, ...]]
"""Parts of the code, and domains."""


class Changes:
    """changes(config, made) for the many runs of a sweep: each distinct pair is compared once; `close` at the end."""

    def __init__(self, store: Store) -> None:
        self.memory = Memory(store.work / "data.json")
        self.cache, self.runs = store.work / "cache", store.work / "runs"
        self.values = operator.itemgetter(*DECIDING)
        self.known: dict[tuple[int, ...], Changed] = {}
        self.seen: list[Any] = []
        """What `known` knows by its id: kept, so that no id is given to another."""
        self.digests: dict[str, str | None] = {}
        self._stored: dict[str, str] | None = None

    def __call__(self, config: RunConfig, made: Made) -> Changed:
        key = (id(made), *map(id, self.values(config.__dict__)))
        if key not in self.known:
            self.seen += [config, made]
            self.known[key] = changed_parts(config, made.code), self._changed_data(config, made)
        return self.known[key]

    def close(self) -> None:
        """Remember what was worked out."""
        self.memory.save()

    # -------------------------------------------------------------- data

    def _changed_data(self, config: RunConfig, made: Made) -> tuple[str, ...]:
        """The domains of which a split is not what the record's was."""
        changed: dict[str, None] = {}
        given = weights_before(config)
        for where, recorded in sorted(made.data.items()):
            domain, _, split = where.rpartition(":")
            today = self._of_weights(given.get(domain)) if split == WEIGHTS else self._today(config, domain, split)
            if today not in (None, recorded):
                changed[domain] = None
        return tuple(changed)

    def _today(self, config: RunConfig, domain: str, split: str) -> str | None:
        """The digest of a split as it is drawn now or, of files, as they were when they were last read here."""
        key = canonical([config.dataset.model_dump(mode="json"), domain, split, config.resize_px])
        if key not in self.digests:
            try:
                where = Domain.parse(domain)
                part = names.resolve("dataset", names.dataset_of(config.dataset, where))
                if names.dataset_info(part).needs_files:
                    self.digests[key] = self._of_files(part, where, split, config)
                else:
                    self.digests[key] = self._drawn(part, where, split)
            except Exception:  # a dataset that fails has no say in whether a run is finished
                self.digests[key] = None
        return self.digests[key]

    def _of_weights(self, text: str | None) -> str | None:
        """The digest of the weights of a run or a file, None where they are not here; read once for as long as they
        stay as they are."""
        if text is None:
            return None
        path = self.runs / text / "chosen.pt" if is_run(text) else Path(text.rpartition(":")[2]).expanduser()
        try:
            stat, name = os.stat(path), f"weights {path.absolute()}"
            found = self.memory.recall(name, mark(stat))
            if not isinstance(found, str):
                with path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                if settled(stat):
                    self.memory.learn(name, mark(stat), found)
            return found
        except OSError:
            return None

    def _drawn(self, part: Component, where: Domain, split: str) -> str:
        """What a dataset without files says of itself, remembered for as long as its code stays."""
        name = f"drawn {canonical([part.model_dump(mode='json'), str(where), split])}"
        code = part_digest("dataset", frozenset({part.name}))
        found = self.memory.recall(name, code)
        if not isinstance(found, str):
            found = str(names.build("dataset", part, None, where.name, split).digest())
            self.memory.learn(name, code, found)
        return found

    def _of_files(self, part: Component, where: Domain, split: str, config: RunConfig) -> str | None:
        facts = {"dataset": part.name, "options": part.options, "domain": where.name, "split": split}
        size = None if config.resize_px is None else list(config.resize_px)
        request = {**facts, "resize_px": size, "native_labels": split in ("val", "test")}
        if self._stored is None:
            self._stored = dict(filter(None, map(self._manifest, sorted(self.cache.glob("*/manifest.json")))))
        return self._stored.get(canonical(request))

    def _manifest(self, path: Path) -> tuple[str, str] | None:
        """(request, digest) of a stored split; read as JSON, because `bench.cache` loads torch."""
        try:
            now = mark(os.stat(path))
            found = self.memory.recall(path.parent.name, now)
            if not isinstance(found, list):
                body = json.loads(path.read_bytes())["body"]
                found = [canonical(body["made"]["request"]), str(body["digest"])]
                self.memory.learn(path.parent.name, now, found)
            return found[0], found[1]
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None
