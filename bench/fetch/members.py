"""A zip or tar file -> its members in order, each with its bytes, and nothing that is no plain file or folder.

Links, devices, pipes, setuid files, encrypted members and extended tar headers (long names, attributes) raise.  The tar
reader is our own: Python's keeps whatever an extended header claims in memory, and before 2025 its filters could be
passed.  Only what the archive says is read here; whether it may be written is judged in `archive`.
"""

from __future__ import annotations

import gzip
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from bench.spec import BenchError, ExitCode

CHUNK = 1 << 20
BLOCK = 512


@dataclass(frozen=True)
class Member:
    """One entry as the archive states it; a folder's name ends in no slash here."""

    name: str
    size: int
    folder: bool


Walk = Iterator[tuple[Member, Iterator[bytes]]]
"""Members with their bytes; the bytes must be read, or left, before the next member is asked for."""


def refused(
    problem: str, file: Path, remedy: str = "do not use this copy: download it again from the publisher"
) -> BenchError:
    """A fault of the archive `file`."""
    return BenchError(problem, remedy=remedy, file=file, code=ExitCode.DATA)


def walk(file: Path, opened: IO[bytes]) -> Walk:
    """The members of the archive `opened` (a zip, a tar or a tar.gz; `file` is its name), from its start.

    Raises BenchError for what is none of these, for damage, and for members that are no plain file or folder.
    """
    opened.seek(0)
    head = opened.read(BLOCK)
    opened.seek(0)
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        yield from _walk_zip(file, opened)
    elif head.startswith(b"\x1f\x8b"):
        with _damage(file), gzip.GzipFile(fileobj=opened) as inner:
            yield from _walk_tar(file, cast(IO[bytes], inner))
    elif head[257:262] == b"ustar":
        yield from _walk_tar(file, opened)
    else:
        what = "a web page" if head.lstrip()[:1] == b"<" else "empty" if not head else "something else"
        raise refused(f"is neither a zip nor a tar but {what}", file)


@contextmanager
def _damage(file: Path) -> Iterator[None]:
    """Whatever a reader raises on damaged bytes becomes one BenchError."""
    try:
        yield
    except (BenchError, MemoryError):
        raise
    except Exception as error:  # BadZipFile, BadGzipFile, EOFError, zlib.error, struct.error, RuntimeError and others
        raise refused(f"is damaged ({error or type(error).__name__})", file) from error


def _walk_zip(file: Path, opened: IO[bytes]) -> Walk:
    with _damage(file), zipfile.ZipFile(opened) as archive:
        for info in archive.infolist():
            name = info.orig_filename
            mode = info.external_attr >> 16
            folder = name.endswith("/")
            if stat.S_IFMT(mode) not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
                raise refused(f"holds {_printed(name)}, which is a link or a device", file)
            if mode & (stat.S_ISUID | stat.S_ISGID) and not folder:
                raise refused(f"holds {_printed(name)}, which is setuid", file)
            if info.flag_bits & 1:
                raise refused(f"holds {_printed(name)}, which is encrypted", file)
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise refused(f"holds {_printed(name)}, compressed by method {info.compress_type}", file)
            yield (
                Member(name.removesuffix("/") if folder else name, info.file_size, folder),
                _zip_bytes(file, archive, info),
            )


def _zip_bytes(file: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with _damage(file), archive.open(info) as member:
        while chunk := member.read(CHUNK):
            yield chunk


_TAR_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"L": "a name in an extended header",
    b"K": "a link in an extended header",
    b"x": "a name in an extended header",
    b"g": "an extended header",
}


def _walk_tar(file: Path, opened: IO[bytes]) -> Walk:
    while True:
        header = _exactly(file, opened, BLOCK)
        if not any(header):
            return
        kind = header[156:157]
        name = _tar_name(file, header)
        if kind not in (b"0", b"\0", b"5"):
            what = _TAR_KINDS.get(kind, f"a member of kind {kind!r}")
            raise refused(f"holds {what}" + (f": {_printed(name)}" if name else ""), file)
        folder = kind == b"5"
        if _octal(file, header[100:108]) & (stat.S_ISUID | stat.S_ISGID) and not folder:
            raise refused(f"holds {_printed(name)}, which is setuid", file)
        size = _octal(file, header[124:136])
        left = [size + -size % BLOCK]
        yield Member(name.removesuffix("/") if folder else name, size, folder), _tar_bytes(file, opened, size, left)
        while left[0]:
            left[0] -= len(_exactly(file, opened, min(left[0], CHUNK)))


def _tar_bytes(file: Path, opened: IO[bytes], size: int, left: list[int]) -> Iterator[bytes]:
    """The `size` bytes of a member; `left[0]` counts down what stands before the next header."""
    while size:
        chunk = _exactly(file, opened, min(size, CHUNK))
        size -= len(chunk)
        left[0] -= len(chunk)
        yield chunk


def _tar_name(file: Path, header: bytes) -> str:
    """The name in a header whose checksum is right; bytes outside ASCII stay visible as escapes."""
    stated = _octal(file, header[148:156])
    if sum(header) - sum(header[148:156]) + 8 * ord(" ") != stated:
        raise refused("is damaged (a member's header does not add up)", file)
    parts = [header[:100]]
    if header[257:263] == b"ustar\0" and header[345]:
        parts.insert(0, header[345:500])
    return "/".join(part.partition(b"\0")[0].decode("ascii", "backslashreplace") for part in parts)


def _octal(file: Path, field: bytes) -> int:
    text = field.strip(b" \0")
    if text and not all(digit in b"01234567" for digit in text):
        raise refused("is damaged, or holds a member of more than 8 GB (a number in a header is not octal)", file)
    return int(text or b"0", 8)


def _exactly(file: Path, opened: IO[bytes], count: int) -> bytes:
    with _damage(file):
        found = opened.read(count)
    if len(found) < count:
        raise refused("ends in the middle of a member", file)
    return found


def _printed(name: str) -> str:
    return repr(name if len(name) <= 80 else name[:77] + "...")
