"""Reads the bytes of an ITK3 Response, XML or JSON, gzip'd or not, in any usual encoding, into one small tree.

Any system that may write to the mailbox chooses these bytes, so reading has a budget: uncompressed bytes, nodes,
attributes, depth. Reading stops where the budget ends, before memory is allocated: XML is parsed block by block without
a parser's tree, and JSON's values are counted before parsing. Real responses are 3 to 10 kB and have
about a hundred nodes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gpconnect_messaging.json_reading import each_name_once
from gpconnect_messaging.safe_parsing import AROUND, UnsafeContentError, decoded, gunzip, parse_xml_into

LARGEST_RESPONSE = 1024 * 1024
"""Uncompressed bytes."""
MOST_NODES = 10_000
"""Elements of XML, or values of JSON; and attributes of XML. One response with a thousand issues stays below it."""

_DEEPEST = 100
# A parser makes all attributes of an element, and all values of JSON, before it returns the first. One of these signs
# comes with every attribute or value, but may also stand in a text: so the limit for signs is higher.
_ATTRIBUTE_SIGNS = "="
_VALUE_SIGNS = ",[{"
_MOST_SIGNS = 5 * MOST_NODES
_TOO_MANY = f"it has more than {MOST_NODES} elements, attributes or values"
_FHIR = "{http://hl7.org/fhir}"


class UnreadableResponse(Exception):  # noqa: N818 - named for the condition
    """The bytes are not an ITK3 Response: keep them and notify a person. `reason` says why, without quoting them."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not a readable ITK3 Response: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Node:
    """An element of FHIR, the same for XML and JSON: a primitive has text, a complex one has children.

    The child of a `resource` or `contained` is the resource, named by its type.
    """

    name: str
    text: str | None = None
    children: tuple["Node", ...] = ()

    def all(self, name: str) -> list["Node"]:
        """Return the children of that name."""
        return [child for child in self.children if child.name == name]

    def first(self, name: str) -> "Node | None":
        """Return the first child of that name."""
        return next((child for child in self.children if child.name == name), None)

    def value(self, name: str) -> str | None:
        """Return the text of the first child of that name that has any."""
        return next((child.text for child in self.all(name) if child.text), None)

    def within(self, name: str) -> Iterator["Node"]:
        """Find all elements of that name, however deep, in the document's order."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            if node.name == name:
                yield node
            waiting.extend(reversed(node.children))


EMPTY = Node("")


def response_tree(body: bytes) -> Node:
    """Read the root of XML or JSON, or of either in a JSON string, as one of NHS England's clients sends it.

    Raises UnreadableResponse, also where the budget is used up.
    """
    try:
        text = decoded(gunzip(body, LARGEST_RESPONSE))
    except UnsafeContentError as error:
        raise UnreadableResponse(str(error)) from None
    if text.startswith('"'):
        text = str(_parsed(text)).strip(AROUND)
    if not text:
        raise UnreadableResponse("it is empty")
    if text.startswith("<"):
        return _from_xml(text)
    if text.startswith(("{", "[")):
        return _from_json(text)
    raise UnreadableResponse("it is neither XML nor JSON")


@dataclass(slots=True)
class _Budget:
    """The nodes and attributes that may still come."""

    nodes: int = MOST_NODES
    attributes: int = MOST_NODES

    def take(self, *, depth: int, attributes: int = 0) -> None:
        self.nodes -= 1
        self.attributes -= attributes
        if depth > _DEEPEST:
            raise UnreadableResponse("it is nested too deeply")
        if self.nodes < 0 or self.attributes < 0:
            raise UnreadableResponse(_TOO_MANY)


@dataclass
class _XmlTarget:
    """Builds the tree from the parser's events, in document order."""

    budget: _Budget = field(default_factory=_Budget)
    open: list[tuple[str, Any, list[Node]]] = field(default_factory=list)
    root: Node = EMPTY

    def start(self, tag: str, attributes: Any, namespaces: Any) -> None:
        self.budget.take(depth=len(self.open), attributes=len(attributes) + len(namespaces))
        self.open.append((tag, dict(attributes), []))

    def end(self, _tag: str) -> None:
        tag, attributes, children = self.open.pop()
        if url := attributes.get("url"):
            children.append(Node("url", url))
        self.root = Node(tag.removeprefix(_FHIR), attributes.get("value"), tuple(children))
        if self.open:
            self.open[-1][2].append(self.root)

    def close(self) -> None:
        pass


def _from_xml(text: str) -> Node:
    _refuse_too_many(_ATTRIBUTE_SIGNS, text)
    target = _XmlTarget()
    try:
        parse_xml_into(text, target)
    except UnsafeContentError as error:
        raise UnreadableResponse(str(error)) from None
    return target.root


def _refuse_too_many(signs: str, text: str) -> None:
    if sum(map(text.count, signs)) > _MOST_SIGNS:
        raise UnreadableResponse(_TOO_MANY)


def _from_json(text: str) -> Node:
    _refuse_too_many(_VALUE_SIGNS, text)
    document = _parsed(text)
    if not isinstance(document, dict):
        raise UnreadableResponse("it is not a Bundle")
    return _resource(document, 0, _Budget())


def _parsed(text: str) -> Any:
    """Parse JSON, keeping every number as written. Less strict than for requests, except for repeated names."""
    try:
        # With two lists of issues the last would win, and a negative code in the first would be overlooked.
        return json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=each_name_once)
    except (ValueError, RecursionError):
        pass
    # Raised outside the except block: a syntax error holds the whole document.
    raise UnreadableResponse("its JSON is not well-formed, or a name stands twice in it")


def _storable(text: str) -> str:
    # JSON can spell half a surrogate pair, which no store or queue takes.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _resource(document: dict[str, object], depth: int, budget: _Budget) -> Node:
    name = document.get("resourceType")
    return Node(_storable(name) if isinstance(name, str) else "", None, tuple(_members(document, depth, budget)))


def _members(document: dict[str, object], depth: int, budget: _Budget) -> Iterator[Node]:
    for name, value in document.items():
        for item in value if isinstance(value, list) else [value]:
            budget.take(depth=depth)
            if isinstance(item, dict) and "resourceType" in item:
                yield Node(name, None, (_resource(item, depth + 1, budget),))
            elif isinstance(item, dict):
                yield Node(name, None, tuple(_members(item, depth + 1, budget)))
            elif isinstance(item, list):
                raise UnreadableResponse("it has a list within a list")
            elif isinstance(item, bool):
                yield Node(name, str(item).lower())
            elif isinstance(item, str):
                yield Node(name, _storable(item))
