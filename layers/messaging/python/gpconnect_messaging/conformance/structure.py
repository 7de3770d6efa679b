"""Checks a message against FHIR STU3's structure: known elements, in order, in allowed numbers, with valid values.

A resource that is not in the table of `itk3.stu3` is not checked.
"""

from enum import StrEnum

from gpconnect_messaging.conformance.check_result import CheckResult, Violation
from gpconnect_messaging.conformance.tree import Node
from gpconnect_messaging.itk3.stu3 import plan_of


class Kind(StrEnum):
    """The kinds of structural violations; every kind is a separate check."""

    ELEMENT = "STU3-ELEMENT"
    ORDER = "STU3-ORDER"
    CARDINALITY = "STU3-CARDINALITY"
    CODE = "STU3-CODE"
    VALUE = "STU3-VALUE"


def validate_structure(root: Node, *, ordered: bool) -> dict[Kind, CheckResult]:
    """Check the structure of every element of a message: one result per kind."""
    violations: dict[Kind, list[Violation]] = {kind: [] for kind in Kind}
    _examine(root, root.name, violations, ordered)
    nodes = () if plan_of(root.name) is None else (root,)
    results = {kind: CheckResult(nodes, found) for kind, found in violations.items()}
    if not ordered:
        results[Kind.ORDER] = CheckResult((), [])
    return results


def _examine(node: Node, kind: str, violations: dict[Kind, list[Violation]], ordered: bool) -> None:
    # Runs for every element of every message that is sent: one pass with few calls.
    plan = plan_of(kind)
    if plan is None:
        return
    slots = plan.slots
    last = -1
    out_of_order = False
    seen: set[int] = set()
    for child in node.children:
        slot = slots.get(child.name)
        if slot is None:
            if child.name != "url" or node.name not in ("extension", "modifierExtension"):
                violations[Kind.ELEMENT].append(Violation(child, f"FHIR has no such element in {kind}"))
            continue
        rank, child_kind, single, well_written, codes = slot
        if rank < last:
            if ordered and not out_of_order:
                violations[Kind.ORDER].append(
                    Violation(child, f"this element comes too late in {kind}: FHIR fixes the order")
                )
                out_of_order = True
        else:
            last = rank
        if single and rank in seen:
            violations[Kind.CARDINALITY].append(Violation(child, f"{child.name} may come only once in {kind}"))
        seen.add(rank)
        if well_written is not None:
            value = child.value
            if value is None:
                if not child.children:
                    violations[Kind.VALUE].append(Violation(child, "the element has no value"))
            elif codes:
                if value not in codes:
                    violations[Kind.CODE].append(Violation(child, f"must be one of: {', '.join(sorted(codes))}"))
            elif not well_written(value):
                violations[Kind.VALUE].append(Violation(child, f"this is not how FHIR writes a {child_kind}"))
            if child.children:
                _examine(child, "Element", violations, ordered)
        elif child_kind == "ResourceContainer":
            for resource in child.children:
                _examine(resource, resource.name, violations, ordered)
        elif child_kind == "xhtml":
            for element in child.children:
                violations[Kind.VALUE].append(
                    Violation(element, "a narrative may hold only text, nothing active or fetched")
                )
        elif child.children:
            _examine(child, child_kind, violations, ordered)
        else:
            violations[Kind.VALUE].append(Violation(child, "the element is empty"))
    for rank, names in plan.required:
        if rank not in seen:
            violations[Kind.CARDINALITY].append(Violation(node, f"{names} is missing from {kind}"))
    if node.url is None and node.name in ("extension", "modifierExtension"):
        violations[Kind.CARDINALITY].append(Violation(node, "an extension must have a url"))
