"""A seeded sample of mutants, each run against the tests of its module; prints what became of each as JSON lines.

Run in a process of its own: it copies the repository, loads the libraries once and forks for each mutant.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mutator import Mutant, mutants, mutated

ROOT = Path(__file__).resolve().parents[2]


def _fault(*names: str) -> list[str]:
    return [f"tests/fault/test_store_{name}.py" for name in names]


def _store(*names: str) -> list[str]:
    return [f"tests/store/test_store_{name}.py" for name in names]


SWEEP = [f"tests/test_sweep_{name}.py" for name in ("scalars", "names", "overrides", "memory", "ids")]
SWEEP += ["tests/test_combined.py", "tests/test_sweep_grid.py", "tests/test_sweep_file.py"]
STORE = ["tests/test_store.py", "tests/test_store_command.py"]
REPORT = [f"tests/report/test_report_{name}.py" for name in ("markdown", "export", "tables", "rows", "costs")]
TESTS: dict[str, list[str]] = {
    "bench/sweep/scalars.py": ["tests/test_sweep_scalars.py"],
    "bench/sweep/composer.py": ["tests/test_sweep_tree.py"],
    "bench/sweep/document.py": ["tests/test_sweep_tree.py"],
    "bench/sweep/wording.py": ["tests/test_sweep_wording.py"],
    "bench/sweep/sections.py": ["tests/test_sweep_sections.py"],
    "bench/sweep/cells.py": ["tests/test_sweep_cells.py"],
    "bench/sweep/check.py": ["tests/test_sweep_check.py"],
    "bench/sweep/exclusion.py": ["tests/test_sweep_exclusion.py"],
    "bench/sweep/readable.py": ["tests/test_sweep_names.py"],
    "bench/sweep/selection.py": ["tests/test_sweep_names.py"],
    "bench/sweep/overrides.py": ["tests/test_sweep_overrides.py"],
    "bench/sweep/controls.py": ["tests/test_sweep_controls.py"],
    "bench/sweep/load.py": ["tests/test_sweep_load.py", "tests/test_sweep_controls.py"],
    "bench/sweep": SWEEP,
    "bench/spec/errors.py": ["tests/test_errors.py"],
    "bench/spec": ["tests/test_nouns.py", "tests/test_spec.py"],
    "bench/store/durable.py": [*_store("durable"), "tests/test_store_order.py", STORE[0]],
    "bench/store/leases.py": [*_store("leases"), "tests/test_store_order.py", *_fault("claims")],
    "bench/store/arrays.py": [*_store("arrays"), STORE[1]],
    "bench/store/checking.py": [*_store("rules"), STORE[1]],
    "bench/store/schemas.py": [*_store("upgrades"), *_fault("schemas")],
    "bench/store/files.py": [*_store("files"), STORE[0]],
    "bench/store/agreeing.py": [*_store("memory"), STORE[0]],
    "bench/store/memory.py": [*_store("memory"), STORE[0]],
    "bench/store/prefixes.py": _store("prefixes"),
    "bench/store": [*_store("folder", "moves"), *STORE, *_fault("links")],
    "bench/scores/collapse.py": ["tests/test_collapse.py"],
    "bench/scores/paired.py": ["tests/test_paired.py"],
    "bench/scores/ranks.py": ["tests/test_ranks.py"],
    "bench/scores": ["tests/test_scores.py"],
    "bench/report/markdown.py": REPORT[:1],
    "bench/report/wording.py": ["tests/report/test_wording.py"],
}
"""A module, or a folder of them -> the tests that have to notice a change, the quick ones first."""


def files(root: Path) -> list[str]:
    """The modules to mutate."""
    several = [[root / name] if name.endswith(".py") else (root / name).glob("*.py") for name in TESTS]
    return sorted({path.relative_to(root).as_posix() for found in several for path in found})


def noticed_by(file: str) -> list[str]:
    return next(tests for name, tests in TESTS.items() if file == name or file.startswith(f"{name}/"))


def sample(root: Path, count: int, seed: int) -> list[Mutant]:
    """`count` of all mutants, drawn without regard to anything."""
    every = [one for file in files(root) for one in mutants(file, (root / file).read_text())]
    return random.Random(seed).sample(every, min(count, len(every)))


@contextlib.contextmanager
def copied() -> Iterator[Path]:
    """A copy of all that tests read."""
    with tempfile.TemporaryDirectory() as folder:
        skip = shutil.ignore_patterns("__pycache__", ".*_cache", "performance", "mutants")
        for name in ("bench", "tests", "sweeps", "results/reference"):
            shutil.copytree(ROOT / name, Path(folder) / name, ignore=skip)
        for name in ("pyproject.toml", "README.md", "constraints.txt"):
            shutil.copy(ROOT / name, folder)
        yield Path(folder)


def outcome(tests: list[str], limit_s: float, say: bool = False) -> tuple[str, float]:
    """(passed, killed or timeout, seconds) of these tests in a fork of this process; `say` lets them print."""
    start, pid = time.monotonic(), os.fork()
    if pid == 0:
        os.setsid()
        os.dup2(2 if say else os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        import pytest

        words = ["-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--tb=short"]
        words += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is loaded already
        os._exit(int(pytest.main([*words, *tests])))
    while time.monotonic() - start < limit_s:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # what a mutant has left running
            return ("passed" if os.waitstatus_to_exitcode(status) == 0 else "killed"), time.monotonic() - start
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "timeout", limit_s


def main(count: int, seed: int, part: int, parts: int) -> None:
    """Every `parts`-th mutant of the sample, from the `part`-th on."""
    for library in (
        "hypothesis.strategies",
        "markdown_it",
        "numpy",
        "pandas",
        "PIL.Image",
        "pydantic",
        "pytest",
        "yaml",
    ):
        importlib.import_module(library)  # once: a fork has them at once; nothing of bench, which is what changes
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    with copied() as root:
        os.chdir(root)
        sys.path[:] = [str(root), *(p for p in sys.path if Path(p).resolve() not in (ROOT, Path(__file__).parent))]
        os.environ["PYTHONPATH"] = str(root)
        limits: dict[str, float] = {}
        for one in sample(root, count, seed)[part::parts]:
            tests = noticed_by(one.file)
            name = " ".join(tests)
            if name not in limits:
                state, took = outcome(tests, 600, say=True)
                if state != "passed":
                    raise SystemExit(f"these tests do not pass without any mutant: {name}")
                limits[name] = 3 * took + 20
            whole = (root / one.file).read_text()
            (root / one.file).write_text(mutated(whole, one.number))
            state, took = outcome(tests, limits[name])
            (root / one.file).write_text(whole)
            print(json.dumps({"key": one.key, "kind": one.kind, "state": state, "seconds": round(took, 1)}), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:5]))
