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


@dataclass
class _Reader:
    """The tokens of one expression, from where it was read to."""

    text: str
    names: Mapping[str, str]
    values: Item

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

    def name(self) -> str:
        token = self.next()
        return self.names[token] if token.startswith("#") else token

    def operand(self) -> Callable[[Item], Any]:
        if self.tokens[self.at].startswith(":"):
            value = self.values[self.next()]
            return lambda _item: value
        name = self.name()
        if self.takes("("):
            return self._function(name)
        return lambda item: item.get(name, MISSING)

    def _function(self, function: str) -> Callable[[Item], Any]:
        match function:
            case "size":
                name = self.name()
                self.expect(")")
                return lambda item: len(item[name]) if name in item else MISSING
            case "if_not_exists" | "list_append":
                first, other = self.operand(), self._second()
                if function == "list_append":
                    return lambda item: [*first(item), *other(item)]
                return lambda item: found if (found := first(item)) is not MISSING else other(item)
        raise NotImplementedError(self.text)

    def _second(self) -> Callable[[Item], Any]:
        self.expect(",")
        second = self.operand()
        self.expect(")")
        return second


def condition(text: str | None, names: Mapping[str, str], values: Item) -> Condition:
    """Read a condition, a key condition or a filter; none holds of everything."""
    if not text:
        return lambda _item: True
    reader = _Reader(text, names, values)
    found = _either(reader)
    if reader.more():
        raise NotImplementedError(text)
    return found


def _either(reader: _Reader) -> Condition:
    conditions = [_both(reader)]
    while reader.takes("OR"):
        conditions.append(_both(reader))
    return lambda item: any(condition(item) for condition in conditions)


def _both(reader: _Reader) -> Condition:
    conditions = [_one(reader)]
    while reader.takes("AND"):
        conditions.append(_one(reader))
    return lambda item: all(condition(item) for condition in conditions)


def _one(reader: _Reader) -> Condition:
    if reader.takes("NOT"):
        refused = _one(reader)
        return lambda item: not refused(item)
    if reader.takes("("):
        inner = _either(reader)
        reader.expect(")")
        return inner
    for function in ("ATTRIBUTE_EXISTS", "ATTRIBUTE_NOT_EXISTS", "BEGINS_WITH", "CONTAINS"):
        if reader.takes(function):
            return _test(reader, function)
    left = reader.operand()
    if reader.takes("BETWEEN"):
        low = reader.operand()
        reader.expect("AND")
        high = reader.operand()
        return lambda item: _ordered("<=", low(item), left(item)) and _ordered("<=", left(item), high(item))
    if reader.takes("IN"):
        reader.expect("(")
        choices = [reader.operand()]
        while reader.takes(","):
            choices.append(reader.operand())
        reader.expect(")")
        return lambda item: any(left(item) == choice(item) for choice in choices)
    operator, right = reader.next(), reader.operand()
    if operator == "=":
        return lambda item: left(item) is not MISSING and left(item) == right(item)
    if operator == "<>":
        return lambda item: left(item) != right(item)
    if operator in _ORDER:
        return lambda item: _ordered(operator, left(item), right(item))
    raise NotImplementedError(reader.text)


def _test(reader: _Reader, function: str) -> Condition:
    reader.expect("(")
    name = reader.name()
    if function.startswith("ATTRIBUTE"):
        reader.expect(")")
        return lambda item: (name in item) is (function == "ATTRIBUTE_EXISTS")
    reader.expect(",")
    sought = reader.operand()
    reader.expect(")")
    if function == "BEGINS_WITH":
        return lambda item: str(item.get(name, "")).startswith(sought(item)) and name in item
    return lambda item: name in item and sought(item) in item[name]


def _ordered(operator: str, left: Any, right: Any) -> bool:
    # DynamoDB orders values of one type only; anything else does not hold.
    return isinstance(left, type(right)) and MISSING not in (left, right) and _ORDER[operator](left, right)


def updated(text: str, names: Mapping[str, str], values: Item, item: Item) -> dict[str, Any]:
    """Return an item as an update expression leaves it; every value is worked out over the item as it was."""
    reader = _Reader(text, names, values)
    result = dict(item)
    verb = ""
    while reader.more():
        if reader.tokens[reader.at].upper() in {"SET", "ADD", "REMOVE", "DELETE"}:
            verb = reader.next().upper()
        _clause(reader, verb, item, result)
        reader.takes(",")
    return result


def _clause(reader: _Reader, verb: str, item: Item, result: dict[str, Any]) -> None:
    name = reader.name()
    match verb:
        case "SET":
            reader.expect("=")
            value = reader.operand()(item)
            if reader.takes("+"):
                value += reader.operand()(item)
            elif reader.takes("-"):
                value -= reader.operand()(item)
            result[name] = value
        case "ADD":
            value = reader.operand()(item)
            result[name] = item.get(name, set() if isinstance(value, set) else 0)
            result[name] = result[name] | value if isinstance(value, set) else result[name] + value
        case "REMOVE":
            result.pop(name, None)
        case "DELETE":
            left = item.get(name, set()) - reader.operand()(item)
            result.pop(name, None)
            result |= {name: left} if left else {}
        case _:
            raise NotImplementedError(reader.text)
