"""What is declared, imported, pinned and installed agree; `bench` starts; `make` finds a Python."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from bench import __version__

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE: list[str] = PROJECT["dependencies"]
DECLARED = [*CORE, *(d for extra in PROJECT["optional-dependencies"].values() for d in extra)]
LOCK = (ROOT / "constraints.txt").read_text()
PYTHONS = ("3.11", "3.12", "3.13")


def names(requirements: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(r).name) for r in requirements}


# ------------------------------------------------------------------ imports


def packages_imported(source: str) -> set[str]:
    """First parts of the outside packages that `source` imports, inside functions and for the type checker too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"bench"}


def distributions(packages: Iterable[str]) -> set[str]:
    """The names an installer knows them by: `yaml` is pyyaml.  A package that is not installed keeps its own."""
    known = metadata.packages_distributions()
    return {canonicalize_name(known.get(package, [package])[0]) for package in packages}


def test_every_import_is_declared_and_the_core_is_what_is_imported() -> None:
    sources = [path.read_text() for path in (ROOT / "bench").rglob("*.py")]
    imported = distributions(set().union(*map(packages_imported, sources)))
    assert imported - names(DECLARED) == set()
    assert names(CORE) - imported == set(), "declared for everybody, imported by nobody"


def test_the_import_scan_sees_hidden_imports() -> None:
    source = "import os\nfrom bench.spec import X\nfrom . import y\n"
    source += "def f():\n    import yaml.nodes\n    from PIL import Image"
    assert packages_imported(source) == {"yaml", "PIL"}
    assert distributions({"yaml", "PIL", "no_such_package"}) == {"pyyaml", "pillow", "no-such-package"}


# ------------------------------------------------------------------ ranges and pins


def range_faults(requirement: str) -> list[str]:
    """Why a user could not live with this requirement beside other packages."""
    parsed = Requirement(requirement)
    operators = {specifier.operator for specifier in parsed.specifier}
    faults = []
    if parsed.url:
        faults.append("names a host")
    if not operators & {">=", "~="}:
        faults.append("has no floor")
    if operators & {"==", "==="}:
        faults.append("is a pin: those stand in constraints.txt")
    return faults


def lock_faults(lock: str, declared: Iterable[str], python: str) -> list[str]:
    """What keeps `lock` from fixing each declared requirement, for `python` on Linux, to one version in its range."""
    surroundings = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    pins: dict[str, list[str]] = {}
    for line in map(Requirement, lock.splitlines()):
        if line.marker is None or line.marker.evaluate({**surroundings, "platform_machine": "x86_64"}):
            pins.setdefault(canonicalize_name(line.name), []).append(str(line.specifier).removeprefix("=="))
    faults = [f"{name}: {len(found)} versions" for name, found in pins.items() if len(found) > 1]
    for wanted in map(Requirement, declared):
        found = pins.get(canonicalize_name(wanted.name), [])
        if not found or not wanted.specifier.contains(found[0]):
            faults.append(f"{wanted}: pinned to {found or 'nothing'}")
    return faults


@pytest.mark.parametrize("requirement", DECLARED)
def test_a_requirement_is_a_range(requirement: str) -> None:
    assert range_faults(requirement) == []


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_pins_every_dependency_inside_its_range(python: str) -> None:
    assert lock_faults(LOCK, DECLARED, python) == []
    assert "://" not in LOCK


def test_the_checks_of_ranges_and_pins_see_faults() -> None:
    assert range_faults("a @ https://example.org/a.whl") == ["names a host", "has no floor"]
    assert range_faults("a<2") == ["has no floor"]
    assert range_faults("a>=1,==1.5") == ["is a pin: those stand in constraints.txt"]
    lock = "a==1.0 ; python_full_version < '3.12'\na==2.0 ; python_full_version >= '3.12'\nB_c==1.0"
    assert lock_faults(lock, ["a>=1", "b-c>=1"], "3.11") == lock_faults(lock, ["a>=2"], "3.12") == []
    assert lock_faults(lock, ["a>=2"], "3.11") == ["a>=2: pinned to ['1.0']"]
    assert lock_faults(lock, ["d>=1"], "3.11") == ["d>=1: pinned to nothing"]
    assert lock_faults(lock + "\na==3.0", ["a>=2"], "3.12") == ["a: 2 versions"]


def test_the_claimed_pythons_are_the_tested_ones() -> None:
    claimed = SpecifierSet(PROJECT["requires-python"])
    assert [f"3.{minor}" for minor in range(8, 20) if claimed.contains(f"3.{minor}")] == list(PYTHONS)


