"""Real records of every schema number are read without a problem and give the tables that are kept beside them.

The tables are those of a program whose code is what made the records: today's is another every week.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench.report import staleness
from bench.report.render import render
from bench.spec import SCHEMA
from bench.store import Store

KEPT = Path(__file__).resolve().parents[1] / "fixtures" / "records"
FOLDERS = sorted(path.name for path in KEPT.glob("v*"))
RECORDS = ("runs/r-*.json", "costs/*/*.json", "sweeps/*.json")


@pytest.fixture(params=FOLDERS)
def kept(request, tmp_path, monkeypatch) -> Path:
    """A copy of one folder: what is remembered of records is written beside them."""
    monkeypatch.setattr(staleness, "changed_parts", lambda config, recorded: ())
    return Path(shutil.copytree(KEPT / request.param, tmp_path / request.param))


def test_every_schema_number_has_its_folder():
    assert sorted(FOLDERS) == sorted(f"v{number}" for number in range(1, SCHEMA + 1))


def test_every_record_is_of_its_schema_number(kept):
    for pattern in RECORDS[:2]:
        numbers = {json.loads(path.read_text())["schema_number"] for path in kept.glob(pattern)}
        assert numbers == {int(kept.name[1:])}


def test_every_record_is_read_without_a_problem(kept):
    contents = Store(kept).read()
    assert contents.problems == ()
    found = [len(list(kept.glob(pattern))) for pattern in (*RECORDS, ".bench/runs/*/failure.json")]
    costs = len(contents.costs) + len(contents.latencies)
    assert [len(contents.runs), costs, len(contents.sweeps), len(contents.failures)] == found
    assert min(found[:3]) >= 1


def test_they_render_as_they_did(kept):
    text = render(Store(kept).read())
    written = kept / "rendering.md"
    assert text == written.read_text(encoding="utf-8")
    assert "is not used" not in text  # the counts per image are read too


@pytest.mark.parametrize("pattern", [*RECORDS, "runs/*.npz"])
def test_a_record_that_changed_is_noticed(kept, pattern):
    """Negative control: one byte of one file, and a check above fails."""
    path = sorted(kept.glob(pattern))[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    contents = Store(kept).read()
    assert contents.problems or render(contents) != (kept / "rendering.md").read_text(encoding="utf-8")
