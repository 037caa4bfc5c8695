"""A component's name -> its table entry, its options and the thing built; or an error that lists the near names.

Tables hold "module:function" text, and options are read from the function's source (its keyword-only parameters), so
listing, checking and completing a configuration imports no component and therefore no torch.
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from bench.names import offers, source
from bench.names.combined import COMBINED, PARTS, each_part
from bench.names.configurations import check_together as check_together
from bench.names.configurations import resolve_config as resolve_config
from bench.names.configurations import sees_of_target as sees_of_target
from bench.names.families import Family
from bench.names.identities import id_of as id_of
from bench.names.identities import id_reader as id_reader
from bench.names.identities import identity as identity
from bench.names.offers import Offer
from bench.names.tables import FAMILIES as FAMILIES
from bench.names.tables import TABLES as TABLES
from bench.spec import BenchError, Component, DatasetInfo, Domain, ExitCode, MethodSpec, ModelSpec, RunConfig


@dataclass(frozen=True)
class Option:
    """One keyword-only parameter of a builder; `type` is None when the annotation is not a plain one."""

    type: Any
    default: Any
    required: bool


@dataclass(frozen=True)
class Entry:
    """A row of a table: where the builder is, what people call it, what it says of itself.

    `origin` is `bench`, or the package or plug-in file that offers it; of a name with a prefix it is the library, and
    `variant` what follows the prefix.  `target`, `networks` and `passes` are a method's, as in
    `bench.spec.MethodSpec`; '' where the table does not say.
    """

    kind: str
    name: str
    build: str
    label: str
    about: str
    paper: str
    origin: str
    target: str = ""
    networks: str = ""
    passes: str = ""
    variant: str = ""


def near(word: str, words: Iterable[str]) -> str:
    """A remedy that names the nearest valid words, or all of them when none is near."""
    words = sorted(words)
    close = difflib.get_close_matches(word, words, n=3, cutoff=0.55)
    if close:
        return "did you mean " + " or ".join(close) + "?"
    return "choose one of: " + ", ".join(words) if words else ""


def load(path: str) -> Any:
    """The object behind "module:attribute"."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


@functools.cache
def plugins(kind: str) -> dict[str, list[Offer]]:
    """What installed packages and plug-in files offer: name -> every offer of it."""
    return offers.offered(TABLES[kind])


def families(kind: str) -> Mapping[str, Family]:
    """The prefixes of a kind; none for most."""
    found: Mapping[str, Family] = load(FAMILIES[kind]) if kind in FAMILIES else {}
    return found


def names(kind: str) -> list[str]:
    """All names of a kind, the package's own and those of plug-ins; those with a prefix are `families`."""
    return sorted({**load(TABLES[kind]), **plugins(kind)})


def forget() -> None:
    """Read anew what others offer: BENCH_PLUGINS or what is installed has changed."""
    for kept in (plugins, entry, options, _adapter, source.file_of, source.module_tree):
        kept.cache_clear()


@functools.cache
def entry(kind: str, name: str) -> Entry:
    """The row of `name`; raises BenchError with the near names, and for a name that two offer."""
    own: Mapping[str, str | ModelSpec | MethodSpec] = load(TABLES[kind])
    others = plugins(kind).get(name, [])
    origins = [*(["bench"] if name in own else []), *(offer.origin for offer in others)]
    if len(origins) > 1:
        problem = f"{kind} '{name}' is offered by {' and by '.join(origins)}"
        raise BenchError(problem, remedy="give one of them another name", key=kind)
    prefix, colon, variant = name.partition(":")
    if colon and not origins and prefix in families(kind):
        return _of_family(kind, name, families(kind)[prefix], variant)
    if not origins:
        raise BenchError(f"unknown {kind} '{name}'", remedy=_nearest(kind, name), key=kind)
    row = own[name] if name in own else others[0].build
    spec = ModelSpec(row, name, "") if isinstance(row, str) else row
    more = spec[3:] if isinstance(spec, MethodSpec) else ()
    return Entry(kind, name, spec.build, spec.label, _about(spec.build), spec.paper, origins[0], *more)


def _of_family(kind: str, name: str, family: Family, variant: str) -> Entry:
    problem, word = family.fault(kind, name)
    if problem:
        remedy = near(word, family.known) if word else f"write it like {family.example}"
        raise BenchError(problem, remedy=remedy, key=kind)
    about = _about(family.build)
    return Entry(kind, name, family.build, name, about, family.paper, family.package, variant=variant)


def _nearest(kind: str, name: str) -> str:
    """The near names; for a file that could not be read, that."""
    broken = [f"{file.path.name} ({file.fault})" for file in offers.plugin_files() if file.fault]
    beside = [] if ":" not in name else [family.example for family in families(kind).values()]
    return near(name, [*names(kind), *beside]) + (f"; left out: {', '.join(broken)}" if broken else "")


