"""Plain JSON <-> a file that says when it was changed; and bytes onto a disk, so that a kill leaves all or nothing.

A file holds one top-level key per line, sorted, and the sha256 of its canonical JSON: the digest survives another
line-ending or layout, and not another value.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bench.spec import SCHEMA, BenchError, ExitCode, canonical_json

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


def canonical(plain: Any) -> str:
    """`canonical_json` as text, faster, for JSON whose keys are text."""
    text = _encode(plain)
    # Only text beyond ASCII and a negative zero may be spelled in two ways.
    return canonical_json(plain).decode() if "\\u" in text or "-0.0" in text else text


def dump(record: BaseModel) -> bytes:
    """The file content of a record: one sorted top-level key per line, with the digest of the canonical JSON."""
    return layout({key: canonical(value) for key, value in record.model_dump(mode="json").items()})


def layout(texts: Mapping[str, str]) -> bytes:
    """The file content of an object, given the canonical text of each value."""
    lines = {key: f"{canonical(key)}:{texts[key]}" for key in sorted(texts)}
    lines["sha256"] = f'"sha256":"{digest("{" + ",".join(lines.values()) + "}")}"'
    return ("{\n" + ",\n".join(lines[key] for key in sorted(lines)) + "\n}\n").encode()


def digest(text: str) -> str:
    """The sha256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse(path: Path) -> dict[str, Any]:
    """The checked JSON object in `path`, without its digest; raises BenchError naming the file and what to do."""
    try:
        if path.is_symlink():
            remedy = "replace it by the file itself"
            raise _refused(path, "is a symbolic link, and records are plain files", remedy)
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
    newer = plain.get("schema_number", SCHEMA)
    if isinstance(newer, int) and newer > SCHEMA:
        raise _refused(path, f"has schema {newer}, newer than this program's {SCHEMA}", "update bench")


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
        plain = json.loads(content, object_pairs_hook=unique, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"is no valid record ({str(error).partition(chr(10))[0]})") from None
    if not isinstance(plain, dict) or "sha256" not in plain:
        raise _refused(path, "is no record (no sha256)")
    _check_schema(plain, path)
    if plain.pop("sha256") != digest(canonical(plain)):
        raise _refused(path, "was changed after it was written (sha256 does not match)")
    return plain


def _written(path: Path, content: bytes) -> Path:
    """A durable temporary file beside `path` that holds `content`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        rest = memoryview(content)
        while rest:  # one os.write may be short without an error (quota, file size limit)
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    return temporary


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """A failing disk or a missing permission, as one line that names the path."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "free some space and start again: finished runs are kept" if full else "check the path"
        problem = f"cannot be written ({error.strerror})"
        raise BenchError(problem, remedy=remedy, file=path, code=ExitCode.ENVIRONMENT) from None


def commit(path: Path, content: bytes) -> None:
    """Create `path` with `content`, durably and never over an existing file; a kill leaves all of it or nothing."""
    with _named(path):
        temporary = _written(path, content)
        try:
            os.link(temporary, path)
        finally:
            temporary.unlink()
        _sync_folder(path.parent)


def replace(path: Path, content: bytes) -> None:
    """Put `content` at `path`, durably; a kill leaves the old content or the new."""
    with _named(path):
        os.replace(_written(path, content), path)
        _sync_folder(path.parent)
