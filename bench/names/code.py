"""A configuration -> a digest for each part of the code that decides its numbers; read from source, nothing imported.

What counts is the syntax: another comment, docstring or layout is the same code.  A part is the module that a component
is built in with all it imports from its own package, so a change in a shared file shows in every part that uses it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench import names
from bench.spec import BenchError, Component, Domain, RunConfig

LOOP = ("bench.train", "bench.batches", "bench.evaluate.counting")
"""What every run goes through: steps, batches, counting.  Scores are worked out of counts anew for every table."""

CHOOSING = ("bench.scores",)
"""What decides, beside that, which weights of a run are scored."""

NOT_DECIDING = ("spec", "names", "store", "machine", "faults")
"""Units of this package that carry numbers and make none."""


def code_digests(config: RunConfig) -> dict[str, str]:
    """part -> 16 hex: each component's kind, and `loop` for what all runs go through."""
    domains = (config.source, *([config.target] if config.target else []), *config.evaluate_on)
    datasets = {names.dataset_of(config.dataset, Domain.parse(domain)).name for domain in domains}
    loop = LOOP if config.choose == "last" else LOOP + CHOOSING
    parts: dict[str, Iterable[str]] = {"loop": loop, "dataset": _modules("dataset", datasets)}
    for kind in ("model", "method", "loss", "optimizer", "scheduler", "sampler", "scoring", "augment"):
        chosen = getattr(config, kind)
        components = (chosen,) if isinstance(chosen, Component) else chosen
        if components:
            parts[kind] = _modules(kind, {component.name for component in components})
    return {part: _digest(tuple(sorted(modules))) for part, modules in sorted(parts.items())}


def _modules(kind: str, chosen: Iterable[str]) -> set[str]:
    return {names.entry(kind, name).build.partition(":")[0] for name in chosen}


@functools.cache
def _digest(roots: tuple[str, ...]) -> str:
    text = "\n".join(f"{module} {_syntax_digest(module)}" for module in sorted(_closure(roots)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _closure(roots: Iterable[str]) -> set[str]:
    """`roots` and every module of their packages that they import, at whatever depth."""
    found: set[str] = set()
    todo = list(roots)
    while todo:
        module = todo.pop()
        if module not in found:
            found.add(module)
            todo += _imported(module)
    return found


@functools.cache
def _imported(module: str) -> tuple[str, ...]:
    """Modules of the same top-level package that `module` imports at run time, by statements anywhere in it."""
    named: set[str] = set()
    todo: list[ast.AST] = [_tree(module)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node.level) if node.level else None
            named |= {".".join(filter(None, (base, node.module, alias.name))) for alias in node.names}
        todo += ast.iter_child_nodes(node)
    package = module.partition(".")[0]
    ours = {_module_of(name) for name in named if name.partition(".")[0] == package}
    return tuple(sorted(name for name in ours if name and not _carries_only(name)))


def _base(module: str, level: int) -> str:
    is_package = (path := _file(module)) is not None and path.name == "__init__.py"
    words = module.split(".")
    return ".".join(words[: len(words) - level + is_package])


def _carries_only(module: str) -> bool:
    tables = {path.partition(":")[0] for path in names.TABLES.values()}
    head, _, rest = module.partition(".")
    return module == head or module in tables or (head == "bench" and rest.partition(".")[0] in NOT_DECIDING)


def _module_of(name: str) -> str:
    """The longest head of a dotted name that is a module: `bench.train.Progress` -> `bench.train`; '' for none."""
    while name and _file(name) is None:
        name = name.rpartition(".")[0]
    return name


@functools.cache
def _file(module: str) -> Path | None:
    """Where the source of a module lies, or None; its packages are not imported, which would load torch."""
    top, *rest = module.split(".")
    found = importlib.util.find_spec(top)
    if found is None or found.origin is None:
        return None
    path = Path(found.origin)
    if rest:
        path = path.parent.joinpath(*rest)
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path if path.suffix == ".py" and path.is_file() else None


@functools.cache
def _tree(module: str) -> ast.Module:
    path = _file(module)
    if path is None:
        raise BenchError(f"the source of {module} is not there", remedy="install the package with its .py files")
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def _syntax_digest(module: str) -> str:
    return hashlib.sha256("\x1f".join(_syntax(_tree(module))).encode()).hexdigest()


def _syntax(node: Any) -> Iterator[str]:
    """The same words for the same program under every Python we run on: `ast.dump` differs between them."""
    if isinstance(node, ast.AST):
        yield type(node).__name__
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(value, list):
                value = _without_docstring(value)
            if value not in (None, []) and name not in ("kind", "type_comment"):
                yield name
                yield from _syntax(value)
        yield ")"
    elif isinstance(node, list):
        for item in node:
            yield from _syntax(item)
        yield "]"
    else:
        yield f"{type(node).__name__}:{node!r}"


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """Texts that stand alone, first or below a constant, say what code does and do nothing."""
    return [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
