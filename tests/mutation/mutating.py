"""Makes small faults in Python source, one at a time: the faults that a tired person makes.

A mutant is the source of a module with one fault. Annotations, docstrings, decorators and sentences (texts with a
space, which people read) are left alone: they change nothing that the module does. Nor is an argument left out that
must be given: every test that runs the call notices that, and the type checker without any.
"""

import ast
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

Edit = Callable[[], None]
"""Makes one fault in the tree that it was found in."""

_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_NEXT: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip
_REVERSED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
}  # fmt: skip
_COUNTERPART = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list", "reversed": "list"}
_CONVERSIONS = {"strip", "upper", "lower", "copy"}
"""Methods without arguments that give the same value where they are left out, more or less."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: its line, what it is, the whole source that has it, and which lines a test must run to notice it.

    `lines` are the first and last line of the statement; None where it runs when the module is imported.
    """

    line: int
    fault: str
    source: str
    lines: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class _Fault:
    line: int
    fault: str
    edit: Edit
    lines: tuple[int, int] | None


Required = Mapping[str, frozenset[str]]
"""The arguments that must be given, by the name of the function or class."""


def required_arguments(sources: Iterable[str]) -> Required:
    """Read from modules which arguments of their functions and dataclasses must be given."""
    found: dict[str, frozenset[str]] = {}
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.FunctionDef():
                    names = _without_default(node.args)
                case ast.ClassDef():
                    fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and each.value is None]
                    names = frozenset(each.target.id for each in fields if isinstance(each.target, ast.Name))
                case _:
                    continue
            # Of a name that is there twice, what both require.
            found[node.name] = names & found.get(node.name, names)
    return found


def _without_default(arguments: ast.arguments) -> frozenset[str]:
    positional = [*arguments.posonlyargs, *arguments.args]
    first = positional[: len(positional) - len(arguments.defaults)]
    named = [each for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None]
    return frozenset(each.arg for each in (*first, *named))


def faults(source: str, required: Required = MappingProxyType({})) -> list[tuple[int, str]]:
    """The line and the fault of each mutant that a source has, in the order of their numbers."""
    return [(found.line, found.fault) for found in _found(ast.parse(source), required)]


def mutant(source: str, number: int, required: Required = MappingProxyType({})) -> Mutant:
    """Make one mutant of a source, by its number from 0. Raises IndexError."""
    tree = ast.parse(source)
    for index, found in enumerate(_found(tree, required)):
        if index == number:
            found.edit()
            changed = ast.unparse(ast.fix_missing_locations(tree))
            return Mutant(found.line, found.fault, changed, found.lines)
    raise IndexError(number)


def _found(tree: ast.Module, required: Required) -> Iterator[_Fault]:
    for node, lines in _code(tree, None, in_function=False):
        line = getattr(node.target if isinstance(node, ast.comprehension) else node, "lineno", 0)
        if isinstance(node, ast.keyword | ast.match_case):
            line = (node.value if isinstance(node, ast.keyword) else node.pattern).lineno
        yield from (_Fault(line, fault, edit, lines) for fault, edit in _faults(node, required))


def _code(
    node: ast.AST, lines: tuple[int, int] | None, *, in_function: bool
) -> Iterator[tuple[ast.AST, tuple[int, int] | None]]:
    """Walk over the code that runs, with the lines of each part's statement: no annotations, docstrings, decorators."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params", "format_spec"):
            continue
        # The defaults of parameters are made when the function is.
        inside = in_function or (name == "body" and isinstance(node, ast.FunctionDef | ast.Lambda))
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id == "TypeVar":
                continue
            if isinstance(child, ast.Subscript) and isinstance(child.value, ast.Name) and child.value.id == "Callable":
                continue  # the name of a type
            if name == "args" and isinstance(node, ast.Call) and ast.unparse(node.func) == "cast" and child is value[0]:
                continue
            here = lines
            if inside and isinstance(child, ast.stmt):
                here = _lines(child)
            elif inside and isinstance(node, ast.Lambda):
                here = (node.lineno, node.end_lineno or node.lineno)
            yield child, here
            yield from _code(child, here, in_function=inside)


def _lines(statement: ast.stmt) -> tuple[int, int]:
    """The lines of which a test runs one where it runs the statement: a compound one's up to its body."""
    match statement:
        case ast.If(body=[first, *_]) | ast.While(body=[first, *_]) | ast.For(body=[first, *_]):
            return statement.lineno, max(statement.lineno, first.lineno - 1)
    return statement.lineno, statement.end_lineno or statement.lineno


