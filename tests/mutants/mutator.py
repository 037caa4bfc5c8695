"""Source -> its mutants: one comparison, sign, constant, condition, call or result changed at a time.

Texts for people (what holds a blank, docstrings, pieces of f-strings), annotations and decorators are left alone.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
KINDS = ("comparison", "arithmetic", "constant", "boolean", "call", "return")


@dataclass(frozen=True)
class Mutant:
    """The `number`th place of a file; `what` says what is changed in which line of which function."""

    file: str
    number: int
    kind: str
    line: int
    function: str
    what: str

    @property
    def key(self) -> str:
        """What it is called in survivors.md: it outlives a change elsewhere in the file."""
        return f"{self.file} {self.function}: {self.what}"


Change = Callable[[], None]


def _changes(node: ast.AST) -> Iterator[tuple[str, str, Change]]:
    """(kind, what changes, how) for each mutant at this node itself."""
    if isinstance(node, ast.Compare):
        for n, op in enumerate(node.ops):
            other = COMPARISONS[type(op)]
            yield "comparison", f"{_name(op)} -> {other.__name__}", lambda n=n, other=other: _set(node.ops, n, other())
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in ARITHMETIC:
        other = ARITHMETIC[type(node.op)]
        yield "arithmetic", f"{_name(node.op)} -> {other.__name__}", lambda: setattr(node, "op", other())
    elif isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, bool):
            yield "constant", f"{value} -> {not value}", lambda: setattr(node, "value", not value)
        elif isinstance(value, (int, float)):
            yield "constant", f"{value} -> {value + 1}", lambda: setattr(node, "value", value + 1)
        elif isinstance(value, str) and " " not in value:
            yield "constant", f"{value!r} -> {value + 'X'!r}", lambda: setattr(node, "value", value + "X")
        elif isinstance(value, bytes):
            yield "constant", f"{value!r} -> {value + b'X'!r}", lambda: setattr(node, "value", value + b"X")
    elif isinstance(node, ast.BoolOp):
        other_word = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield "boolean", f"{_name(node.op)} -> {other_word.__name__}", lambda: setattr(node, "op", other_word())
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
        test = node.test
        yield "boolean", "condition negated", lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), test))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "call", "call removed", lambda: setattr(node, "value", ast.Constant(None))
    elif isinstance(node, ast.Return) and not (node.value is None or _is_none(node.value)):
        yield "return", "returns None", lambda: setattr(node, "value", ast.Constant(None))


def _name(op: ast.AST) -> str:
    return type(op).__name__


def _set(ops: list[ast.cmpop], n: int, op: ast.cmpop) -> None:
    ops[n] = op


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """What a mutation may stand in, in the order of the source."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "keywords") and not isinstance(node, ast.Call):
            continue
        if isinstance(node, ast.JoinedStr):
            yield from (part.value for part in node.values if isinstance(part, ast.FormattedValue))
            return
        inner = value if isinstance(value, list) else [value]
        yield from (one for one in inner if isinstance(one, ast.AST) and not _is_text(one))


def _is_text(node: ast.AST) -> bool:
    """A docstring, or a block that only the type checker sees."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _places(tree: ast.Module) -> Iterator[tuple[str, ast.AST, str, str, Change]]:
    """(function, node, kind, what, how) of every mutant, in a fixed order."""

    def walk(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST, str, str, Change]]:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            function = f"{function}.{node.name}".lstrip(".")
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and "__all__" in ast.unparse(node):
            return
        for kind, what, how in _changes(node):
            yield function or "module", node, kind, what, how
        for inner in _children(node):
            yield from walk(inner, function)

    yield from walk(tree, "")


def mutants(file: str, source: str) -> list[Mutant]:
    """All mutants of a file."""
    lines, found = source.splitlines(), []
    for number, (function, node, kind, what, _) in enumerate(_places(ast.parse(source))):
        line = getattr(node, "lineno", 1)
        told = f"{what} in `{lines[line - 1].strip()[:90]}`"
        found.append(Mutant(file, number, kind, line, function, told))
    return found


def mutated(source: str, number: int) -> str:
    """The source of the `number`th mutant; comments are gone, which changes nothing."""
    tree = ast.parse(source)
    for n, (_, _, _, _, how) in enumerate(_places(tree)):
        if n == number:
            how()
            break
    return ast.unparse(ast.fix_missing_locations(tree))
