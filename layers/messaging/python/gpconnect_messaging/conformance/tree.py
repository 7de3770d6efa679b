"""One light tree for any FHIR message, XML or JSON, with the line of every element.

A document's base64 is never copied into the tree: the node of a `Binary.content` or an attachment's `data` keeps only
the length and both ends, which is enough for the checks.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]  # there, in C, and not in the type stubs
from typing import Any, NamedTuple

from lxml import etree

from gpconnect_messaging.safe_parsing import UnsafeContentError, gunzip, parse_xml, xml_parser

LARGEST_MESSAGE = 250 * 1024 * 1024
"""Longest message that is read, in bytes, uncompressed."""
_DEEPEST = 100
_END = 64
_FHIR = "{http://hl7.org/fhir}"
_XHTML = "{http://www.w3.org/1999/xhtml}"
_XHTML_DIV = f"{_XHTML}div"
_ACTS = frozenset({
    "applet", "base", "body", "button", "embed", "form", "frame", "frameset", "head", "iframe", "input", "link", "meta",
    "object", "script", "select", "textarea",
})  # fmt: skip


class UnreadableMessageError(Exception):
    """The bytes are neither FHIR XML nor FHIR JSON: there is nothing to check. The text quotes nothing of them."""


@dataclass(frozen=True, slots=True)
class Content:
    """A document in base64: the length in characters without white space, and both ends."""

    length: int
    start: str
    end: str


class Node:
    """An element. A primitive has a `value`; an extension has a `url`.

    The child of a `resource` or `contained` is the resource, named by type. `line` counts from 1.
    """

    __slots__ = ("children", "content", "line", "name", "parent", "url", "value")

    def __init__(self, name: str, line: int, parent: "Node | None", value: str | None = None) -> None:
        self.name = name
        self.line = line
        self.parent = parent
        self.value = value
        self.url: str | None = None
        self.content: Content | None = None
        # A list only if there are children: most elements are leaves, and every element is a Node.
        self.children: Sequence[Node] = ()

    def add(self, child: "Node") -> None:
        """Append a child."""
        if isinstance(self.children, list):
            self.children.append(child)
        else:
            self.children = [child]

    @property
    def path(self) -> str:
        """The element's path; siblings of one name are counted from 1: `Bundle/entry[2]/resource/Patient`."""
        return self.path_among({})

    def path_among(self, known: dict[int, str]) -> str:
        """Return the path; `known` has the paths of nodes by `id`, and takes those that are made on the way."""
        path = known.get(id(self))
        if path is None:
            path = self.name
            if self.parent is not None:
                siblings = self.parent.all(self.name)
                index = f"[{siblings.index(self) + 1}]" if len(siblings) > 1 else ""
                path = f"{self.parent.path_among(known)}/{self.name}{index}"
            known[id(self)] = path
        return path

    def all(self, name: str) -> list["Node"]:
        """List the children of that name."""
        return [child for child in self.children if child.name == name]

    def first(self, name: str) -> "Node | None":
        """Find the first child of that name."""
        for child in self.children:
            if child.name == name:
                return child
        return None

    def text(self, *names: str) -> str:
        """Return the value of the first child at a path, or ""."""
        node: Node | None = self
        for name in names:
            if node is None:
                return ""
            node = node.first(name)
        return (node.value or "") if node else ""

    def at(self, *names: str) -> list["Node"]:
        """List all descendants at a path; `name[x]` is any type of a choice."""
        nodes = [self]
        for name in names:
            children = [child for node in nodes for child in node.children]
            if name.endswith("[x]"):
                nodes = [child for child in children if child.name.startswith(name[:-3])]
            else:
                nodes = [child for child in children if child.name == name]
        return nodes

    def where(self, name: str, part: str, value: str) -> list["Node"]:
        """List the children of that name with a part of that value, such as the names whose use is official."""
        return [child for child in self.all(name) if child.text(part) == value]

    def extension(self, url_end: str) -> "Node | None":
        """Find the first extension whose URL ends with `url_end`."""
        for child in self.children:
            if child.name == "extension" and child.url and child.url.endswith(url_end):
                return child
        return None

    def walk(self) -> list["Node"]:
        """List this node and all descendants in document order."""
        found: list[Node] = []
        waiting = [self]
        while waiting:
            node = waiting.pop()
            found.append(node)
            if node.children:
                waiting.extend(reversed(node.children))
        return found


class Tree(NamedTuple):
    """A message's root, and whether the order of elements is significant (it is in XML, not in JSON)."""

    root: Node
    ordered: bool


def read(body: bytes) -> Tree:
    """Read a message or response, gzip'd or not. Raises UnreadableMessageError."""
    try:
        return _read(gunzip(body, LARGEST_MESSAGE))
    except UnsafeContentError as error:
        raise UnreadableMessageError(str(error)) from None


