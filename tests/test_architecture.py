"""The house as `bench/README.md` draws it: layers, single homes, light imports, file lengths, no dangerous calls."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "bench"

LAYERS = {
    0: "spec names faults",
    1: "sweep store scores machine cost evaluate cache fetch "
    "models datasets samplers augment losses schedulers optimizers groups",
    2: "methods plan report audit selection train update batches journal checkpoint executors trackers",
    3: "run doctor contracts",
    4: "cli",
}
LAYER_OF = {unit: layer for layer, units in LAYERS.items() for unit in units.split()}
LAYER_OF["__main__"] = 4
BESIDES = {"report": {"store", "scores", "cost"}, "audit": {"cost"}}
"""Same-or-lower imports that one layer-2 unit is confined to, among the layer-1 units."""
SINGLE_HOME = {
    "yaml": {"sweep"},
    "fvcore": {"cost"},
    "altair": {"report"},
    "vl_convert": {"report"},
}
SINGLE_HOME |= {
    "rich": {"cli"},
    "typer": {"cli"},
    "onnxruntime": {"cost"},
    "pynvml": {"machine"},
    "torchvision": {"models"},
    "timm": {"models"},
    "segmentation_models_pytorch": {"models"},
    "transformers": {"models"},
    "wandb": {"trackers"},
}
NO_TORCH = {"spec", "names", "sweep", "plan", "store", "scores", "report", "cli", "datasets", "journal", "__main__"}
NO_TORCH |= {"fetch", "samplers", "audit"}
COMPONENTS = {"models", "datasets", "samplers", "augment", "losses", "schedulers", "optimizers", "groups"}
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "manager"}
DANGEROUS = (
    "import pickle",
    "weights_only=False",
    "allow_pickle=True",
    "yaml.load(",
    "yaml.unsafe",
    "shell=True",
    "extractall(",
)
LIMIT, LIMIT_MODELS, LIMIT_LOOP = 300, 450, 120


def unit_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def files() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def imports(source: str, *, top_only: bool = False) -> set[str]:
    """Modules that `source` imports at run time; what stands under TYPE_CHECKING is for the type checker alone."""
    found: set[str] = set()
    todo: list[ast.AST] = [ast.parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            todo += node.orelse
            continue
        if top_only and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        todo += ast.iter_child_nodes(node)
    return found


def units_imported(source: str) -> set[str]:
    return {name.split(".")[1] for name in imports(source) if name.startswith("bench.") and name.count(".")} & set(
        LAYER_OF
    )


def layer_faults(unit: str, source: str) -> list[str]:
    """What `source`, standing in `unit`, imports although its layer may not."""
    own, faults = LAYER_OF[unit], []
    for other in sorted(units_imported(source) - {unit}):
        if LAYER_OF[other] > own or (LAYER_OF[other] == own == 1):
            faults.append(f"{unit} (layer {own}) imports {other} (layer {LAYER_OF[other]})")
        if LAYER_OF[other] == 1 and other not in BESIDES.get(unit, {other}):
            faults.append(f"{unit} imports {other}")
    return faults


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_keeps_to_its_layer_and_length(path: Path) -> None:
    source, unit = path.read_text(), unit_of(path)
    assert unit in LAYER_OF, f"{unit} stands in no layer: add it to the table here and in bench/README.md"
    assert layer_faults(unit, source) == []
    limit = {"models": LIMIT_MODELS, "train": LIMIT_LOOP}.get(unit, LIMIT)
    assert source.count("\n") <= limit
    assert not FORBIDDEN_NAMES & {part.removesuffix(".py") for part in path.relative_to(PACKAGE).parts}
    if path.name != "__init__.py" or source.strip():
        assert ast.get_docstring(ast.parse(source)), "the first line of a module says what comes in and what goes out"


def test_the_layer_check_sees_a_fault() -> None:
    assert layer_faults("losses", "from bench.store import Store") == ["losses (layer 1) imports store (layer 1)"]
    assert layer_faults("spec", "import bench.run.attempt") == ["spec (layer 0) imports run (layer 3)"]
    assert layer_faults("report", "from bench.evaluate import evaluate") == ["report imports evaluate"]
    typed_only = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from bench.run import x"
    assert layer_faults("losses", typed_only) == []


@pytest.mark.parametrize("library", SINGLE_HOME)
def test_a_library_has_one_home(library: str) -> None:
    users = {unit_of(p) for p in files() if library in {name.split(".")[0] for name in imports(p.read_text())}}
    assert users <= SINGLE_HOME[library]


def test_only_downloads_open_connections() -> None:
    network = {"socket", "ssl", "http", "urllib", "ftplib", "smtplib", "requests", "httpx", "aiohttp"}
    users = {p for p in files() if network & {name.split(".")[0] for name in imports(p.read_text())}}
    lines = {PACKAGE / "executors" / name for name in ("nursery.py", "process.py")}
    assert users == {PACKAGE / "fetch" / "download.py", *lines}
    for path in lines:  # a pair of nameless sockets between a sweep and its nursery
        assert not re.search(r"\.(connect|connect_ex|bind|listen|create_connection)\(", path.read_text())


@pytest.mark.parametrize("unit", sorted(NO_TORCH))
def test_a_light_unit_never_imports_torch(unit: str) -> None:
    heavy = {"torch", "torchvision", "fvcore"}
    for path in files():
        if unit_of(path) == unit:
            assert not heavy & {name.split(".")[0] for name in imports(path.read_text(), top_only=True)}, path


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_dangerous_is_called(path: Path) -> None:
    source = path.read_text()
    assert [word for word in DANGEROUS if word in source] == []
    calls = {n.func.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not calls & {"eval", "exec", "globals", "__import__"}


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("list",),
        ("validate", "sweeps/smoke.yaml"),
        ("sweep", "sweeps/urban_rural.yaml", "--dry-run", "--no-check"),
        ("status", "sweeps/urban_rural.yaml"),
        ("compare",),
        ("audit", "tests/audit/tables/sane.md"),
        ("report", "--check"),
        ("report", "--format", "csv"),
        ("store", "check", "--results", "tests/fixtures/records/v1"),
    ],
    ids=" ".join,
)
def test_a_light_verb_loads_no_torch(words: tuple[str, ...], tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from bench.cli import run_command_line\n"
        "code = run_command_line(sys.argv[1:])\n"
        "heavy = {'torch', 'torchvision', 'fvcore'} & set(sys.modules)\n"
        "sys.exit('loaded ' + ' '.join(heavy) if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
