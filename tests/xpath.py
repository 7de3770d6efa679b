"""Look into a written message with XPath: `f:` is FHIR, `h:` XHTML."""

from typing import Any

from lxml import etree

NAMESPACES = {"f": "http://hl7.org/fhir", "h": "http://www.w3.org/1999/xhtml"}


def find(node: etree._Element | bytes, path: str) -> list[Any]:
    """Everything at a path, in document order."""
    root = etree.fromstring(node) if isinstance(node, bytes) else node
    found = root.xpath(path, namespaces=NAMESPACES)
    assert isinstance(found, list)
    return found


def values(node: etree._Element | bytes, path: str) -> list[str]:
    """The texts or attribute values at a path."""
    return [str(value) for value in find(node, path)]


def value(node: etree._Element | bytes, path: str) -> str:
    """The only text or attribute value at a path."""
    (found,) = values(node, path)
    return found