def _about(build: str) -> str:
    return (ast.get_docstring(source.function(build)) or "").partition("\n")[0]


@functools.cache
def options(kind: str, name: str) -> dict[str, Option]:
    """The options of a component: the keyword-only parameters of its builder, in source order."""
    args = source.signature(entry(kind, name).build)
    found = {}
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        value = None if default is None else ast.literal_eval(default)
        found[arg.arg] = Option(source.plain_type(arg.annotation), value, default is None)
    return found


@functools.cache
def _adapter(kind: str, name: str, option: str) -> TypeAdapter[Any]:
    wanted = options(kind, name)[option].type
    return TypeAdapter(wanted, config=ConfigDict(allow_inf_nan=False))


def resolve(kind: str, component: Component) -> Component:
    """`component` with every option checked, converted and spelled out.

    Raises BenchError (its `key` ends in the option's name) for an unknown name, an unknown option, one of another type
    or a missing one.
    """
    known = options(kind, component.name)
    for key in component.options:
        if key not in known:
            remedy = near(key, known) if known else f"{component.name} has no options"
            raise BenchError(f"unknown option '{key}' of {kind} '{component.name}'", remedy=remedy, key=key)
    full = {}
    for key, option in known.items():
        if key not in component.options:
            if option.required:
                raise BenchError(f"{kind} '{component.name}' needs `{key}`", remedy=f"write `{key}: ...`", key=key)
            full[key] = jsonable(option.default)
            continue
        if component.name == COMBINED and key == PARTS:
            full[key] = each_part(kind, component.options[key], lambda part: resolve(kind, part))
            continue
        try:
            full[key] = jsonable(_adapter(kind, component.name, key).validate_python(component.options[key]))
        except ValidationError as error:
            written, faults = component.options[key], error.errors()
            words = (fault for fault in faults if isinstance(written, str) and fault["type"] == "literal_error")
            raise BenchError(
                f"{written!r} is no value for `{key}` of {kind} '{component.name}'",
                remedy=next(words, faults[0])["msg"].lower(),  # a text is nearer to the names than to a list
                key=key,
            ) from None
    return Component(name=component.name, options=full)


def jsonable(value: Any) -> Any:
    """Tuples as the lists that JSON has."""
    return [jsonable(v) for v in value] if isinstance(value, (tuple, list)) else value


def build(kind: str, component: Component, *args: Any) -> Any:
    """The component itself: its builder called with `args` (what the harness supplies) and its options.

    Raises BenchError where the library of a name with a prefix is not installed, or a plug-in cannot be imported.
    """
    full = resolve(kind, component)
    row = entry(kind, full.name)
    return builder(row)(*((row.variant,) if row.variant else ()), *args, **full.options)


def builder(row: Entry) -> Any:
    """The function of a row, imported."""
    if row.variant:
        families(row.kind)[row.name.partition(":")[0]].require(row.name)
    try:
        return load(row.build)
    except Exception as fault:
        if row.origin == "bench" or row.variant:
            raise
        at = f"{type(fault).__name__}: {fault}"
        problem = f"{row.kind} '{row.name}' of {row.origin} cannot be imported: {at}"
        raise BenchError(problem, remedy="mend the plug-in", key=row.kind, code=ExitCode.USAGE) from fault


def dataset_info(dataset: str | Component) -> DatasetInfo:
    """The facts of a dataset; of a Component, with the options that decide its classes or domains.

    They are `INFO` of the module that holds its builder, read without importing it where possible, or what the module's
    `facts(**options)` says.
    """
    part = Component(name=dataset) if isinstance(dataset, str) else dataset
    module = entry("dataset", part.name).build.partition(":")[0]
    if isinstance(dataset, str) or not source.defines(module, "facts"):
        info: DatasetInfo = source.dataset_info(module) or load(module + ":INFO")
        return info
    wanted = {arg.arg for arg in source.signature(module + ":facts").kwonlyargs}
    facts: DatasetInfo = load(module + ":facts")(**{k: v for k, v in part.options.items() if k in wanted})
    return facts


def synthetic(config: RunConfig) -> bool:
    """Whether any data that a run learns from or is scored on is drawn by a program."""
    return any(dataset_info(Domain.parse(d).dataset).synthetic for d in (config.source, *config.evaluate_on))


def dataset_of(home: Component, domain: Domain) -> Component:
    """The dataset of `domain`: `home` with its options, or another one with its defaults.

    The choice of a class list (`classes`) holds for every dataset of a run that offers one.
    """
    if domain.dataset == home.name:
        return home
    shared = home.options.get("classes")
    takes = shared is not None and "classes" in options("dataset", domain.dataset)
    return Component(name=domain.dataset, options={"classes": shared} if takes else {})
