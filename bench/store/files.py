"""Plain JSON <-> a file that says when it was changed.

A file holds one top-level key per line, sorted, and the sha256 of its canonical JSON: the digest survives another
line-ending or layout, and not another value.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bench.spec import BenchError, ExitCode, canonical_json
from bench.store import schemas

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


class NewerSchema(BenchError):
    """A record that a later program wrote: nothing is wrong with it."""


def canonical(plain: Any) -> str:
    """`canonical_json` as text, faster, for JSON whose keys are text."""
    text = _encode(plain)
    # Only text beyond ASCII and a negative zero may be spelled in two ways.
    return canonical_json(plain).decode() if "\\u" in text or "-0.0" in text else text


def dump(record: BaseModel) -> bytes:
    """The file content of a record: one sorted top-level key per line, with the digest of the canonical JSON."""
    return layout(spelled(record))


def spelled(record: BaseModel, left_out: Collection[str] = ()) -> dict[str, str]:
    """The canonical text of each field, without those `left_out`."""
    return {key: canonical(value) for key, value in record.model_dump(mode="json", exclude=set(left_out)).items()}


def layout(texts: Mapping[str, str]) -> bytes:
    """The file content of an object, given the canonical text of each value."""
    lines = {key: f"{canonical(key)}:{texts[key]}" for key in sorted(texts)}
    own = "sha256"
    lines[own] = f'"{own}":"{digest("{" + ",".join(lines.values()) + "}")}"'
    return ("{\n" + ",\n".join(lines[key] for key in sorted(lines)) + "\n}\n").encode()


def digest(text: str) -> str:
    """The sha256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse(path: Path) -> dict[str, Any]:
    """The checked JSON object in `path` as it would be written today, without its digest.

    Raises BenchError (code STORE) naming the file and what to do.
    """
    plain = parse_as_is(path)
    try:
        return schemas.upgraded(plain)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _refused(path, f"cannot be read as an earlier schema ({type(error).__name__}: {error})") from None


def parse_as_is(path: Path) -> dict[str, Any]:
    """`parse`, under the schema number that the file has."""
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            what = "a symbolic link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "a special file"
            raise _refused(path, f"is {what}, and records are plain files", "replace it by the file itself")
        content = path.read_bytes()
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror})") from None
    plain = _as_written(content)
    if plain is None:
        return _examined(content, path)
    _check_schema(plain, path)
    return plain


def _refused(
    path: Path, problem: str, remedy: str = "restore it from a copy, or move it away to run it again"
) -> BenchError:
    return BenchError(problem, remedy=remedy, file=path, code=ExitCode.STORE)


def _check_schema(plain: dict[str, Any], path: Path) -> None:
    try:
        number = schemas.number_of(plain)
    except ValueError as error:
        raise _refused(path, f"is no valid record ({error})") from None
    if number is not None and number > schemas.SCHEMA:
        raise NewerSchema(
            f"has schema {number}, newer than this program's {schemas.SCHEMA}",
            remedy="update bench",
            file=path,
            code=ExitCode.STORE,
        )


def _as_written(content: bytes) -> dict[str, Any] | None:
    """The object in `content` if writing it again, digest and all, gives these very bytes; else None."""
    try:
        plain = json.loads(content)
        del plain["sha256"]
        same = layout({key: canonical(value) for key, value in plain.items()}) == content
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return plain if same else None


def _examined(content: bytes, path: Path) -> dict[str, Any]:
    """The object in `content` in another layout, or what is wrong with it."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key stands twice")
        return found

    def no_constant(text: str) -> None:
        raise ValueError(f"{text} is no number")

    try:
        plain = json.loads(content.decode(), object_pairs_hook=unique, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"is no valid record ({error})") from None
    if not isinstance(plain, dict) or "sha256" not in plain:
        raise _refused(path, "is no record (no sha256)")
    _check_schema(plain, path)
    try:
        intact = plain.pop("sha256") == digest(canonical(plain))
    except (ValueError, TypeError, RecursionError) as error:  # infinite (1e999), half a character, too deep
        raise _refused(path, f"is no valid record ({error})") from None
    if not intact:
        raise _refused(path, "was changed after it was written (sha256 does not match)")
    return plain
