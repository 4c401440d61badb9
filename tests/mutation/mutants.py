"""Single faults in the functions of a module: an operator, a comparison, a number, a condition, a call, a statement."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
CALLS = {
    "mean": "sum",
    "sum": "mean",
    "max": "min",
    "min": "max",
    "minimum": "maximum",
    "maximum": "minimum",
    "zeros": "ones",
    "zeros_like": "ones_like",
    "ones": "zeros",
    "ones_like": "zeros_like",
    "any": "all",
    "all": "any",
}
"""What is called instead; with another name of arguments the call fails, and that is found at once."""
DROPPED = {"detach", "clamp", "exp", "log", "square", "clone", "copy", "relu", "sqrt", "abs", "clip", "float", "long"}
"""Methods whose value may be what they are called on."""


@dataclass(frozen=True)
class Mutant:
    """One fault."""

    file: str
    """From the root of the project."""
    function: str
    """The outermost function that holds it, by its qualified name."""
    line: int
    change: str
    """Before and after."""
    tree: ast.Module
    """The whole module with it."""


def mutants_of(root: Path, file: str) -> Iterator[Mutant]:
    """All of a module, in the order of its source."""
    tree = ast.parse((root / file).read_text())
    for function, path in _functions(tree, "", ()):
        for at in _places(function, path):
            before = _at(tree, at)
            for changed in _changes(before):
                mutated = copy.deepcopy(tree)
                _put(mutated, at, ast.copy_location(changed, before))
                told = f"{_first_line(before)} → {_first_line(changed)}"
                yield Mutant(file, _name(tree, path), before.lineno, told, ast.fix_missing_locations(mutated))


Place = tuple[tuple[str, int | None], ...]
"""The way from a module to a node: a field and, in a list, a position."""


def _functions(node: ast.AST, name: str, path: Place) -> Iterator[tuple[ast.AST, Place]]:
    """Functions and methods, not those within them."""
    for field, value in ast.iter_fields(node):
        for i, child in enumerate(value if isinstance(value, list) else []):
            here = (*path, (field, i))
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield child, here
            elif isinstance(child, ast.ClassDef):
                yield from _functions(child, name, here)


def _name(tree: ast.Module, path: Place) -> str:
    names = [_at(tree, path[: i + 1]) for i in range(len(path))]
    return ".".join(node.name for node in names if isinstance(node, ast.FunctionDef | ast.ClassDef))


def _places(node: ast.AST, path: Place) -> Iterator[Place]:
    """All nodes of a function's body but documentation, types, assertions, and the sentences of errors."""
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "args" if isinstance(node, ast.FunctionDef) else "", "decorator_list"}:
            continue
        children = [(i, child) for i, child in enumerate(value)] if isinstance(value, list) else [(None, value)]
        for i, child in children:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Assert | ast.Raise | ast.JoinedStr):
                continue
            if isinstance(node, ast.Call) and _is_minus_one(child):
                continue  # an axis, or a length that follows: the same by another name
            here = (*path, (field, i))
            yield here
            yield from _places(child, here)


def _is_minus_one(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and ast.unparse(node) == "-1"


def _changes(node: ast.AST) -> Iterator[ast.AST]:  # noqa: PLR0912
    match node:
        case ast.BinOp(op=op) if type(op) in BINARY:
            yield ast.BinOp(node.left, BINARY[type(op)](), node.right)
        case ast.AugAssign(op=op):
            if type(op) in BINARY:
                yield ast.AugAssign(node.target, BINARY[type(op)](), node.value)
            yield ast.Pass()
        case ast.Compare(ops=[op]):
            for other in COMPARISONS[type(op)]:
                yield ast.Compare(node.left, [other()], node.comparators)
        case ast.BoolOp(op=op):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert()):
            yield node.operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(2 * value + 0.5)
        case ast.IfExp() | ast.If() | ast.While():
            changed = copy.copy(node)
            changed.test = ast.UnaryOp(ast.Not(), node.test)
            yield changed
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Call(func=ast.Attribute(value=value, attr=attr)):
            if attr in CALLS:
                yield ast.Call(ast.Attribute(value, CALLS[attr], ast.Load()), node.args, node.keywords)
            if attr in DROPPED:
                yield value
        case ast.Call(func=ast.Name(id=name)) if name in CALLS:
            yield ast.Call(ast.Name(CALLS[name], ast.Load()), node.args, node.keywords)


def _at(node: ast.AST, path: Place) -> ast.AST:
    for field, i in path:
        value = getattr(node, field)
        node = value if i is None else value[i]
    return node


def _put(tree: ast.Module, path: Place, changed: ast.AST) -> None:
    parent, (field, i) = _at(tree, path[:-1]), path[-1]
    if i is None:
        setattr(parent, field, changed)
    else:
        getattr(parent, field)[i] = changed


def _first_line(node: ast.AST) -> str:
    return ast.unparse(node).splitlines()[0]