@pytest.mark.parametrize("requirement", DECLARED)
def test_what_is_installed_lies_in_its_range(requirement: str) -> None:
    parsed = Requirement(requirement)
    try:
        installed = metadata.version(parsed.name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{parsed.name} is not installed")
    assert parsed.specifier.contains(installed, prereleases=True)


# ------------------------------------------------------------------ licences

PERMISSIVE = re.compile(
    r"(0?BSD|MIT|Apache|ISC|Zlib|HPND|Historical Permission|PSF|Python Software|MPL|Mozilla Public"
    r"|CC0|BSL-1|LLVM-exception|(The )?Unlicense)\b"
)


def licences(about: Mapping[str, str], classifiers: Iterable[str]) -> set[str]:
    """The licences a distribution states: by SPDX expression, else classifiers, else the first line of a field."""
    if about.get("License-Expression"):
        return set(re.split(r" (?:AND|OR|WITH) ", about["License-Expression"].replace("(", "").replace(")", "")))
    parts = [c.split(" :: ")[2:] for c in classifiers if c.startswith("License :: OSI Approved :: ")]
    return {" ".join(p) for p in parts} or {(about.get("License") or "not stated").strip().partition("\n")[0]}


def refused(stated: set[str]) -> set[str]:
    return {licence for licence in stated if not PERMISSIVE.match(licence)}


@pytest.mark.parametrize("name", sorted(names(DECLARED)))
def test_a_direct_dependency_is_permissive(name: str) -> None:
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    assert refused(licences(dict(about.items()), about.get_all("Classifier") or ())) == set()


@pytest.mark.parametrize(
    ("about", "classifiers", "fault"),
    [
        ({"License-Expression": "MIT AND (AGPL-3.0-only OR BSD-3-Clause)"}, [], {"AGPL-3.0-only"}),
        ({"License": "MIT"}, ["License :: OSI Approved :: The GPL"], {"The GPL"}),
        ({"License": "Proprietary\nMIT"}, [], {"Proprietary"}),
        ({}, ["License :: DFSG approved"], {"not stated"}),
        ({"License": "Apache 2.0"}, ["Topic :: Scientific/Engineering"], set()),
        ({"License-Expression": "Apache-2.0 WITH LLVM-exception AND MIT-CMU"}, [], set()),
    ],
)
def test_the_licence_check_sees_faults(about: dict[str, str], classifiers: list[str], fault: set[str]) -> None:
    assert refused(licences(about, classifiers)) == fault


# ------------------------------------------------------------------ the command and the set-up


def test_the_command_and_the_module_tell_the_version() -> None:
    assert PROJECT["version"] == __version__
    assert PROJECT["scripts"] == {"bench": "bench.__main__:main"}
    command = Path(sys.executable).with_name("bench")
    ways = [[sys.executable, "-m", "bench"], *([[str(command)]] if command.exists() else [])]
    for way in ways:
        done = subprocess.run([*way, "--version"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"bench {__version__}\n", "")


needs_make = pytest.mark.skipif(not (shutil.which("make") and Path("/bin/bash").exists()), reason="no make with bash")
SHIM = "#!/bin/bash\necho 'no such version' >&2; exit 127\n"


def make_on(path: Path, files: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """What `make` says to set up, in a folder with a blank in its name, with nothing but these programs on PATH."""
    project = path / "a project"
    project.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, project)
    for name, text in files.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(text)
        (path / name).chmod(0o755)
    words = [str(shutil.which("make")), *options, ".venv/.ok"]
    places = {"PATH": f"{path / 'shims'}{os.pathsep}{path / 'real ones'}"}
    return subprocess.run(words, cwd=project, env=places, capture_output=True, text=True, check=False)


@needs_make
def test_set_up_says_so_when_no_python_fits(tmp_path: Path) -> None:
    done = make_on(tmp_path, {"shims/python3.13": SHIM, "shims/python3": SHIM})
    assert done.returncode == 2
    assert done.stderr.startswith("make: no Python 3.11 to 3.13 with venv found; name one: make PYTHON=/path/to/python")


@needs_make
@pytest.mark.parametrize("name", ["python3.13", "python3.11", "python3"])
def test_set_up_passes_over_shims_with_nothing_behind_them(tmp_path: Path, name: str) -> None:
    """Told only what would be done: a Python later on PATH is found although a broken one bears its name."""
    real = f"#!/bin/bash\nexec '{sys.executable}' \"$@\"\n"
    files = {f"shims/{shim}": SHIM for shim in ("python3.13", "python3.12", "python3.11", "python3")}
    done = make_on(tmp_path, {**files, f"real ones/{name}": real}, "-n")
    assert (done.returncode, f'"{sys.executable}" -m venv .venv' in done.stdout) == (0, True), done.stdout + done.stderr
