"""Run ids are stable for ever: 50 configurations with the package's own components, whatever the process.

A change here orphans every record that users have.  Where a default changes, raise `bench.spec.DEFAULTS` instead, and
write the new ids down with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.spec import identity
from bench.sweep import load_sweep

CONFIGS = Path(__file__).with_name("test_sweep_ids.yaml")
IDS = Path(__file__).with_name("test_sweep_ids.txt").read_text().split()

CHILD = (
    "import sys; from pathlib import Path; from bench.sweep import load_sweep; "
    "print(*[r.run_id for r in load_sweep(Path(sys.argv[1])).runs]); print('torch' in sys.modules)"
)


def test_fifty_ids_are_what_they_were() -> None:
    assert len(set(IDS)) == 50
    assert [run.run_id for run in load_sweep(CONFIGS).runs] == IDS


@pytest.mark.parametrize(("seed", "locale"), [("0", "C"), ("1", "C.UTF-8"), ("42", "POSIX"), ("random", "tr_TR.UTF-8")])
def test_ids_do_not_depend_on_the_process(seed: str, locale: str) -> None:
    surroundings = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": "Asia/Tokyo"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(CONFIGS)], env=surroundings, capture_output=True, text=True, check=True
    )
    ids, torch = done.stdout.splitlines()
    assert ids.split() == IDS
    assert torch == "False"


def test_an_id_of_unsorted_keys_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the same comparison, against an id over keys in the order of writing."""
    monkeypatch.setattr(identity, "canonical_json", lambda v: json.dumps(v, separators=(",", ":")).encode())
    assert [run.run_id for run in load_sweep(CONFIGS).runs] != IDS
