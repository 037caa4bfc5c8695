"""A sweep file -> a Document: its values, where each is written, and errors that say so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.names import near
from bench.spec import BenchError
from bench.sweep.composer import Node, parse

MAX_BYTES = 256 * 1024

Where = tuple[str | int, ...]
"""A path in the file, such as ("grid", "loss", 1, "threshold"), written grid.loss.1.threshold."""


@dataclass(frozen=True)
class Document:
    """A sweep file that was read: `root` is its mapping, `comment` the text it opens with."""

    file: Path
    root: Node
    comment: str

    def error(self, where: Where, problem: str, remedy: str = "") -> BenchError:
        """A fault at `where`, with the line and column of its key, or of the nearest thing above that is written."""
        if where and where[0] == "--set":
            words = ".".join(part for part in where[1:] if isinstance(part, str))
            return BenchError(problem, remedy=remedy, key=f"--set {words}")
        node, line, column, depth = self.root, 1, 1, 0
        for key in where:
            child = node.child(key)
            if child is None:
                break
            line, column = node.keys[key] if isinstance(key, str) else (child.line, child.column)
            node, depth = child, depth + 1
        while len(where) > depth and isinstance(where[-1], int):  # `crop_px: 0` has no item 1 to name
            where = where[:-1]
        return BenchError(
            problem, remedy=remedy, file=self.file, line=line, column=column, key=".".join(map(str, where))
        )


def read(path: Path) -> Document:
    """The file as a document; every fault is a BenchError with line and column."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES)
    except FileNotFoundError:
        there = [f.name for f in path.parent.glob("*.y*ml")]
        raise BenchError("no such file", remedy=near(path.name, there), file=path) from None
    except OSError as error:
        raise BenchError(f"cannot be read ({error.strerror})", remedy="give a YAML file", file=path) from None
    if len(data) == MAX_BYTES:
        raise BenchError(f"{MAX_BYTES // 1024} KiB or more", remedy="split the sweep", file=path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BenchError("not UTF-8 text", remedy="save the file as UTF-8", file=path, line=line) from None
    try:
        root = parse(text)
    except BenchError as error:
        raise error.at(file=path) from None
    if not isinstance(root.value, dict):
        what = "empty" if root.value is None else "no mapping of keys to values"
        raise BenchError(what, remedy="begin with `name:` and `base:`", file=path, line=root.line, column=root.column)
    return Document(path, root, _leading_comment(text))


def _leading_comment(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        lines.append(line.lstrip("#").strip())
    return " ".join(" ".join(lines).split())
