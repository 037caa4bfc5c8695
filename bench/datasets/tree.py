"""A pattern such as `images/{domain}/{split}/*.png` and a folder -> the files that match, by what `*` stands for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.datasets.reading import data_error
from bench.spec import BenchError

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_PART = re.compile(r"(?:[A-Za-z0-9._ *-]|\{domain\}|\{split\})+")


def plain_name(text: str, key: str) -> str:
    """`text`, when it is a name that leads nowhere else; raises BenchError for the option `key` otherwise."""
    if not _PLAIN.fullmatch(text):
        raise BenchError(f"'{text}' is no plain name", remedy="use letters, digits, `_`, `-` and `.`", key=key)
    return text


def tree_files(place: Path, pattern: str, key: str, words: Mapping[str, str], domains: bool) -> dict[str, Path]:
    """Files below `place` that match, each under the text that its wildcards stand for, joined by `-`.

    `words` are what `{domain}` and `{split}` stand for; where there are several `domains`, `{domain}` must occur.
    Hidden files are no data.  Raises BenchError for a pattern that leads elsewhere or joins what must be apart.
    """
    parts = pattern.split("/")
    if not all(_PART.fullmatch(part) and set(part) != {"."} for part in parts) or "*" not in parts[-1]:
        remedy = f'write it like `{key}: "{key}/{{domain}}/{{split}}/*.png"`'
        raise BenchError(f"'{pattern}' is no pattern of files below the tree", remedy=remedy, key=key)
    for word in ("{split}", *(("{domain}",) if domains else ())):
        if word not in pattern:
            raise BenchError(
                f"'{pattern}' does not say where {word} goes", remedy="each needs files of its own", key=key
            )
    found: dict[str, Path] = {}
    for path, texts in _matches(place, [part.format(**words) for part in parts]):
        name = "-".join(texts)
        if name in found:
            raise data_error(f"is called '{name}' like {found[name].name}", path, "rename one of the two")
        found[name] = path
    return found


def _matches(folder: Path, parts: list[str]) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Files along `parts`, with the texts of their wildcards."""
    wanted = re.compile("([^/]*)".join(map(re.escape, parts[0].split("*"))))
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise data_error(f"the folder cannot be read ({error.strerror or error})", folder) from error
    for entry in entries:
        match = None if entry.name.startswith(".") else wanted.fullmatch(entry.name)
        if match is None:
            continue
        if len(parts) == 1:
            if entry.is_file():
                yield folder / entry.name, match.groups()
        elif entry.is_dir():
            for path, texts in _matches(folder / entry.name, parts[1:]):
                yield path, match.groups() + texts
