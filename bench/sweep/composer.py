"""YAML text -> a tree of values that know their line and column; the only user of PyYAML.

PyYAML supplies the events alone.  Its composer and constructor are left out: they build lists of lists without bound,
take `1e-3` for text and `on` for a truth value, keep the last of two equal keys, and raise ValueError, KeyError or
RecursionError on hostile text.  Every limit below is checked while the events arrive, before anything is expanded.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from bench.spec import JSON, BenchError
from bench.sweep.scalars import scalar

MAX_DEPTH = 32
MAX_NODES = 10_000
MAX_ALIASES = 64
MAX_MERGES = 8


@dataclass(frozen=True, slots=True)
class Node:
    """One value: a scalar, a list of nodes or a mapping to nodes; `size` and `height` count aliases written out."""

    value: Any
    line: int
    column: int
    size: int = 1
    height: int = 1
    keys: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def child(self, key: str | int) -> Any:
        """The node under `key`, or None."""
        if isinstance(self.value, dict):
            return self.value.get(key)
        if isinstance(self.value, list) and isinstance(key, int) and key < len(self.value):
            return self.value[key]
        return None

    def plain(self) -> JSON:
        """The value in ordinary lists, dicts and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        return [node.plain() for node in self.value] if isinstance(self.value, list) else self.value


def parse(text: str) -> Node:
    """The one document in `text`; raises BenchError with line, column and key, whatever PyYAML raises."""
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise BenchError("a character that YAML forbids", remedy="remove it", line=line, column=column) from None
    return _Composer(loader).document()


_REMEDIES = {
    "found character '\\t' that cannot start any token": "indent with spaces, not tabs",
    "mapping values are not allowed here": "check the indentation, or quote a text that holds `: `",
}


def _place(mark: Any) -> tuple[int, int]:
    """Line and column, both from 1."""
    return mark.line + 1, mark.column + 1


def _refuse(mark: Any, problem: str, remedy: str) -> NoReturn:
    line, column = _place(mark)
    raise BenchError(problem, remedy=remedy, line=line, column=column) from None


class _Composer:
    """Events -> nodes, within the limits."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self.loader = loader
        self.anchors: dict[str, Node | None] = {}
        self.nodes = self.aliases = self.merges = 0

    def next(self) -> Any:
        """The next event."""
        try:
            return self.loader.get_event()  # type: ignore[no-untyped-call]
        except yaml.MarkedYAMLError as error:
            problem = str(error.problem)
            _refuse(error.problem_mark, problem, _REMEDIES.get(problem, "mend the YAML here"))
        except Exception as error:  # PyYAML leaks ValueError, OverflowError, RecursionError and others
            problem = f"not readable as YAML ({type(error).__name__})"
            _refuse(self.loader.get_mark(), problem, "mend the YAML here")

    def under(self, key: str | int, event: Any, depth: int) -> Node:
        """The node that begins with `event` and stands under `key`; its errors say so."""
        try:
            return self.node(event or self.next(), depth)
        except BenchError as error:
            error.key = f"{key}.{error.key}" if error.key else str(key)
            raise

    def document(self) -> Node:
        self.next()
        start = self.next()
        if isinstance(start, yaml.StreamEndEvent):
            return Node(None, 1, 1)
        if start.version or start.tags:
            _refuse(start.start_mark, "directives (%YAML, %TAG) are not allowed", "remove the line")
        root = self.node(self.next(), 1)
        self.next()
        end = self.next()
        if not isinstance(end, yaml.StreamEndEvent):
            _refuse(end.start_mark, "a second document", "keep one sweep per file")
        return root

    def node(self, event: Any, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, depth)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            _refuse(event.start_mark, f"tags such as {tag} are not allowed", "write the plain value")
        self.check(event, depth, 1)
        if event.anchor:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = self.scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self.sequence(event, depth)
        else:
            node = self.mapping(event, depth)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def check(self, event: Any, depth: int, more: int) -> None:
        self.nodes += more
        if depth > MAX_DEPTH:
            _refuse(event.start_mark, f"nested deeper than {MAX_DEPTH} levels", "write the sweep flat")
        if self.nodes > MAX_NODES:
            _refuse(event.start_mark, f"more than {MAX_NODES} values", "split the sweep")

    def scalar(self, event: Any) -> Node:
        line, column = _place(event.start_mark)
        try:
            value = event.value if event.style else scalar(event.value)
        except BenchError as error:
            raise error.at(line=line, column=column) from None
        return Node(unicodedata.normalize("NFC", value) if isinstance(value, str) else value, line, column)

    def alias(self, event: Any, depth: int) -> Node:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            _refuse(event.start_mark, f"more than {MAX_ALIASES} aliases", "write the values out")
        if event.anchor not in self.anchors:
            _refuse(event.start_mark, f"unknown alias *{event.anchor}", "define the anchor `&name` before `*name`")
        node = self.anchors[event.anchor]
        if node is None:
            _refuse(event.start_mark, f"*{event.anchor} stands inside itself", "write the value out")
        self.check(event, depth + node.height - 1, node.size)
        return node

    def sequence(self, event: Any, depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(inner := self.next(), yaml.SequenceEndEvent):
            items.append(self.under(len(items), inner, depth + 1))
        return self.collection(event, items, items, {})

    def mapping(self, event: Any, depth: int) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, tuple[int, int]] = {}
        merged: list[tuple[str, Node, tuple[int, int]]] = []
        while not isinstance(key := self.next(), yaml.MappingEndEvent):
            name = self.key(key, depth)
            place = _place(key.start_mark)
            if name in keys:
                problem = f"key '{name}' a second time (first in line {keys[name][0]})"
                raise BenchError(problem, remedy="keep one", line=place[0], column=place[1], key=name)
            value, keys[name] = self.under(name, None, depth + 1), place
            if name == "<<" and not key.style:
                merged += self.merge(key, value, depth)
            else:
                entries[name] = value
        for name, value, place in merged:  # what is written out wins over what is merged in
            if name not in entries:
                entries[name], keys[name] = value, place
        return self.collection(event, entries, list(entries.values()), keys)

    def key(self, event: Any, depth: int) -> str:
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None or event.anchor:
            _refuse(event.start_mark, "a key that is not a plain word", "write `word: value`")
        self.check(event, depth, 1)
        return unicodedata.normalize("NFC", event.value)

    def merge(self, key: Any, value: Node, depth: int) -> Iterator[tuple[str, Node, tuple[int, int]]]:
        parts = value.value if isinstance(value.value, list) else [value]
        self.merges += len(parts)
        if self.merges > MAX_MERGES:
            _refuse(key.start_mark, f"more than {MAX_MERGES} merges", "write the values out")
        for part in parts:
            if not isinstance(part.value, dict):
                _refuse(key.start_mark, "`<<` merges mappings only", "give it `*anchor` of a mapping")
            self.check(key, depth, part.size)
            for name, node in part.value.items():
                yield name, node, part.keys[name]

    @staticmethod
    def collection(event: Any, value: Any, inner: list[Node], keys: dict[str, tuple[int, int]]) -> Node:
        size = 1 + len(keys) + sum(node.size for node in inner)
        height = 1 + max((node.height for node in inner), default=0)
        return Node(value, *_place(event.start_mark), size, height, keys)
