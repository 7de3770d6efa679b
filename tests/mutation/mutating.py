"""Makes small faults in Python source, one at a time: the faults that a tired person makes.

A mutant is the source of a module with one fault. Annotations, docstrings and log texts are left alone: to change them
changes nothing that a test should notice.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Edit = Callable[[], None]
"""Makes one fault in the tree that it was found in."""

_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_REVERSED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
_COUNTERPART = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: the line that it is in, what it is, and the whole source that has it."""

    line: int
    fault: str
    source: str


def count(source: str) -> int:
    """How many mutants a source has."""
    return sum(1 for _ in _edits(ast.parse(source)))


def mutant(source: str, number: int) -> Mutant:
    """Make one mutant of a source, by its number from 0. Raises IndexError."""
    tree = ast.parse(source)
    for index, (line, fault, edit) in enumerate(_edits(tree)):
        if index == number:
            edit()
            return Mutant(line, fault, ast.unparse(ast.fix_missing_locations(tree)))
    raise IndexError(number)


def _edits(tree: ast.Module) -> Iterator[tuple[int, str, Edit]]:
    for node in _code(tree):
        line = getattr(node.target if isinstance(node, ast.comprehension) else node, "lineno", 0)
        yield from ((line, fault, edit) for fault, edit in _faults(node))


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Walk over the code that runs: no annotations, no docstrings, no decorators."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            yield child
            yield from _code(child)


def _faults(node: ast.AST) -> Iterator[tuple[str, Edit]]:
    match node:
        case ast.Compare(ops=[operator], comparators=[right]) if type(operator) in _OPPOSITE:
            yield "comparison changed", lambda: _set(node, "ops", [_OPPOSITE[type(operator)]()])
            if isinstance(right, ast.Tuple):
                yield from _members(right.elts)
        case ast.BoolOp():
            other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
            yield "and for or", lambda: _set(node, "op", other)
            for index in range(len(node.values)):
                yield "condition left out", lambda index=index: _drop(node.values, index)  # type: ignore[misc]
        case ast.BinOp() if type(node.op) in _REVERSED:
            yield "operator reversed", lambda: _set(node, "op", _REVERSED[type(node.op)]())
        case ast.UnaryOp(op=ast.Not()):
            yield "not left out", lambda: _replace(node, node.operand)
        case ast.If() | ast.IfExp() | ast.While():
            yield "condition negated", lambda: _set(node, "test", ast.UnaryOp(ast.Not(), node.test))
        case ast.comprehension() if node.ifs:
            yield "filter left out", lambda: node.ifs.clear()
        case ast.Set(elts=elements):
            yield from _members(elements)
        case ast.MatchOr(patterns=patterns):
            for index in range(len(patterns)):
                yield "case left out", lambda index=index: _drop(patterns, index)  # type: ignore[misc]
        case ast.Call(func=ast.Name(id=name)) if name in _COUNTERPART:
            yield "function exchanged", lambda: _set(node.func, "id", _COUNTERPART[name])
        case ast.Constant(value=bool()):
            yield "truth reversed", lambda: _set(node, "value", not node.value)
        case ast.Constant(value=int()):
            yield "number changed", lambda: _set(node, "value", node.value + 1)  # type: ignore[operator]
        case ast.Expr(value=ast.Call() | ast.Await()):
            yield "statement left out", lambda: _set(node, "value", ast.Constant(value=None))
        case ast.AugAssign():
            yield "statement left out", lambda: _set(node, "value", ast.Constant(value=0))
    if isinstance(node, ast.If) and node.orelse:
        yield "alternative left out", lambda: node.orelse.clear()


def _members(elements: list[ast.expr]) -> Iterator[tuple[str, Edit]]:
    for index in range(len(elements)) if len(elements) > 1 else ():
        yield "member left out", lambda index=index: _drop(elements, index)  # type: ignore[misc]


def _set(node: ast.AST, name: str, value: object) -> None:
    setattr(node, name, value)


def _drop(items: list[ast.expr] | list[ast.pattern], index: int) -> None:
    del items[index]


def _replace(node: ast.AST, other: ast.AST) -> None:
    """Let a node be another one, so that whatever holds it need not know."""
    node.__class__ = other.__class__
    node.__dict__.clear()
    node.__dict__.update(copy.copy(other.__dict__))