def _faults(node: ast.AST, required: Required) -> Iterator[tuple[str, Edit]]:
    match node:
        case ast.Compare():
            yield from _comparisons(node)
        case ast.BoolOp():
            other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
            yield f"{'or' if isinstance(node.op, ast.And) else 'and'} in {_text(node)}", lambda: _set(node, "op", other)
            yield from _left_out(node.values, "condition")
        case ast.BinOp() if type(node.op) in _REVERSED:
            yield f"operator changed in {_text(node)}", lambda: _set(node, "op", _REVERSED[type(node.op)]())
        case ast.UnaryOp(op=ast.Not()):
            yield f"left out: not {_text(node.operand)}", lambda: _replace(node, node.operand)
        case ast.If() | ast.IfExp() | ast.While():
            # Of a condition that is a negation already, leaving that out is the same.
            if not (isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)):
                yield f"negated: {_text(node.test)}", lambda: _set(node, "test", ast.UnaryOp(ast.Not(), node.test))
            if isinstance(node, ast.If) and node.orelse:
                yield f"else left out after {_text(node.test)}", lambda: node.orelse.clear()
        case ast.comprehension() if node.ifs:
            yield f"filter left out: {_text(node.ifs[0])}", lambda: node.ifs.clear()
        case ast.Set(elts=elements) | ast.List(elts=elements, ctx=ast.Load()) if len(elements) > 1:
            yield from _left_out(elements, "member")
        case ast.Tuple(elts=elements, ctx=ast.Load()) if len(elements) > 2:
            yield from _left_out(elements, "member")
        case ast.Dict(keys=keys):
            for index in range(len(keys)):
                yield f"entry left out: {_text(keys[index] or node.values[index])}", _dropping(keys, node.values, index)
        case ast.MatchOr(patterns=patterns):
            yield from _left_out(patterns, "pattern")
        case ast.Match(cases=cases) if len(cases) > 1:
            for index, case in enumerate(cases):
                yield f"case left out: {_text(case.pattern)}", _dropping_one(cases, index)
        case ast.ExceptHandler(type=ast.expr() as caught):
            never = ast.Name("GeneratorExit", ast.Load())
            yield f"not caught: {_text(caught)}", lambda: _set(node, "type", never)
        case ast.Call():
            yield from _calls(node, required)
        case ast.Constant():
            yield from _constants(node)
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield f"not returned: {_text(value)}", lambda: _set(node, "value", ast.Constant(None))
    if isinstance(node, ast.stmt):
        yield from _statements(node)


def _comparisons(node: ast.Compare) -> Iterator[tuple[str, Edit]]:
    for index, operator in enumerate(node.ops):
        for kind, others in (("reversed", _OPPOSITE), ("boundary moved", _NEXT)):
            if type(operator) in others:
                other = others[type(operator)]()
                yield f"{kind}: {_text(node)}", lambda i=index, o=other: node.ops.__setitem__(i, o)  # type: ignore[misc]
        right = node.comparators[index]
        if isinstance(right, ast.Tuple) and len(right.elts) == 2:
            yield from _left_out(right.elts, "member")


def _calls(node: ast.Call, required: Required) -> Iterator[tuple[str, Edit]]:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    match node.func:
        case ast.Name(id=name) if name in _COUNTERPART and not (name == "sorted" and node.keywords):
            yield f"{_COUNTERPART[name]} for {name}", lambda: _set(node.func, "id", _COUNTERPART[name])
        case ast.Attribute(attr=name, value=value) if name in _CONVERSIONS and not node.args:
            yield f"left out: {name}()", lambda: _replace(node, value)
    for index, keyword in enumerate(node.keywords):
        if keyword.arg and keyword.arg not in required.get(called, ()):
            yield f"argument left out: {keyword.arg}", _dropping_one(node.keywords, index)


def _constants(node: ast.Constant) -> Iterator[tuple[str, Edit]]:
    match node.value:
        case bool():
            yield f"{not node.value} for {node.value}", lambda: _set(node, "value", not node.value)
        case int():
            yield f"{node.value + 1} for {node.value}", lambda: _set(node, "value", node.value + 1)  # type: ignore[operator]
        case str() as value if not any(map(str.isspace, value)):
            yield f"text changed: {value!r}", lambda: _set(node, "value", f"{value}~")


def _statements(node: ast.stmt) -> Iterator[tuple[str, Edit]]:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await() | ast.Yield() | ast.YieldFrom()) | ast.AugAssign():
            yield f"left out: {_text(node)}", lambda: _replace(node, ast.Pass())
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.Delete():
            yield f"left out: {_text(node)}", lambda: _replace(node, ast.Pass())
        case ast.Raise() | ast.Continue() | ast.Break():
            yield f"left out: {_text(node)}", lambda: _replace(node, ast.Pass())


def _left_out(items: list[ast.expr] | list[ast.pattern], what: str) -> Iterator[tuple[str, Edit]]:
    for index, item in enumerate(items):
        yield f"{what} left out: {_text(item)}", _dropping_one(items, index)


def _dropping_one(
    items: list[ast.expr] | list[ast.pattern] | list[ast.keyword] | list[ast.match_case], index: int
) -> Edit:
    return lambda: items.__delitem__(index)


def _dropping(keys: list[ast.expr | None], values: list[ast.expr], index: int) -> Edit:
    def drop() -> None:
        del keys[index], values[index]

    return drop


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 100 else text[:97] + "…"


def _set(node: ast.AST, name: str, value: object) -> None:
    setattr(node, name, value)


def _replace(node: ast.AST, other: ast.AST) -> None:
    """Let a node be another one, so that whatever holds it need not know."""
    position = {name: getattr(node, name) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset")}
    node.__class__ = other.__class__
    node.__dict__.clear()
    node.__dict__.update(position | copy.copy(other.__dict__))
