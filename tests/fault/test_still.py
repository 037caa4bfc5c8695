"""E4, F6: what only looks opens no file for writing, and nothing but fetching opens a connection; by system calls."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "tests" / "fixtures" / "records" / "v1"
WRITES = r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND"
CHANGES = (
    "mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,truncate,chmod,mknod"
)
Figure = Callable[[str, str], None]
SWEEP = """\
name: tiny
base:
  model: four_convs
  dataset: {name: landcover, tile_px: 32, train_tiles: 8, val_tiles: 2, test_tiles: 2}
  source: urban
  crop_px: 32
  batch_size: 2
  steps: 3
cost: false
"""
LOOKING = {
    "sweep --dry-run": ("sweep", "tiny.yaml", "-n"),
    "status": ("status", "tiny.yaml"),
    "validate": ("validate", "tiny.yaml"),
    "show": ("show", "tiny.yaml"),
    "list": ("list",),
    "report --check": ("report", "--check"),
    "report --format": ("report", "--format", "html"),
    "store check": ("store", "check"),
    "data list": ("data", "list"),
}
DOING = {
    "sweep": ("sweep", "tiny.yaml"),
    "report": ("report",),
    "data check": ("data", "check", "landcover/urban", "--help"),
    "store repair": ("store", "repair"),
}
LIGHT = ("status", "report --format")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(KEPT, folder / "results", ignore=shutil.ignore_patterns("rendering.md"))
    shutil.copy(ROOT / "README.md", folder)
    (folder / "tiny.yaml").write_text(SWEEP)
    return folder


@pytest.fixture
def calls(project: Path, strace: str) -> Callable[..., list[str]]:
    """calls(words of a program) -> the system calls by which it looked for files and opened connections."""

    def run(*words: str) -> list[str]:
        trace = project.parent / "trace"
        names = f"trace=open,openat,creat,connect,{CHANGES}"
        environment = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "BENCH_EXECUTOR": "process"}
        plugin = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "plugin")])
        done = subprocess.run(
            [strace, "-f", "-qq", "-y", "-s", "300", "-o", str(trace), "-e", names, sys.executable, *words],
            cwd=project,
            env={**os.environ, "PYTHONPATH": plugin, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1, 2), done.stderr[-2000:]
        return trace.read_text(errors="replace").splitlines()

    return run


def changes(calls: list[str], project: Path) -> list[str]:
    """The calls that would change something below the project."""
    found = []
    for call in calls:
        inside = re.search(rf'"(?:{re.escape(str(project))}/|(?!/))[^"]*"', call)  # relative names are of the project
        opens = re.match(r"\d+ +(open|openat|creat)\(", call)
        if inside and ("connect(" not in call) and (not opens or re.search(WRITES, call) or "creat(" in call):
            found.append(call)
    return found


def connections(calls: list[str]) -> list[str]:
    return [call for call in calls if re.search(r"connect\(.*AF_INET", call)]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in LIGHT else pytest.mark.fault) for n in LOOKING], ids=lambda n: n
)
def test_looking_opens_nothing_for_writing(
    project: Path, calls: Callable[..., list[str]], figure: Figure, name: str
) -> None:
    found = calls("-m", "bench", *LOOKING[name])
    assert len(found) > 100, "it was traced"
    assert changes(found, project) == []
    assert connections(found) == []
    figure(f"E4 {name}", "0 files opened for writing, 0 connections")


def test_writing_would_be_seen(project: Path, calls: Callable[..., list[str]]) -> None:
    """Negative control: ways to change something, each seen."""
    ways = ("open('x', 'w')", "open('README.md', 'r+')", "os.mkdir('d')", "os.rename('tiny.yaml', 'y')")
    for way in (*ways, "os.unlink('README.md')", f"open({str(project / 'z')!r}, 'a')", "os.symlink('a', 'b')"):
        assert len(changes(calls("-S", "-c", f"import os; {way}"), project)) >= 1, way
    assert changes(calls("-S", "-c", "open('y').read(); open('/dev/null', 'w')"), project) == []


@pytest.mark.fault
@pytest.mark.parametrize("name", DOING)
def test_no_connection_is_opened(calls: Callable[..., list[str]], figure: Figure, name: str) -> None:
    found = calls("-m", "bench", *DOING[name])
    assert connections(found) == []
    figure(f"F6 {name}", "0 connections")


def test_a_connection_would_be_seen(calls: Callable[..., list[str]]) -> None:
    """Negative control."""
    program = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    assert len(connections(calls("-S", "-c", program))) == 1