def _read(body: bytes) -> Tree:
    # Messages can be large: copy only if there is a byte order mark or white space to remove.
    if body[:1] not in (b"<", b"{"):
        body = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    # The first character that is not part of another encoding's width or byte order mark.
    opening = body[:8].replace(b"\x00", b"").lstrip(b"\xff\xfe").lstrip()[:1]
    if opening == b"<":
        return Tree(_read_xml(body), ordered=True)
    if opening == b"{":
        return Tree(_read_json(body), ordered=False)
    raise UnreadableMessageError("it is neither XML nor a JSON object" if opening else "it is empty")


# --- XML --------------------------------------------------------------------------------------------------------------

_PARSER = xml_parser(huge=True)
_ENCODING = re.compile(rb"""^[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]*)""")
_ENCODINGS = frozenset({b"utf-8", b"utf8", b"utf-16", b"us-ascii", b"ascii"})
# XPath runs inside libxml2, so that a long value never becomes a Python string.
_LENGTH = etree.XPath("string-length(@value)")
_START = etree.XPath(f"substring(@value, 1, {_END})")
_TAIL = etree.XPath(f"substring(@value, string-length(@value) - {_END - 1})")
_SPACED = etree.XPath(" or ".join(f"contains(@value, '{blank}')" for blank in " \n\r\t"))
_UNSPACED_LENGTH = etree.XPath("string-length(translate(@value, ' \n\r\t', ''))")


def _read_xml(body: bytes) -> Node:
    # An encoding could hide a document type.
    opening = body[:200].replace(b"\x00", b"")
    declared = _ENCODING.search(opening)
    if declared and declared[1].lower() not in _ENCODINGS:
        raise UnreadableMessageError("the encoding is neither UTF-8 nor UTF-16")
    element = parse_xml(body, _PARSER)
    root = _from_element(element, None, 0)
    _add_strays(root, element)
    return root


_STRAY_ATTRIBUTES = etree.XPath(
    "//f:*/@*[not(name() = 'value' or name() = 'id' or name() = 'url' and (parent::f:extension"
    " or parent::f:modifierExtension) or namespace-uri() = 'http://www.w3.org/2001/XMLSchema-instance')]",
    namespaces={"f": _FHIR[1:-1]},
)
_STRAY_TEXTS = etree.XPath("//f:*/text()[normalize-space()]", namespaces={"f": _FHIR[1:-1]})


def _add_strays(root: Node, top: etree._Element) -> None:
    """Add what FHIR XML never has as children that no type knows: attributes and text."""
    found: list[Any] = [*_STRAY_ATTRIBUTES(top), *_STRAY_TEXTS(top)]  # type: ignore[misc]
    for stray in found:
        holder = stray.getparent()
        if stray.is_tail:
            holder = holder.getparent()
        steps = []
        while (above := holder.getparent()) is not None:
            steps.append(above.index(holder))
            holder = above
        node = root
        for step in reversed(steps):
            if step < len(node.children):  # a narrative's elements are not in the tree
                node = node.children[step]
        node.add(Node(f"@{stray.attrname}" if stray.is_attribute else "text()", node.line, node))


def _from_element(element: etree._Element, parent: Node | None, depth: int) -> Node:
    # Runs for every element of every message that is sent: as few calls as possible.
    if depth > _DEEPEST:
        raise UnreadableMessageError("it is nested too deeply")
    tag = element.tag
    line: int = element.sourceline  # type: ignore[assignment]  # an element that was parsed has one
    if tag == _XHTML_DIV:
        narrative = Node("div", line, parent)
        _take_narrative(narrative, element)
        return narrative
    name = _NAMES.get(tag)
    if name is None:
        name = _known(str(tag))
    get = element.get
    if name in _MAY_HOLD_DOCUMENT and _holds_document(name, parent):
        node = Node(name, line, parent)
        node.content = _content(element)
        node.value = node.content.start
    else:
        node = Node(name, line, parent, get("value"))
    if name in _HAVE_URL:
        node.url = get("url")
    if len(element):
        depth += 1
        node.children = [_from_element(child, node, depth) for child in element]
    return node


_NAMES: dict[object, str] = {}
_MAY_HOLD_DOCUMENT = frozenset({"content", "data", "valueBase64Binary"})
_HAVE_URL = frozenset({"extension", "modifierExtension"})


def _known(tag: str) -> str:
    """Drop FHIR's namespace; a name in another namespace keeps it, so that no FHIR name matches."""
    name = tag.removeprefix(_FHIR)
    if len(_NAMES) < 2000:  # a strange message must not fill the memory
        _NAMES[tag] = name
    return name


def _holds_document(name: str, parent: Node | None) -> bool:
    if name == "valueBase64Binary":
        return True
    if parent is None:
        return False
    return parent.name == "Binary" if name == "content" else name == "data" and "ttachment" in parent.name


def _content(element: etree._Element) -> Content:
    spaced = bool(_SPACED(element))
    length = int((_UNSPACED_LENGTH if spaced else _LENGTH)(element))  # type: ignore[arg-type]  # XPath's number
    return Content(length, str(_START(element)), str(_TAIL(element)))


