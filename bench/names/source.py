"""A builder's source -> its parameters, its first line, and the facts beside it, without importing anything."""

from __future__ import annotations

import ast
import functools
import importlib.util
import operator
from pathlib import Path
from typing import Any, Literal

from bench.spec import BenchError, DatasetInfo


@functools.cache
def file_of(module: str) -> Path | None:
    """Where the source of a module lies, or None; its packages are not imported, which would load torch."""
    top, *rest = module.split(".")
    found = importlib.util.find_spec(top)
    if found is None or (found.origin is None and not found.submodule_search_locations):
        return None
    path = Path(found.origin) if found.origin else Path(next(iter(found.submodule_search_locations or ())), "__init__")
    if rest:
        path = path.parent.joinpath(*rest)
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path if path.suffix == ".py" and path.is_file() else None


@functools.cache
def module_tree(module: str) -> ast.Module:
    path = file_of(module)
    if path is None:
        raise BenchError(f"the source of {module} is not there", remedy="install the package with its .py files")
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as fault:
        raise BenchError(fault.msg, remedy="mend it", file=path.name, line=fault.lineno) from None


def function(path: str) -> ast.FunctionDef | ast.ClassDef:
    module, _, attribute = path.partition(":")
    for node in module_tree(module).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == attribute:
            return node
    raise BenchError(f"{module} defines no function '{attribute}'")


def defines(module: str, name: str) -> bool:
    """Whether the module has a function `name`."""
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in module_tree(module).body)


def signature(path: str) -> ast.arguments:
    node = function(path)
    if isinstance(node, ast.FunctionDef):
        return node.args
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
            return inner.args
    return ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])


def plain_type(node: ast.expr | None) -> Any:
    """The type that a plain annotation spells (numbers, text, Literal, tuple, list, dict, unions), else None."""
    plain = {"int": int, "float": float, "str": str, "bool": bool, "dict": dict, "list": list, "None": None}
    if isinstance(node, ast.Constant):
        return plain_type(ast.parse(node.value, mode="eval").body) if isinstance(node.value, str) else node.value
    if isinstance(node, ast.Name):
        return plain.get(node.id, Any)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return operator.or_(plain_type(node.left), plain_type(node.right))
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if node.value.id == "Literal":
            return Literal[tuple(ast.literal_eval(i) for i in inner)]
        outer: Any = {"tuple": tuple, "list": list, "dict": dict}.get(node.value.id)
        if outer is not None:
            args = tuple(... if isinstance(i, ast.Constant) and i.value is ... else plain_type(i) for i in inner)
            return outer[args]
    return Any


@functools.cache
def dataset_info(module: str) -> DatasetInfo | None:
    """The `INFO` of a dataset's module where it is written out in literals; None for one that has to be computed.

    A name stands for the literal it is bound to in that module or in the one it is imported from.
    """
    call = _bound(module, "INFO")
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "DatasetInfo":
        return None
    try:
        return DatasetInfo(**{str(word.arg): ast.literal_eval(_literal(module, word.value)) for word in call.keywords})
    except (TypeError, ValueError):
        return None


def _literal(module: str, value: ast.expr) -> ast.expr:
    """`value`, or what it is bound to if it is a name."""
    return (_bound(module, value.id) or value) if isinstance(value, ast.Name) else value


def _bound(module: str, name: str) -> ast.expr | None:
    """What `name` is assigned at the top of a module, or of the module it is imported from; None if not just once."""
    body = module_tree(module).body
    found = [n.value for n in body if isinstance(n, ast.Assign) and any(_is(t, name) for t in n.targets)]
    if len(found) == 1:
        return found[0]
    homes = [n.module for n in body if isinstance(n, ast.ImportFrom) and any(a.name == name for a in n.names)]
    return _bound(homes[0], name) if len(homes) == 1 and homes[0] and not found else None


def _is(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name
