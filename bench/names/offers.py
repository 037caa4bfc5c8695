"""What others add: installed packages through entry points, and single files named by `--plugin` or BENCH_PLUGINS.

A file offers what its tables hold, named and written as ours: `MODELS = {"my_net": my_net}`.  It is read as text, and
imported as a module of its own name when something of it is built: its folder comes last on `sys.path`, which is where
its neighbours are found, too.  The variable reaches every process that runs or times something.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench.names.tables import TABLES
from bench.spec import BenchError, ExitCode

VARIABLE = "BENCH_PLUGINS"
"""Files that offer components, joined as paths are in PATH."""


class Offer(NamedTuple):
    """A component that is not ours: its builder as "module:function", and the package or file that it comes from."""

    build: str
    origin: str


class File(NamedTuple):
    """A plug-in file as it reads: `offers` maps a table's name to component -> function; `fault` says what is wrong."""

    path: Path
    offers: dict[str, dict[str, str]]
    fault: str = ""


def plugin_files() -> tuple[File, ...]:
    """The files that BENCH_PLUGINS names, each once."""
    named = os.environ.get(VARIABLE, "")
    return _files(tuple(dict.fromkeys(part for part in named.split(os.pathsep) if part)))


@functools.cache
def _files(named: tuple[str, ...]) -> tuple[File, ...]:
    read = [_read(Path(path)) for path in named]
    for file in read:
        folder = str(file.path.parent)
        if not file.fault and folder not in sys.path:
            sys.path.append(folder)
    return tuple(read)


def _read(path: Path) -> File:
    """A file's tables; one that cannot be used is given with its fault, so that others still can."""
    path = path.absolute()
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as fault:
        return File(path, {}, f"line {fault.lineno}: {fault.msg}")
    except (OSError, ValueError) as fault:
        return File(path, {}, getattr(fault, "strerror", None) or f"{type(fault).__name__}: {fault}")
    if not path.stem.isidentifier() or path.suffix != ".py":
        return File(path, {}, "its name is not that of a Python module")
    if (other := _other_module(path)) is not None:
        return File(path, {}, f"its name is that of another module, {other}")
    offers = {table: dict(rows) for table, rows in _tables(tree)}
    return File(path, offers, "" if offers else 'it has no table, such as `MODELS = {"my_net": my_net}`')


def _other_module(path: Path) -> str | None:
    """What Python would import in the place of `path`."""
    if path.stem in sys.builtin_module_names:
        return path.stem
    try:
        found = importlib.util.find_spec(path.stem)
    except ValueError:
        return None
    same = found is None or (found.origin is not None and Path(found.origin).resolve() == path.resolve())
    return None if same else path.stem


def _tables(tree: ast.Module) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Every dictionary of the file that is called like one of our tables and leads from texts to names of functions."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if len(targets) == 1 and isinstance(targets[0], ast.Name) and isinstance(value, ast.Dict) and value.keys:
            rows = [(k.value, v.id) for k, v in _rows(value) if isinstance(k.value, str)]
            if targets[0].id in _OURS and len(rows) == len(value.keys):
                yield targets[0].id, rows


_OURS = {path.partition(":")[2] for path in TABLES.values()}


def _rows(value: ast.Dict) -> Iterator[tuple[ast.Constant, ast.Name]]:
    for key, what in zip(value.keys, value.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(what, ast.Name):
            yield key, what


def offered(table: str) -> dict[str, list[Offer]]:
    """All that is offered for a table of ours, written "bench.models:MODELS": name -> who offers it."""
    group, _, own = table.partition(":")
    found: dict[str, list[Offer]] = {}
    for point in importlib.metadata.entry_points(group=group):
        found.setdefault(point.name, []).append(Offer(point.value, point.dist.name if point.dist else ""))
    for file in plugin_files():
        for name, function in file.offers.get(own, {}).items():
            found.setdefault(name, []).append(Offer(f"{file.path.stem}:{function}", file.path.name))
    return {name: list(dict.fromkeys(offers)) for name, offers in found.items()}


def file_of(origin: str) -> Path | None:
    """The plug-in file of that name, None where `origin` is a package."""
    return next((file.path for file in plugin_files() if file.path.name == origin), None)


def modules() -> list[str]:
    """The modules that plug-in files are."""
    return [file.path.stem for file in plugin_files() if not file.fault]


def add_plugins(paths: Iterable[Path]) -> None:
    """Have this process and all that it starts know these files, beside those that BENCH_PLUGINS names.

    Raises BenchError for a file that is not there, and for two of one name.
    """
    named = [file.path for file in plugin_files()]
    for path in paths:
        full = path.absolute()
        if not full.is_file():
            raise BenchError(f"no plug-in file {path}", remedy="check the path", key="--plugin", code=ExitCode.USAGE)
        if any(other.name == full.name and other != full for other in named):
            problem = f"two plug-in files are called {full.name}"
            raise BenchError(problem, remedy="rename one: a module has one name", key="--plugin")
        named += [full] if full not in named else []
    if named:
        os.environ[VARIABLE] = os.pathsep.join(map(str, named))
