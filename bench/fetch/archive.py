"""A downloaded archive and what it must hold -> a complete folder, or none at all.

The member list is compared with what the publisher is known to put there before a byte is written; then everything goes
into a folder of its own beside the destination, which takes its final name in one step, with a marker inside.  A kill
leaves either nothing under that name or all of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bench.fetch.expected import Archive, allowed
from bench.fetch.members import Member, Walk, refused, walk
from bench.spec import BenchError, ExitCode

MARKER = ".complete"


def complete(archive: Archive, root: Path) -> bool:
    """Whether `root` holds this archive's folder, whole: its marker is there, and as many files as it says."""
    folder = root / archive.folder
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        there = sum(not name.startswith(".") for _, _, files in os.walk(folder) for name in files)
        return isinstance(marker, dict) and (marker["archive"], marker["files"]) == (archive.digest, there)
    except (OSError, ValueError, KeyError):
        return False


def unpack(file: Path, archive: Archive, root: Path, tick: Callable[[int], None] = lambda count: None) -> Path:
    """The folder `root / archive.folder`, unpacked from `file` unless it is complete already.

    `file` must be the one that `archive.digest` names: `download` sees to that.  `tick` is told the bytes written.
    Raises BenchError, with nothing left behind, for an archive that is damaged or holds anything that was not expected,
    for a folder that is in the way, and for a disk that cannot take it.
    """
    final = root / archive.folder
    if complete(archive, root):
        return final
    if os.path.lexists(final):
        problem = "is there already, and was not unpacked whole by bench"
        raise BenchError(problem, remedy="use it as it is, or move it away", file=final, code=ExitCode.DATA)
    with _locked(file) as opened:
        size = sum(member.size for member, _ in allowed(walk(file, opened), file, archive))  # all judged, none written
        with _fresh(root, archive.folder, size) as staging:
            summary = _write(allowed(walk(file, opened), file, archive), file, archive, staging, tick)
            with writing(root):
                text = json.dumps({"archive": archive.digest, **summary}, indent=1) + "\n"
                (staging / archive.folder / MARKER).write_text(text, encoding="utf-8")
                os.sync()  # once for thousands of files, before the name that says they are all there
                (staging / archive.folder).rename(final)
    return final


def _locked(file: Path) -> IO[bytes]:
    """`file` opened, and locked while it is: two processes must not share the folder they write to."""
    try:
        opened = file.open("rb")
    except OSError as error:
        raise refused(f"cannot be read ({error.strerror or error})", file) from error
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        opened.close()
        raise BenchError("is being unpacked by another process", remedy="wait for it", file=file) from error
    except OSError:
        pass  # a file system without locks
    return opened


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """What a disk refuses becomes one BenchError that names `place`."""
    try:
        yield
    except OSError as error:
        what = f"cannot be written ({error.strerror or error})"
        remedy = "free space, or choose another folder with --data-root"
        raise BenchError(what, remedy=remedy, file=place, code=ExitCode.ENVIRONMENT) from error


@contextmanager
def _fresh(root: Path, name: str, size: int) -> Iterator[Path]:
    """An empty folder in `root` with room for `size` bytes; gone afterwards, or when killed, before the next."""
    staging = root / f".{name}.unpacking"
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(root).free
        if free < size:
            problem = f"has {free >> 20} MB free where {size >> 20} MB are needed"
            raise BenchError(problem, remedy="free space first", file=root, code=ExitCode.ENVIRONMENT)
        if os.path.lexists(staging):
            shutil.rmtree(staging)
        staging.mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write(members: Walk, file: Path, archive: Archive, staging: Path, tick: Callable[[int], None]) -> dict[str, Any]:
    """Write the files below `staging`; how many they are, their bytes and a sha256 over names and contents."""
    count, total, whole = 0, 0, hashlib.sha256()
    made: set[str] = set()
    inside = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for member, content in members:
            with writing(staging):  # reading has errors of its own
                for folder in _parents(member.name, made):
                    os.mkdir(folder, 0o755, dir_fd=inside)
                new = os.open(member.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=inside)
                with os.fdopen(new, "wb") as out:
                    digest = _copy(member, content, out, file, archive, tick)
            whole.update(member.name.encode() + b"\0" + digest)
            count, total = count + 1, total + member.size
    finally:
        os.close(inside)
    return {"files": count, "bytes": total, "sha256": whole.hexdigest()}


def _copy(
    member: Member, content: Iterable[bytes], out: IO[bytes], file: Path, archive: Archive, tick: Callable[[int], None]
) -> bytes:
    """The bytes of one member into `out`: exactly as many as stated, and of the kind expected; their sha256."""
    written, digest = 0, hashlib.sha256()
    for chunk in content:
        if written == 0 and not chunk.startswith(archive.starts_with):
            raise refused(f"holds {member.name}, which is not the kind of file that its name says", file)
        written += len(chunk)
        if written > member.size:
            raise refused(f"holds {member.name}, which is larger than stated", file)
        out.write(chunk)
        digest.update(chunk)
        tick(len(chunk))
    if written < member.size or (archive.starts_with and not written):
        raise refused(f"holds {member.name}, which is shorter than stated", file)
    return digest.digest()


def _parents(name: str, made: set[str]) -> Iterator[str]:
    """The folders above `name` that are not made yet, outermost first."""
    parts = name.split("/")
    for depth in range(1, len(parts)):
        folder = "/".join(parts[:depth])
        if folder not in made:
            made.add(folder)
            yield folder
