"""A recipe and a folder -> the dataset in it, downloaded, checked and unpacked; what is complete is left as it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.fetch.archive import complete, unpack, writing
from bench.fetch.download import download
from bench.fetch.recipes import Recipe

Tell = Callable[[str, int, int | None], None]
"""Told of (`downloading Train.zip`, bytes so far, bytes in all or None)."""


def get(
    recipe: Recipe,
    root: Path,
    *,
    optional: bool = False,
    keep: bool = False,
    plain_http: bool = False,
    wait_s: float = 2.0,
    tell: Tell = lambda what, done, total: None,
) -> list[Path]:
    """The folders of `recipe` in `root`, all complete; started again after a kill it goes on where it was.

    `optional` gets the archives, too, that no split reads; `keep` leaves the archives where they were downloaded, in
    `root`.  Raises BenchError as `download` and `unpack` do; what was complete before stays.
    """
    folders = []
    for archive in recipe.archives:
        if not archive.needed and not optional:
            continue
        if not complete(archive, root):
            file = download(
                archive.url,
                root / archive.name,
                archive.digest,
                at_most_bytes=archive.at_most_bytes,
                plain_http=plain_http,
                wait_s=wait_s,
                tick=partial(tell, f"downloading {archive.name}"),
            )
            unpack(file, archive, root, _counter(f"unpacking {archive.name}", tell))
            if not keep:
                with writing(file):
                    file.unlink()
        folders.append(root / archive.folder)
    return folders


def _counter(what: str, tell: Tell) -> Callable[[int], None]:
    done = 0

    def tick(count: int) -> None:
        nonlocal done
        done += count
        tell(what, done, None)

    return tick
