"""Whether a message has the elements that FHIR STU3 gives it: known ones, in order, as many as allowed, well written.

A resource that is not in the table of `itk3.stu3` is left unjudged.
"""

from enum import StrEnum

from gpconnect_messaging.conformance.check_result import CheckResult, Violation
from gpconnect_messaging.conformance.tree import Node
from gpconnect_messaging.itk3.stu3 import plan_of


class Kind(StrEnum):
    """What can be wrong with an element's form; each kind is a check of its own."""

    ELEMENT = "STU3-ELEMENT"
    ORDER = "STU3-ORDER"
    CARDINALITY = "STU3-CARDINALITY"
    CODE = "STU3-CODE"
    VALUE = "STU3-VALUE"


def validate_structure(root: Node, *, ordered: bool) -> dict[Kind, CheckResult]:
    """Judge the form of every element of a message: a judgement for each kind of fault."""
    faults: dict[Kind, list[Violation]] = {kind: [] for kind in Kind}
    _examine(root, root.name, faults, ordered)
    seen = () if plan_of(root.name) is None else (root,)
    judgements = {kind: CheckResult(seen, found) for kind, found in faults.items()}
    if not ordered:
        judgements[Kind.ORDER] = CheckResult((), [])
    return judgements


def _examine(node: Node, kind: str, faults: dict[Kind, list[Violation]], ordered: bool) -> None:
    # Every element of every message that is sent comes through here: one pass, and few calls.
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
                faults[Kind.ELEMENT].append(Violation(child, f"FHIR has no such element in {kind}"))
            continue
        rank, child_kind, single, well_written, codes = slot
        if rank < last:
            if ordered and not out_of_order:
                faults[Kind.ORDER].append(
                    Violation(child, f"this element comes too late in {kind}: FHIR fixes the order")
                )
                out_of_order = True
        else:
            last = rank
        if single and rank in seen:
            faults[Kind.CARDINALITY].append(Violation(child, f"{child.name} may come only once in {kind}"))
        seen.add(rank)
        if well_written is not None:
            value = child.value
            if value is None:
                if not child.children:
                    faults[Kind.VALUE].append(Violation(child, "the element has no value"))
            elif codes:
                if value not in codes:
                    faults[Kind.CODE].append(Violation(child, f"must be one of: {', '.join(sorted(codes))}"))
            elif not well_written(value):
                faults[Kind.VALUE].append(Violation(child, f"this is not how FHIR writes a {child_kind}"))
            if child.children:
                _examine(child, "Element", faults, ordered)
        elif child_kind == "ResourceContainer":
            for resource in child.children:
                _examine(resource, resource.name, faults, ordered)
        elif child_kind == "xhtml":
            for each in child.children:
                faults[Kind.VALUE].append(
                    Violation(each, "a narrative may hold nothing that acts or is fetched, only text")
                )
        elif child.children:
            _examine(child, child_kind, faults, ordered)
        else:
            faults[Kind.VALUE].append(Violation(child, "the element is empty"))
    for rank, names in plan.required:
        if rank not in seen:
            faults[Kind.CARDINALITY].append(Violation(node, f"{names} is missing from {kind}"))
    if node.url is None and node.name in ("extension", "modifierExtension"):
        faults[Kind.CARDINALITY].append(Violation(node, "an extension must have a url"))