# --- JSON -------------------------------------------------------------------------------------------------------------

_SPACE = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


def _read_json(body: bytes) -> Node:
    node = None
    with suppress(ValueError, IndexError, RecursionError):
        node = _Json(body.decode("utf-8")).document()
    if node is None:  # raised outside the handler: the caught error holds the whole text
        raise UnreadableMessageError("the JSON is not well-formed")
    return node


class _Json:
    """A JSON reader that, unlike the standard library's, tracks line numbers."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._counted = 0
        self._line = 1

    def document(self) -> Node:
        holder = Node("", 1, None)
        self._value("resource", holder, 0)
        if self._peek(at_end=True):
            raise ValueError
        ((wrapper,)) = holder.children
        if len(wrapper.children) != 1:
            raise UnreadableMessageError("the JSON is not a FHIR resource")
        (resource,) = wrapper.children
        resource.parent = None
        return resource

    def _line_here(self) -> int:
        self._line += self.text.count("\n", self._counted, self.position)
        self._counted = self.position
        return self._line

    def _peek(self, *, at_end: bool = False) -> str:
        match = _SPACE.match(self.text, self.position)
        self.position = match.end() if match else self.position
        return "" if at_end and self.position == len(self.text) else self.text[self.position]

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise ValueError
        self.position += 1

    def _items(self, closing: str) -> Iterator[None]:
        """Stop before every item of a list or an object; the caller reads it."""
        self.position += 1
        more = self._peek() != closing
        while more:
            yield
            more = self._peek() != closing
            if more:
                self._expect(",")
        self.position += 1

    def _string(self) -> str:
        self._expect('"')
        value, self.position = scanstring(self.text, self.position)
        return str(value)

    def _value(self, name: str, parent: Node, depth: int) -> None:
        """Read a value as a child of `parent`; a list becomes several children."""
        if depth > _DEEPEST:
            raise UnreadableMessageError("it is nested too deeply")
        opening = self._peek()
        if opening == "[":
            for _ in self._items("]"):
                self._value(name, parent, depth + 1)
            return
        node = Node(name, self._line_here(), parent)
        parent.add(node)
        if opening == "{":
            self._members(node, depth)
        else:
            self._scalar(node, opening)

    def _members(self, node: Node, depth: int) -> None:
        for _ in self._items("}"):
            name = self._string()
            self._expect(":")
            if name == "resourceType":
                # The members belong to the resource inside the wrapper, as in XML.
                resource = Node(self._string(), node.line, node)
                resource.children, node.children = node.children, [resource]
                for child in resource.children:
                    child.parent = resource
                node = resource
            elif name.startswith("_"):
                self._primitive_extension(name[1:], node, depth)
            elif name == "url":
                node.url = self._string()
                if node.name not in ("extension", "modifierExtension"):
                    node.add(Node("url", self._line_here(), node, node.url))
            else:
                self._value(name, node, depth + 1)

    def _primitive_extension(self, name: str, node: Node, depth: int) -> None:
        holder = Node(name, self._line_here(), node)
        self._value(name, holder, depth + 1)
        primitives = node.all(name)
        for primitive, extended in zip(primitives, holder.children, strict=False):
            for child in extended.children:
                child.parent = primitive
            primitive.children = extended.children
        for extended in holder.children[len(primitives) :]:
            extended.parent = node
            node.add(extended)

    def _scalar(self, node: Node, opening: str) -> None:
        if opening == '"':
            text = self._string()
            if node.name == "div":
                _read_narrative(node, text)
                return
            if _holds_document(node.name, node.parent):
                packed = "".join(text.split()) if " " in text or "\n" in text else text
                node.content = Content(len(packed), packed[:_END], packed[-_END:])
                text = node.content.start
            node.value = text
            return
        match = _SCALAR.match(self.text, self.position)
        if not match:
            raise ValueError
        self.position = match.end()
        node.value = None if match[0] == "null" else match[0]


def _take_narrative(node: Node, element: etree._Element) -> None:
    """Keep a narrative's text and the elements that FHIR forbids (txt-1): active or fetched content."""
    node.value = "".join(map(str, element.itertext()))
    if not node.value.strip() and element.find(f".//{_XHTML}img") is not None:
        node.value = "[picture]"
    for descendant in element.iter(etree.Element) if len(element) or element.attrib else ():
        name = etree.QName(descendant).localname
        if name in _ACTS or any(_acts(str(key), str(value)) for key, value in descendant.attrib.items()):
            node.add(Node(name, node.line, node))


def _acts(attribute: str, value: str) -> bool:
    return attribute.startswith("on") or value.strip().lower().startswith("javascript:")


def _read_narrative(node: Node, xhtml: str) -> None:
    if "<!" in xhtml:  # a narrative needs no document type, comment or CDATA
        return
    with suppress(etree.XMLSyntaxError, ValueError):
        _take_narrative(node, etree.fromstring(xhtml, _PARSER))
