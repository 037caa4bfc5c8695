"""A9: two people's results merge in git without a conflict, and stand after a checkout with other line ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from storework import is_there, put, record

from bench.store import Store, dump
from bench.store.checking import check

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="NOT RUN: git is missing")
PAIRS = 5
Git = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """git(words...) in a new repository, without the settings of whoever runs the test."""
    place = tmp_path / "project"
    place.mkdir()
    person = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(tmp_path)}

    def run(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *words],
            cwd=place,
            env={**os.environ, **person, **alone},
            capture_output=True,
            text=True,
            check=check,
        )

    run("init", "-q", "-b", "main")
    (place / ".gitignore").write_text(".bench/\n")
    run("add", ".")
    run("commit", "-qm", "begin")
    return run


def branches(git: Git, place: Path, pair: int, add: Callable[[Path, int], object]) -> bool:
    """Two branches that each add records, merged one after the other into main; returns whether that went through."""
    for side in (0, 1):
        git("checkout", "-q", "-b", f"b{pair}{side}", "main")
        for number in range(3):
            add(place, 100 * pair + 10 * side + number)
        git("add", ".")
        git("commit", "-qm", "records")
    git("checkout", "-q", "main")
    through = all(git("merge", "-q", "--no-edit", f"b{pair}{side}", check=False).returncode == 0 for side in (0, 1))
    if not through:
        git("merge", "--abort", check=False)
    return through


@pytest.mark.parametrize("line_ends", ["false", "true"])
def test_branches_with_records_merge(git: Git, tmp_path: Path, figure: Callable[..., None], line_ends: str) -> None:
    place = tmp_path / "project"
    git("config", "core.autocrlf", line_ends)
    merged = [branches(git, place, pair, lambda p, n: put(Store(p / "results"), n)) for pair in range(PAIRS)]
    assert merged == [True] * PAIRS
    shutil.rmtree(place / "results")
    git("checkout", "-q", "--", ".")
    store = Store(place / "results")
    numbers = [100 * pair + 10 * side + number for pair in range(PAIRS) for side in (0, 1) for number in range(3)]
    assert all(is_there(store, number) for number in numbers)
    assert check(store) == ()
    changed = b"\r\n" in store.run_file("r-0000000000000000").read_bytes()
    assert changed == (line_ends == "true")  # else the checkout proves nothing
    figure(f"A9 git merge, core.autocrlf={line_ends}", f"0 of {PAIRS} pairs of branches in conflict, check passes")


def test_one_shared_file_does_not(git: Git, tmp_path: Path, figure: Callable[..., None]) -> None:
    """Negative control of the test above."""

    def append(place: Path, number: int) -> None:
        with (place / "all.jsonl").open("a") as file:
            file.write(json.dumps(json.loads(dump(record(number)))) + "\n")

    merged = [branches(git, tmp_path / "project", pair, append) for pair in range(PAIRS)]
    assert merged.count(False) == PAIRS
    figure("A9 control: one shared file", f"{merged.count(False)} of {PAIRS} pairs in conflict")
