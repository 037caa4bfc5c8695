"""G1, G4, H3: reports are the same bytes anywhere, a kill leaves README old or new, records say what they stand on."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import _plugin, inline, tiny  # noqa: F401

from bench.report.readme import BEGIN, END
from bench.run.place import Place
from bench.spec import RunRecord
from bench.store import Store

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "tests" / "fixtures" / "records" / "v1"
FAULT = pytest.mark.fault
Figure = Callable[[str, str], None]

# ------------------------------------------------------------------ G1

PROGRAM = """
import hashlib, os, pathlib, random, sys
from bench.report import export, page
from bench.report.render import render
from bench.store import Store
scan = os.scandir
def shuffled(path):
    with scan(path) as found:
        entries = list(found)
    random.Random(sys.argv[2]).shuffle(entries)
    return Entries(entries)
class Entries(list):
    def __enter__(self): return iter(self)
    def __exit__(self, *_): pass
os.scandir = shuffled
contents = Store(pathlib.Path(sys.argv[1])).read()
text = "".join(show(contents) for show in (render, export.to_csv, export.to_json, page.to_html))
EXTRA
print(hashlib.sha256(text.encode()).hexdigest())
"""
SURROUNDINGS = [
    {"LC_ALL": locale, "TZ": zone, "PYTHONHASHSEED": seed}
    for locale, zone, seed in (
        *(("C", "UTC", "0"), ("C.UTF-8", "Asia/Kathmandu", "1"), ("tr_TR.UTF-8", "Pacific/Kiritimati", "2")),
        *(("de_DE.UTF-8", "America/St_Johns", "3"), ("POSIX", "Europe/Lisbon", "4"), ("C", "Asia/Tokyo", "random")),
        *(("ar_EG.UTF-8", "UTC", "5"), ("ja_JP.UTF-8", "Antarctica/Troll", "6")),
    )
]


def digests(folder: Path, several: list[dict[str, str]], extra: str = "") -> set[str]:
    """The digests of all formats of a report in these surroundings, the folder listed in another order each time."""
    found = set()
    for number, surroundings in enumerate(several):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.replace("EXTRA", extra), str(folder), str(number)],
            env={**os.environ, **surroundings, "PYTHONPATH": str(ROOT)},
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout.strip())
    return found


@FAULT
def test_same_bytes_in_eight_surroundings(tmp_path: Path, figure: Figure) -> None:
    shutil.copytree(KEPT, tmp_path / "results")
    (one,) = digests(tmp_path / "results", SURROUNDINGS)
    assert re.fullmatch("[0-9a-f]{64}", one)
    figure("G1 surroundings", f"{len(SURROUNDINGS)}/{len(SURROUNDINGS)} equal bytes in 4 formats")


@FAULT
@pytest.mark.parametrize("extra", ["text += repr({'a', 'b', 'c', 'd'})", "import time; text += time.strftime('%H %Z')"])
def test_a_report_that_reads_the_clock_is_caught(tmp_path: Path, extra: str) -> None:
    """Negative control: a report that depends on the order of a set, or on the zone."""
    shutil.copytree(KEPT, tmp_path / "results")
    assert len(digests(tmp_path / "results", SURROUNDINGS[:3], extra)) > 1


# ------------------------------------------------------------------ G4

POINTS = [f"store.{point}" for point in ("tmp_open", "written", "fsynced", "renamed", "dirsynced", "acked")]
BEFORE, AFTER = "# Mine\r\n\r\ntext\r\n", "\r\nand more\x85 without an end"
OLD = f"{BEFORE}{BEGIN}\r\nold\r\n{END}{AFTER}".encode()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(KEPT, tmp_path / "results", ignore=shutil.ignore_patterns("rendering.md", "*.npz"))
    (tmp_path / "README.md").write_bytes(OLD)
    return tmp_path


def report(project: Path, program: tuple[str, ...] = ("-m", "bench"), **environment: str) -> int:
    """The exit code of `bench report`."""
    words = [sys.executable, *program, "report"]
    everything = {**os.environ, "PYTHONPATH": str(ROOT), "BENCH_TESTING": "1", **environment}
    return subprocess.run(words, cwd=project, env=everything, capture_output=True, check=False).returncode


@pytest.mark.parametrize("point", [p if p == "store.written" else pytest.param(p, marks=FAULT) for p in POINTS])
def test_a_report_killed_anywhere_leaves_the_old_or_the_new_readme(project: Path, figure: Figure, point: str) -> None:
    assert report(project, BENCH_FAULT=f"{point}:1:kill") == -signal.SIGKILL
    left = (project / "README.md").read_bytes()
    assert report(project) == 0
    new = (project / "README.md").read_bytes()
    assert new != OLD
    assert left in (OLD, new)
    assert new.startswith(f"{BEFORE}{BEGIN}\r\n".encode())
    assert new.endswith(f"{END}{AFTER}".encode())
    figure(f"G4 report killed at {point}", "old or new, the next report writes the new one")


IN_PLACE = """
import os, signal, sys
from bench.report import readme
def in_place(path, content):
    with open(path, "wb", buffering=0) as file:
        file.write(content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
readme.replace = in_place
from bench.cli import run_command_line
run_command_line(sys.argv[1:])
"""


def test_a_readme_written_in_place_does_not_survive(project: Path) -> None:
    """Negative control: a kill while README is written over."""
    assert report(project, ("-c", IN_PLACE)) == -signal.SIGKILL
    left = (project / "README.md").read_bytes()
    assert report(project) == 2  # half of it lacks the end of the block
    assert left != OLD


# ------------------------------------------------------------------ H3

SAID = {
    "device": (str,),
    "commit": (str, type(None)),
    "dirty": (bool, type(None)),
    "started_utc": (str,),
    "finished_utc": (str,),
    "data_digests": (dict,),
    "code": (dict,),
    "weights_sha256": (str,),
    "config.seed": (int,),
    "config.precision": (str,),
    "machine.cpu.name": (str, type(None)),
    "machine.cpu.cores": (int,),
    "machine.cpu.usable_cores": (int,),
    "machine.memory_bytes": (int, type(None)),
    "machine.os": (str, type(None)),
    "machine.kernel": (str,),
    "machine.gpu": (dict, type(None)),
    "software.bench": (str,),
    "software.torch": (str,),
    "software.torchvision": (str,),
    "software.numpy": (str,),
    "software.python": (str,),
    "software.cuda": (str, type(None)),
    "software.cudnn": (int, type(None)),
    "software.flags.deterministic_algorithms": (bool,),
    "software.flags.cudnn_benchmark": (bool,),
    "software.flags.matmul_fp32_precision": (str,),
    "software.environment": (dict,),
}


def unsaid(plain: dict[str, Any]) -> list[str]:
    """The facts of SAID that a record does not tell."""
    found = []
    for path, kinds in SAID.items():
        value: Any = plain
        for key in path.split("."):
            value = value.get(key, ...) if isinstance(value, dict) else ...
        found += [] if isinstance(value, kinds) else [path]
    return found


def test_a_record_says_what_it_was_made_with(tmp_path: Path, figure: Figure) -> None:
    place = Place(store=Store(tmp_path / "results"), sweep="test", workers=1)
    record = inline(tiny(steps=2), place)
    assert isinstance(record, RunRecord)
    plain = json.loads(record.model_dump_json())
    assert unsaid(plain) == []
    drawn = random.Random(0).choice(sorted(SAID))
    assert unsaid({**plain, drawn.split(".")[0]: ...}) != []  # the control
    figure("H3 facts of a record", f"{len(SAID)} of {len(SAID)} there")
