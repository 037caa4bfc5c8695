"""A configuration -> a digest for each part of the code that decides its numbers; read from source, nothing imported.

What counts is the syntax: another comment, docstring or layout is the same code.  A part is the module that a component
is built in with all it imports from its own package, so a change in a shared file shows in every part that uses it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bench import names
from bench.names import offers
from bench.names.combined import COMBINED, PARTS
from bench.names.lineage import teachers_of, weights_before
from bench.names.source import file_of as _file
from bench.names.source import module_tree as _tree
from bench.spec import BenchError, Component, Domain, RunConfig

LOOP: tuple[str, ...] = ("bench.train", "bench.batches", "bench.evaluate.counting")
"""What every run goes through: steps, batches, counting.  Scores are worked out of counts anew for every table."""

CHOOSING = ("bench.scores.counts",)
"""What decides, beside that, which weights of a run are scored, where mIoU chooses."""

LABEL_FREE = ("bench.selection.looking",)
"""What decides it where a score without target labels does."""

AVERAGE, STOPPING, RATES = "bench.methods.teacher", "bench.run.stopping", "bench.run.rates"
"""What else does where an average of the weights is scored, where a run may stop early, and where its rates follow more
than a shape and the step."""

STARTING, PICKING, GRAPHED = "bench.run.starting", "bench.run.picking", "bench.run.graphed"
"""And where weights of another run or of a file are taken over, where the device decides the precision, and where
updates are recorded and repeated."""

NOT_DECIDING = ("spec", "names", "store", "machine", "faults")
"""Units of this package that carry numbers and make none."""


KINDS = ("model", "method", "loss", "optimizer", "groups", "scheduler", "sampler", "scoring", "augment")


PLAIN = ("groups", Component(name="uniform"))
"""All parameters in one group: no code decides anything."""


def code_digests(config: RunConfig) -> dict[str, str]:
    """part -> 16 hex: each component's kind, and `loop` for what all runs go through.

    A component that is not ours has a part more, such as `model from my_models.py` -> the digest of that file with
    what it uses beside it, or `model from timm` -> the version installed.

    It is the code as it was when this process first asked, or called `keep`.  Raises BenchError for a component that
    is not there, or is there without its source.
    """
    domains = (config.source, *([config.target] if config.target else []), *config.evaluate_on)
    datasets = {names.dataset_of(config.dataset, Domain.parse(domain)).name for domain in domains}
    parts = {"loop": _digest(_loop(config))}
    parts["dataset"] = part_digest("dataset", frozenset(datasets))
    parts |= origins("dataset", datasets)
    for kind in KINDS:
        chosen = getattr(config, kind)
        components = (chosen,) if isinstance(chosen, Component) else chosen
        if components and (kind, chosen) != PLAIN:
            teachers = teachers_of(config.method) if kind == "model" else ()
            used = frozenset(name for one in (*components, *teachers) for name in _names(one))
            parts[kind] = part_digest(kind, used)
            parts |= origins(kind, used)
    return dict(sorted(parts.items()))


def _loop(config: RunConfig) -> tuple[str, ...]:
    """The modules of the loop that a run of `config` goes through."""
    found = LOOP
    if config.choose != "last":
        found += CHOOSING if config.choose in ("source_val", "oracle") else LABEL_FREE
    rates = config.warmup_steps > 0 or config.schedule_by == "epoch" or config.scheduler.name == "plateau"
    rates = rates or config.scheduler.options.get("momentum") is not None
    asked = {
        AVERAGE: config.ema is not None,
        STOPPING: config.patience is not None,
        RATES: rates,
        STARTING: bool(weights_before(config)),
        PICKING: config.precision == "auto",
        GRAPHED: config.cuda_graph,
    }
    return found + tuple(module for module, used in asked.items() if used)


def origins(kind: str, used: Iterable[str]) -> dict[str, str]:
    """`<kind> from <package or file>` -> version or digest, for each component of `used` that is not ours."""
    found = {}
    for name in sorted(used):
        row = names.entry(kind, name)
        if row.origin != "bench":
            file = offers.file_of(row.origin)
            told = _version(row.origin) if file is None else _digest((file.stem,))
            found[f"{kind} from {row.origin}"] = told
    return found


def models_of_others(chosen: Iterable[str]) -> dict[str, str]:
    """`model <name>` -> the digest of a plug-in's code, or the version of a library, for each model that is not ours:
    what its costs depend on beside its options.  Raises BenchError for a model that nobody here offers."""
    found = {}
    for name in sorted(set(chosen)):
        row = names.entry("model", name)
        if row.origin != "bench":
            found[f"model {name}"] = _version(row.origin) if row.variant else part_digest("model", frozenset({name}))
    return found


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        raise BenchError(f"{package} is not installed", remedy="install it") from None


def changed_parts(config: RunConfig, recorded: Mapping[str, str]) -> tuple[str, ...]:
    """The parts of which today's code is not the `recorded`; none where nothing was recorded or `config` has a
    component that is not installed here, because then nobody can tell."""
    if not recorded:
        return ()
    try:
        today = code_digests(config)
    except BenchError:
        return ()
    return tuple(part for part in sorted({*recorded, *today}) if recorded.get(part) != today.get(part))


def keep(*packages: str) -> None:
    """Note the source of all that is loaded of this package, of those that add components and of `packages`: a change
    from here on is not what this process runs."""
    offered = (offer for kind in names.TABLES for listed in names.plugins(kind).values() for offer in listed)
    wanted = {"bench", *packages, *(offer.build.partition(":")[0].partition(".")[0] for offer in offered)}
    wanted |= {module.partition(".")[0] for module in _closure(offers.modules())}
    for module in sorted(sys.modules):
        if module.partition(".")[0] in wanted and _file(module) is not None:
            _imported(module)
            _syntax_digest(module)


@functools.cache
def part_digest(kind: str, chosen: frozenset[str]) -> str:
    """The digest of the code of these components of a kind."""
    return _digest(tuple(sorted({names.entry(kind, name).build.partition(":")[0] for name in chosen})))


def _names(component: Component) -> list[str]:
    """The name of a component, and of what it combines."""
    parts = component.options.get(PARTS, ()) if component.name == COMBINED else ()
    return [component.name, *(Component.model_validate(part).name for part in parts)]


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


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


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
        for block in _BLOCKS:  # statements stand in these alone
            todo += getattr(node, block, ())
    package = module.partition(".")[0]
    beside = _neighbours(package)
    ours = {_module_of(name) for name in named if (top := name.partition(".")[0]) == package or beside(top)}
    return tuple(sorted(name for name in ours if name and (beside(name) or not _carries_only(name))))


def _neighbours(module: str) -> Callable[[str], bool]:
    """Whether a module lies in the folder of `module`, where that is the folder of a plug-in file."""
    here = _file(module)
    folders = {path.parent for path in map(_file, offers.modules()) if path}
    if here is None or (folder := here.parent.parent if here.name == "__init__.py" else here.parent) not in folders:
        return lambda top: False
    return lambda top: (there := _file(top)) is not None and folder in (there.parent, there.parent.parent)


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
def _syntax_digest(module: str) -> str:
    return hashlib.sha256("\x1f".join(_syntax(_tree(module))).encode()).hexdigest()


def _syntax(tree: ast.AST) -> list[str]:
    """The same words for the same program under every Python we run on: `ast.dump` differs between them."""
    words: list[str] = []

    def write(node: Any) -> None:
        if isinstance(node, ast.AST):
            words.append(type(node).__name__)
            for name in node._fields:
                value = getattr(node, name, None)
                if name == "body" and isinstance(value, list):
                    value = _without_docstring(value)
                if value is not None and value != [] and name not in ("kind", "type_comment"):
                    words.append(name)
                    write(value)
            words.append(")")
        elif isinstance(node, list):
            for item in node:
                write(item)
            words.append("]")
        else:
            words.append(f"{type(node).__name__}:{node!r}")

    write(tree)
    return words


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """Texts that stand alone, first or below a constant, say what code does and do nothing."""
    return [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
