"""What a stored split was made from: its files with their digests and states, its labels' counts; and today's files."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import PIL

from bench.cache.rows import put
from bench.spec import IGNORE, JSON, BenchError, Dataset, ExitCode, canonical_json

FORMAT = 1
"""Raised whenever decoding, resizing or the layout of stored splits changes: those of another number are built anew."""

SETTLED_S = 2.0
"""A file changed as recently as this could change once more within one tick of its clock: it is hashed again."""

NAME = "manifest.json"
_HEAD, _BODY, _TAIL = b'{"sha256":"', b'","body":', b"}\n"


@runtime_checkable
class FileDataset(Dataset, Protocol):
    """A dataset that is read from files."""

    def files(self, index: int) -> tuple[Path, ...]:
        """What sample `index` is read from."""

    def file_digests(self, index: int) -> tuple[bytes, ...]:
        """sha256 of each of `files(index)`."""

    def rule(self) -> str:
        """What decides, besides the files, what `read` makes of them."""

    def digest(self, known: list[tuple[bytes, ...]] | None = None) -> str:
        """The dataset's digest; `known`, the `file_digests` of every sample, saves reading the files."""


class Entry(NamedTuple):
    """One sample: its files as [name from the common folder on, size, time of content, time of entry] (ns, None for
    a file that was too young to tell), their sha256, pixels of each class, void ones, smallest and largest label."""

    name: str
    stamps: list[list[JSON]]
    digests: list[str]
    counts: list[int]
    void: int
    low: int | None
    high: int | None


def entry(name: str, stamps: list[list[JSON]], digests: tuple[bytes, ...], codes: list[int], classes: int) -> Entry:
    """`codes` are the pixels of each of the 256 codes."""
    shown = [code for code in range(classes) if codes[code]]
    low, high = (shown[0], shown[-1]) if shown else (None, None)
    return Entry(name, stamps, [d.hex() for d in digests], codes[:classes], codes[IGNORE], low, high)


@dataclass(frozen=True)
class Manifest:
    """All that is known of a stored split; `arrays` are file name -> `mark`, `shapes` those of one image and label."""

    made: JSON
    shapes: list[list[int]]
    arrays: dict[str, list[int]]
    digest: str
    entries: list[Entry]

    def save(self, folder: Path) -> None:
        """Durably, in place of an earlier one."""
        body = json.dumps({**self.__dict__, "columns": Entry._fields}, separators=(",", ":")).encode()
        put(folder / NAME, _HEAD + hashlib.sha256(body).hexdigest().encode() + _BODY + body + _TAIL)

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Raises FileNotFoundError without one, ValueError for one that is damaged or of another format."""
        content = (folder / NAME).read_bytes()
        start = len(_HEAD) + 64
        digest, body = content[len(_HEAD) : start], content[start + len(_BODY) : -len(_TAIL)]
        if hashlib.sha256(body).hexdigest().encode() != digest:
            raise ValueError("its manifest is damaged")
        found = json.loads(body)
        if found["made"].get("format") != FORMAT:
            raise ValueError(f"its format is {found['made'].get('format')}, not {FORMAT}")
        del found["columns"]
        found["entries"] = [Entry(*row) for row in found["entries"]]
        return cls(**found)


def made(request: JSON, rule: str) -> JSON:
    """What a stored split must agree in to be of use at all."""
    return {"format": FORMAT, "pillow": PIL.__version__, "request": request, "rule": rule}


def key(request: JSON) -> str:
    """The name of a request, for a folder: twelve hex digits."""
    return hashlib.sha256(canonical_json(request)).hexdigest()[:12]


class Files:
    """Today's files of a dataset: their names, and their states when asked."""

    def __init__(self, dataset: FileDataset) -> None:
        self.names = [dataset.image_name(i) for i in range(len(dataset))]
        self.paths = [tuple(map(os.fspath, dataset.files(i))) for i in range(len(dataset))]
        folders = {path.rpartition(os.sep)[0] for several in self.paths for path in several}
        above = os.path.dirname(os.path.commonpath(folders))
        self._below = len(os.path.join(above, ""))

    def stamps(self, index: int) -> list[list[JSON]]:
        """The files of one sample as they are now; raises BenchError (DATA) for one that is gone."""
        below, states = self._below, []
        try:
            for path in self.paths[index]:
                stat = os.stat(path)
                states.append([path[below:], stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns])
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
            raise BenchError(problem, remedy="restore the file", file=path, code=ExitCode.DATA) from error
        return states


def settled(stamps: list[list[JSON]]) -> list[list[JSON]]:
    """`stamps` without the times of files that may still change unseen: these never count as unchanged."""
    limit = time.time_ns() - int(SETTLED_S * 1e9)
    return [stamp if max(stamp[2:]) < limit else [*stamp[:2], None, None] for stamp in stamps]
