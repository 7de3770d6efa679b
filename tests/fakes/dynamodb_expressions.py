"""DynamoDB's expressions, read and worked out over plain items: conditions, key conditions and updates.

The grammar is DynamoDB's own (developer guide, "Expressions"), over top-level attributes; anything else is refused
loudly, so that nothing is silently understood otherwise than by the real engine.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

Item = Mapping[str, Any]
Condition = Callable[[Item], bool]


@dataclass(frozen=True, slots=True)
class _Given:
    """What an expression is worked out over: an item, and what the call says of names and values."""

    item: Item
    names: Mapping[str, str]
    values: Item

    def name(self, token: str) -> str:
        return self.names[token] if token[0] == "#" else token


_Operand = Callable[[_Given], Any]
_Test = Callable[[_Given], bool]

_TOKEN = re.compile(r"\s*(<=|>=|<>|[=<>(),+-]|[:#]?\w+)")
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


class _Missing:
    """An attribute that the item does not have: equal to nothing."""


MISSING = _Missing()


@cache
def _tokens(text: str) -> list[str]:
    tokens: list[str] = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text):
        raise NotImplementedError(text)
    return tokens


@cache
def _bound(text: str) -> frozenset[str]:
    """The names and values that an expression leaves to the call."""
    return frozenset(token for token in _tokens(text) if token[0] in "#:")


def attributes_named(text: str, names: Mapping[str, str]) -> set[str]:
    """The attributes that an expression may name: keywords count as names too."""
    return {names.get(token, token) for token in _tokens(text) if token[0] != ":"}


def _require_bound(text: str, names: Mapping[str, str], values: Item) -> None:
    if missing := _bound(text) - names.keys() - values.keys():
        raise KeyError(*missing)


@dataclass
class _Reader:
    """The tokens of one expression, from where it was read to."""

    text: str

    def __post_init__(self) -> None:
        self.tokens = _tokens(self.text)
        self.at = 0

    def more(self) -> bool:
        return self.at < len(self.tokens)

    def next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def takes(self, *words: str) -> bool:
        """Read the next token if it is one of these (keywords in any case)."""
        if self.more() and self.tokens[self.at].upper() in words:
            self.at += 1
            return True
        return False

    def expect(self, word: str) -> None:
        if not self.takes(word):
            raise NotImplementedError(self.text)

    def operand(self) -> _Operand:
        token = self.next()
        if token[0] == ":":
            return lambda given: given.values[token]
        if self.takes("("):
            return self._function(token)
        return lambda given: given.item.get(given.name(token), MISSING)

    def _function(self, function: str) -> _Operand:
        match function:
            case "size":
                token = self.next()
                self.expect(")")
                return lambda given: len(given.item[name]) if (name := given.name(token)) in given.item else MISSING
            case "if_not_exists" | "list_append":
                first, other = self.operand(), self._second()
                if function == "list_append":
                    return lambda given: [*first(given), *other(given)]
                return lambda given: found if (found := first(given)) is not MISSING else other(given)
        raise NotImplementedError(self.text)

    def _second(self) -> _Operand:
        self.expect(",")
        second = self.operand()
        self.expect(")")
        return second


def condition(text: str | None, names: Mapping[str, str], values: Item) -> Condition:
    """Read a condition, a key condition or a filter; none holds of everything."""
    if not text:
        return lambda _item: True
    _require_bound(text, names, values)
    test = _test_of(text)
    return lambda item: test(_Given(item, names, values))


@cache
def _test_of(text: str) -> _Test:
    reader = _Reader(text)
    found = _either(reader)
    if reader.more():
        raise NotImplementedError(text)
    return found


def _either(reader: _Reader) -> _Test:
    tests = [_both(reader)]
    while reader.takes("OR"):
        tests.append(_both(reader))
    return tests[0] if len(tests) == 1 else lambda given: any(test(given) for test in tests)


def _both(reader: _Reader) -> _Test:
    tests = [_one(reader)]
    while reader.takes("AND"):
        tests.append(_one(reader))
    return tests[0] if len(tests) == 1 else lambda given: all(test(given) for test in tests)


def _one(reader: _Reader) -> _Test:
    if reader.takes("NOT"):
        refused = _one(reader)
        return lambda given: not refused(given)
    if reader.takes("("):
        inner = _either(reader)
        reader.expect(")")
        return inner
    for function in ("ATTRIBUTE_EXISTS", "ATTRIBUTE_NOT_EXISTS", "BEGINS_WITH", "CONTAINS"):
        if reader.takes(function):
            return _attribute(reader, function)
    left = reader.operand()
    if reader.takes("BETWEEN"):
        low = reader.operand()
        reader.expect("AND")
        high = reader.operand()
        return lambda given: _ordered("<=", low(given), left(given)) and _ordered("<=", left(given), high(given))
    if reader.takes("IN"):
        reader.expect("(")
        choices = [reader.operand()]
        while reader.takes(","):
            choices.append(reader.operand())
        reader.expect(")")
        return lambda given: any(left(given) == choice(given) for choice in choices)
    operator, right = reader.next(), reader.operand()
    if operator == "=":
        return lambda given: left(given) is not MISSING and left(given) == right(given)
    if operator == "<>":
        return lambda given: left(given) != right(given)
    if operator in _ORDER:
        return lambda given: _ordered(operator, left(given), right(given))
    raise NotImplementedError(reader.text)


def _attribute(reader: _Reader, function: str) -> _Test:
    reader.expect("(")
    token = reader.next()
    if function.startswith("ATTRIBUTE"):
        reader.expect(")")
        return lambda given: (given.name(token) in given.item) is (function == "ATTRIBUTE_EXISTS")
    reader.expect(",")
    sought = reader.operand()
    reader.expect(")")
    if function == "BEGINS_WITH":
        return lambda given: (
            str(given.item.get(given.name(token), "")).startswith(sought(given)) and given.name(token) in given.item
        )
    return lambda given: (name := given.name(token)) in given.item and sought(given) in given.item[name]


def _ordered(operator: str, left: Any, right: Any) -> bool:
    # DynamoDB orders values of one type only; anything else does not hold.
    return isinstance(left, type(right)) and MISSING not in (left, right) and _ORDER[operator](left, right)


def updated(text: str, names: Mapping[str, str], values: Item, item: Item) -> dict[str, Any]:
    """Return an item as an update expression leaves it; every value is worked out over the item as it was."""
    _require_bound(text, names, values)
    given, result = _Given(item, names, values), dict(item)
    for verb, token, value in _clauses(text):
        name, change = given.name(token), value(given) if value else None
        match verb:
            case "SET":
                result[name] = change
            case "ADD":
                before = item.get(name, set() if isinstance(change, set) else 0)
                result[name] = before | change if isinstance(change, set) else before + change
            case "REMOVE":
                result.pop(name, None)
            case "DELETE":
                left = item.get(name, set()) - change
                result.pop(name, None)
                result |= {name: left} if left else {}
    return result


@cache
def _clauses(text: str) -> list[tuple[str, str, _Operand | None]]:
    """Read an update expression: verbs, attributes and values; REMOVE has no value."""
    reader, verb = _Reader(text), ""
    clauses: list[tuple[str, str, _Operand | None]] = []
    while reader.more():
        if reader.tokens[reader.at].upper() in {"SET", "ADD", "REMOVE", "DELETE"}:
            verb = reader.next().upper()
        token = reader.next()
        if verb == "SET":
            reader.expect("=")
        elif verb not in {"ADD", "REMOVE", "DELETE"}:
            raise NotImplementedError(text)
        value = None if verb == "REMOVE" else _sum(reader) if verb == "SET" else reader.operand()
        clauses.append((verb, token, value))
        reader.takes(",")
    return clauses


def _sum(reader: _Reader) -> _Operand:
    first = reader.operand()
    if reader.takes("+"):
        added = reader.operand()
        return lambda given: first(given) + added(given)
    if reader.takes("-"):
        subtracted = reader.operand()
        return lambda given: first(given) - subtracted(given)
    return first
