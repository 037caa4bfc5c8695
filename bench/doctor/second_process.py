"""The other process of the checks in `bench.doctor.folder`: tries what must not work while the first one holds a file.

Started by its path, without the package: `python -I second_process.py FOLDER WORD...`; prints one JSON object, word ->
null where all went as it must, else in words what went wrong.  Standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys


def exclusive(folder: str) -> str | None:
    """O_EXCL on a file that the first process has made."""
    return _refused(errno.EEXIST, os.open, f"{folder}/made", os.O_CREAT | os.O_EXCL | os.O_WRONLY)


def link(folder: str) -> str | None:
    """A link over a file that is there, then one to a free name."""
    wrong = _refused(errno.EEXIST, os.link, f"{folder}/linked.tmp", f"{folder}/made")
    if wrong:
        return wrong
    os.link(f"{folder}/linked.tmp", f"{folder}/linked")
    return None if os.stat(f"{folder}/linked").st_nlink == 2 else "a link made another file"


def rename(folder: str) -> str | None:
    """A rename over a file that is there; the first process looks at the outcome."""
    os.replace(f"{folder}/renamed.tmp", f"{folder}/renamed")
    return None


def flock(folder: str) -> str | None:
    """A lock on a file that the first process has locked."""
    import fcntl

    with open(f"{folder}/flock", "rb+") as file:
        return _refused(errno.EWOULDBLOCK, fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def flock_free(folder: str) -> str | None:
    """The same once it has been let go."""
    import fcntl

    with open(f"{folder}/flock", "rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return None


def lockf(folder: str) -> str | None:
    """A lock of the other kind, which belongs to a process and not to an open file."""
    import fcntl

    with open(f"{folder}/lockf", "rb+") as file:
        return _refused(errno.EWOULDBLOCK, fcntl.lockf, file, fcntl.LOCK_EX | fcntl.LOCK_NB, also=errno.EACCES)


def fsync(folder: str) -> str | None:
    """A file and its folder onto the disk."""
    for path in (f"{folder}/made", folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    return None


def _refused(wanted: int, call: object, *words: object, also: int = 0) -> str | None:
    """None where `call(*words)` fails as it must."""
    try:
        got = call(*words)  # type: ignore[operator]
    except OSError as error:
        return None if error.errno in (wanted, also) else f"{error.strerror} where {os.strerror(wanted)} was due"
    if isinstance(got, int):
        with contextlib.suppress(OSError):
            os.close(got)
    return f"it worked where {os.strerror(wanted)} was due"


WORDS = {f.__name__: f for f in (exclusive, link, rename, flock, flock_free, lockf, fsync)}


def main(folder: str, words: list[str]) -> None:
    """Do as told and print what became of it."""
    found = {}
    for word in words:
        try:
            found[word] = WORDS[word](folder)
        except OSError as error:
            found[word] = str(error.strerror)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
