"""Records built in code -> the text between README's markers."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt
from report_examples import (
    cells,
    config,
    example,
    record,
    stored,
)
from report_hostile import PAYLOADS, hostile

from bench import scores
from bench.report.render import render
from bench.scores import Interval
from bench.store import Contents

HERE = Path(__file__).parent


# ------------------------------------------------------------------ the whole text


def test_golden_example(tmp_path, monkeypatch):
    """The example folder gives exactly golden/example.md, which a reviewer can open.

    The interval is replaced by mIoU ± 2 points: the golden file then depends on no random generator.
    """

    def two_points(per_image):
        value = scores.miou(np.asarray(per_image).sum(axis=0))
        return Interval(low=value - 0.02, high=value + 0.02, level=0.95, n=len(per_image), samples=1)

    monkeypatch.setattr(scores, "bootstrap_interval", two_points)
    text = render(example(tmp_path))
    golden = HERE / "golden" / "example.md"
    written = tmp_path / "example.md"
    written.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), f"if the change is meant, copy {written.name} over {golden.name}"


def test_empty_folder_says_so():
    assert "No runs yet." in render(Contents())
    assert "|" not in render(Contents())


def test_order_of_files_does_not_matter(tmp_path):
    contents = example(tmp_path)
    wanted = render(contents)
    for seed in range(5):
        mixed = {}
        for field in ("runs", "costs", "sweeps", "failures", "problems"):
            items = list(getattr(contents, field))
            random.Random(seed).shuffle(items)
            mixed[field] = tuple(items)
        assert render(replace(contents, **mixed)) == wanted


SCRIPT = """
import hashlib, sys, tempfile, pathlib
from report_examples import example
from timing_examples import contents as timed, three_devices
from bench.report.render import render
from bench.report import export, page
with tempfile.TemporaryDirectory() as folder:
    contents = example(pathlib.Path(folder))
    text = export.to_csv(contents)
    for found in (contents, timed(three_devices())):
        text += render(found) + export.to_json(found) + page.to_html(found)
print(hashlib.sha256(text.encode()).hexdigest(), *sorted({"torch", "pandas", "altair"} & set(sys.modules)))
"""


def test_same_bytes_in_any_surroundings_and_light_imports():
    """G1 of the promises: locale, time zone and hash seed change nothing; no torch, and nothing else that is heavy."""
    found = set()
    for locale, zone, seed in (("C", "UTC", "0"), ("tr_TR.UTF-8", "Asia/Kathmandu", "1")):
        surroundings = {"LC_ALL": locale, "TZ": zone, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{HERE}{os.pathsep}."}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, **surroundings},
            cwd=HERE.parents[1],
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout.strip())
    assert len(found) == 1
    assert re.fullmatch(r"[0-9a-f]{64}", found.pop())


def test_nothing_unmeasured_is_a_number(tmp_path):
    text = render(example(tmp_path))
    assert not re.search(r"\b(nan|NaN|inf|None|null)\b", text)
    for state in ("failed", "diverged", "out of memory", "data fault", "interrupted", "planned"):
        (row,) = [r for r in cells(text, "place")[2:] if r[0].startswith(state)]
        header = cells(text, "place")[0]
        for name, cell in zip(header, row, strict=True):
            if name.startswith(("mIoU", "mean", "gap", "steps", "images")):
                assert cell == "", f"{state}: {name} shows {cell}"


# ------------------------------------------------------------------ hostile text


def structure(text: str) -> list[str]:
    """What a Markdown parser sees, words left out: any markup that came from a record changes it."""
    found = []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
        found.append(token.type)
        found += [f" {c.type}" for c in token.children or [] if c.type not in ("text", "code_inline", "text_special")]
    return found


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_hostile_text_changes_no_structure(payload):
    text, harmless = render(hostile(payload)), render(hostile("harmless"))
    assert structure(text) == structure(harmless)
    bars = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert bars == [line.count("|") for line in harmless.splitlines() if line.startswith("|")]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u200b\u202e\u2028\u2029\ufeff]", text)


def test_without_escaping_the_structure_changes(monkeypatch):
    """Negative control: with `escape` switched off the same check finds most payloads."""
    import bench.report.markdown as markdown

    harmless = structure(render(hostile("harmless")))
    for module in ("compared", "costs", "latency", "leaderboard", "models", "pareto", "render"):
        if hasattr(sys.modules[f"bench.report.{module}"], "escape"):
            monkeypatch.setattr(sys.modules[f"bench.report.{module}"], "escape", markdown.Markup)
    monkeypatch.setattr(markdown, "escape", markdown.Markup)
    assert sum(structure(render(hostile(p))) != harmless for p in PAYLOADS) >= 20


def test_what_auto_was_on_the_device_is_told():
    def told(*picks, own="auto"):
        runs = [
            stored(record(number, config=config(precision=own, seed=number), picked=picked))
            for number, picked in enumerate(picks)
        ]
        return render(Contents(runs=tuple(runs)))

    assert "precision auto: bf16." in told({"precision": "bf16"}, {"precision": "bf16"})
    assert "precision auto: bf16 or fp32." in told({"precision": "bf16"}, {"precision": "fp32"})
    assert "precision auto." in told({})  # a record that does not say
    assert "precision fp32." in told({"precision": "fp32"}, own="fp32")
