"""Checks a message against FHIR STU3's structure: known elements, in order, in allowed numbers, with valid values.

One walk over the message also checks the rules between elements and lists the references whose targets are limited.
"""

from enum import StrEnum
from typing import NamedTuple

from gpconnect_messaging.conformance.check_result import CheckResult, Violation
from gpconnect_messaging.conformance.invariants import INVARIANTS
from gpconnect_messaging.conformance.tree import Node
from gpconnect_messaging.itk3.stu3 import WELL_WRITTEN, plan_of, resource_types

_EXTENSIONS = frozenset({"extension", "modifierExtension"})


class Kind(StrEnum):
    """The kinds of structural violations; every kind is a separate check."""

    ELEMENT = "STU3-ELEMENT"
    ORDER = "STU3-ORDER"
    CARDINALITY = "STU3-CARDINALITY"
    CODE = "STU3-CODE"
    VALUE = "STU3-VALUE"
    INVARIANT = "STU3-INVARIANT"


class Structure(NamedTuple):
    """What the walk found: a result per kind, and every reference with the types that it may be to."""

    results: dict[Kind, CheckResult]
    references: list[tuple[Node, frozenset[str]]]


def validate_structure(root: Node, *, ordered: bool) -> Structure:
    """Check the structure of every element of a message."""
    walk = _Walk(ordered)
    walk.resource(root)
    results = {kind: CheckResult((root,), found) for kind, found in walk.violations.items()}
    if not ordered:
        results[Kind.ORDER] = CheckResult((), [])
    return Structure(results, walk.references)


class _Walk:
    def __init__(self, ordered: bool) -> None:
        self.ordered = ordered
        self.violations: dict[Kind, list[Violation]] = {kind: [] for kind in Kind}
        self.references: list[tuple[Node, frozenset[str]]] = []

    def _add(self, kind: Kind, node: Node, words: str) -> None:
        self.violations[kind].append(Violation(node, words))

    def resource(self, node: Node) -> None:
        """Check a resource, at any depth."""
        if node.value is not None:
            self._add(Kind.ELEMENT, node, "a resource has elements and no value of its own")
        if node.name in resource_types():
            self._element(node, node.name)
        else:
            self._add(Kind.ELEMENT, node, "FHIR has no such resource")

    def _extension(self, node: Node) -> None:
        url, inside = node.url, node.parent is not None and node.parent.name in _EXTENSIONS
        if url is None:
            self._add(Kind.CARDINALITY, node, "an extension must have a url")
        elif not WELL_WRITTEN["uri"](url) or not (inside or ":" in url):
            self._add(Kind.VALUE, node, "an extension's url is absolute, or a name inside another extension")

    def _element(self, node: Node, kind: str) -> None:
        # Runs for every element of every message that is sent: one pass with few calls.
        plan = plan_of(kind)
        if plan is None:
            return
        slots, ordered = plan.slots, self.ordered
        last, latest = -1, ""
        seen: set[int] = set()
        for child in node.children:
            name = child.name
            slot = slots.get(name)
            if slot is None:
                if name != "url" or node.name not in _EXTENSIONS:
                    self._add(Kind.ELEMENT, child, f"FHIR has no such element in {kind}")
                continue
            rank, child_kind, single, well_written, codes, targets = slot
            if rank < last and ordered:
                self._add(Kind.ORDER, child, f"this element must come before {latest} in {kind}: FHIR fixes the order")
            last, latest = rank, name
            if single and rank in seen:
                self._add(Kind.CARDINALITY, child, f"{name} may come only once in {kind}")
            seen.add(rank)
            children, value = child.children, child.value
            if well_written is not None:
                if value is None:
                    if not children:
                        self._add(Kind.VALUE, child, "the element has no value")
                elif codes:
                    if value not in codes:
                        self._add(Kind.CODE, child, f"must be one of: {', '.join(sorted(codes))}")
                elif not well_written(value):
                    self._add(Kind.VALUE, child, f"this is not how FHIR writes a {child_kind}")
                if children:
                    self._element(child, "Element")
                continue
            if child_kind == "xhtml":
                if not (value or "").strip():
                    self._add(Kind.VALUE, child, "a narrative must be XHTML, with text or a picture")
                for element in children:
                    self._add(Kind.VALUE, element, "a narrative may hold only text, nothing active or fetched")
                continue
            if value is not None:
                self._add(Kind.ELEMENT, child, f"a {child_kind} has elements and no value of its own")
            if child_kind == "ResourceContainer":
                for inner in children:
                    self.resource(inner)
                if len(children) > 1:
                    self._add(Kind.CARDINALITY, children[1], f"{name} may hold only one resource")
            elif children:
                self._element(child, child_kind)
                if targets:
                    self.references.append((child, targets))
            if not children:
                self._add(Kind.VALUE, child, "the element is empty")
        for rank, names in plan.required:
            if rank not in seen:
                self._add(Kind.CARDINALITY, node, f"{names} is missing from {kind}")
        if node.name in _EXTENSIONS:
            self._extension(node)
        for words, holds in INVARIANTS.get(kind, ()):
            if not holds(node):
                self._add(Kind.INVARIANT, node, words)
