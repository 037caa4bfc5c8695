"""The members of an archive and what the publisher is known to put there -> the files that may be written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.fetch.members import Member, Walk, refused

DEEPEST = 32
LONGEST = 255
FOLDERS = 1000
"""Entries beyond the expected files: folders, and debris of file managers, which is passed over."""

_CHARACTERS = re.compile(r"[A-Za-z0-9._ -]+(?:/[A-Za-z0-9._ -]+)*")
_DEBRIS = re.compile(r"(?:.*/)?(?:\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]*|__MACOSX(?:/.*)?)")


@dataclass(frozen=True, kw_only=True)
class Archive:
    """What an archive of the publisher is: where from, its digest, and all that it may hold.

    `files` is a pattern of names -> how many there are; all of them lie below the one folder `folder`, which is what
    unpacking gives.  `digest` is "md5:..." or "sha256:...".
    """

    name: str
    url: str
    digest: str
    at_most_bytes: int
    folder: str
    files: Mapping[str, int]
    file_bytes: int
    unpacked_bytes: int
    starts_with: bytes = b""
    needed: bool = True


def allowed(members: Walk, file: Path, archive: Archive) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """The files among `members`, when all is as `archive` says; `file` is its name.

    Raises BenchError at the first member that is not, and at the end for files that are missing.
    """
    left, total = dict(archive.files), 0
    most = sum(left.values())
    spelled: dict[str, str] = {}
    for number, (member, content) in enumerate(members, 1):
        if number > most + FOLDERS:
            raise refused(f"holds more than the {most} files that are expected", file)
        _check_name(member.name, member.folder, file, spelled)
        passed_over = member.folder or _DEBRIS.fullmatch(member.name)
        total += member.size
        if member.size > (0 if member.folder else archive.file_bytes) or total > archive.unpacked_bytes:
            raise refused(f"holds more bytes than it should, at {member.name} of {member.size}", file)
        if passed_over:
            continue
        pattern = next((p for p in left if re.fullmatch(p, member.name)), None)
        if pattern is None or not member.name.startswith(archive.folder + "/"):
            raise refused(f"holds {member.name}, which is not expected there", file)
        left[pattern] -= 1
        if left[pattern] < 0:
            raise refused(f"holds more than {archive.files[pattern]} files like {pattern}", file)
        yield member, content
    for pattern, missing in left.items():
        if missing:
            raise refused(
                f"holds {archive.files[pattern] - missing} of {archive.files[pattern]} files like {pattern}", file
            )


def _check_name(name: str, folder: bool, file: Path, spelled: dict[str, str]) -> None:
    """Raises BenchError for a name that leads elsewhere, cannot be written everywhere, or is there already.

    `spelled` remembers each path met so far, folders with a slash at their end, under its lower-case form.
    """
    parts = name.split("/")
    printed = repr(name if len(name) <= 80 else name[:77] + "...")
    if not _CHARACTERS.fullmatch(name) or any(part in (".", "..") or part[-1] in " ." for part in parts):
        raise refused(f"holds the name {printed}, which leads elsewhere or has forbidden characters", file)
    if len(name) > LONGEST or len(parts) > DEEPEST:
        raise refused(f"holds the name {printed}, which is too long or too deep", file)
    paths = ["/".join(parts[:depth]) + "/" for depth in range(1, len(parts))] + [name + "/" if folder else name]
    for path in paths:
        before = spelled.get(path.rstrip("/").lower())
        if before is not None and (before != path or not path.endswith("/")):
            raise refused(f"holds {printed} beside {before!r}: one name twice", file)
        spelled[path.rstrip("/").lower()] = path
