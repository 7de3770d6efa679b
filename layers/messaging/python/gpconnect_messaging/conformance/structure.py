"""Whether a message has the elements that FHIR STU3 gives it: known ones, in order, as many as allowed, well written.

The table beside this module, stu3.txt, holds the facts (names, order, cardinality, codes) for the resources that Send
Document messages use; a resource that is not in the table is left unjudged. A test compares it with HL7's schema.
"""

import re
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from gpconnect_messaging.conformance.judgement import Fault, Judgement
from gpconnect_messaging.conformance.tree import Node


class Kind(StrEnum):
    """What can be wrong with an element's form; each kind is a check of its own."""

    ELEMENT = "STU3-ELEMENT"
    ORDER = "STU3-ORDER"
    CARDINALITY = "STU3-CARDINALITY"
    CODE = "STU3-CODE"
    VALUE = "STU3-VALUE"


_DATE = r"-?[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01])%s)?)?"
_CLOCK = r"T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_PRIMITIVES = {
    "boolean": r"true|false",
    "integer": r"0|-?[1-9][0-9]*",
    "positiveInt": r"[1-9][0-9]*",
    "unsignedInt": r"0|[1-9][0-9]*",
    "decimal": r"-?(0|[1-9][0-9]*)(\.[0-9]+)?",
    "date": _DATE % "",
    "dateTime": _DATE % f"({_CLOCK})?",
    "instant": rf"[0-9]{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]){_CLOCK}",
    "time": r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?",
    "id": r"[A-Za-z0-9.-]{1,64}",
    "code": r"[^\s]+(\s?[^\s]+)*",
    "uri": r"\S+",
    "oid": r"urn:oid:[0-2](\.[1-9][0-9]*)+",
    "uuid": r"urn:uuid:[a-fA-F0-9-]{36}",
    "string": r"[\s\S]+",
    "markdown": r"[\s\S]+",
    "base64Binary": r"[A-Za-z0-9+/=\s]*",
}
_WELL_WRITTEN: dict[str, Callable[[str], object]] = {
    name: re.compile(pattern).fullmatch for name, pattern in _PRIMITIVES.items()
}


def _in_the_calendar(name: str) -> Callable[[str], object]:
    """A day must be one that its month has, which no pattern tells; years that Python's calendar lacks are let pass."""
    written = re.compile(_PRIMITIVES[name]).fullmatch

    def well_written(value: str) -> bool:
        if not written(value):
            return False
        if len(value) < len("2026-02-28") or value.startswith(("-", "0000")):
            return True
        try:
            date.fromisoformat(value[:10])
        except ValueError:
            return False
        return True

    return well_written


_WELL_WRITTEN |= {name: _in_the_calendar(name) for name in ("date", "dateTime", "instant")}
_NO_CODES: frozenset[str] = frozenset()


class _Slot(NamedTuple):
    rank: int
    kind: str
    single: bool
    well_written: Callable[[str], object] | None
    codes: frozenset[str]


class _Plan(NamedTuple):
    slots: dict[str, _Slot]
    required: tuple[tuple[int, str], ...]


_PART = re.compile(r"\(([^)]*)\)([?!*+])|(\S+)([?!*+])")


@cache
def _lines() -> dict[str, str]:
    text = (files(__package__) / "stu3.txt").read_text(encoding="ascii")
    return {line.partition(" ")[0]: line for line in text.splitlines()}


@cache
def _plan(kind: str) -> _Plan | None:
    line = _lines().get(kind)
    if line is None:
        return None
    _, base, *rest = line.split(" ", 2)
    inherited = _plan(base) if base != "-" else None
    slots = dict(inherited.slots) if inherited else {}
    required = list(inherited.required) if inherited else []
    rank = max((slot.rank for slot in slots.values()), default=-1)
    for choice, choice_mark, plain, mark in _PART.findall(rest[0] if rest else ""):
        rank += 1
        names = []
        for each in (choice or plain).split():
            name, _, each_kind = each.partition(":")
            names.append(name)
            codes = _lines().get(f"={each_kind}")
            slots[name] = _Slot(
                rank,
                each_kind,
                (choice_mark or mark) in "?!",
                _WELL_WRITTEN.get("code" if codes else each_kind),
                frozenset(codes.split()[1:]) if codes else _NO_CODES,
            )
        if (choice_mark or mark) in "!+":
            required.append((rank, " or ".join(names)))
    return _Plan(slots, tuple(required))


def examine(root: Node, *, ordered: bool) -> dict[Kind, Judgement]:
    """Judge the form of every element of a message: a judgement for each kind of fault."""
    faults: dict[Kind, list[Fault]] = {kind: [] for kind in Kind}
    _examine(root, root.name, faults, ordered)
    seen = () if _plan(root.name) is None else (root,)
    judgements = {kind: Judgement(seen, found) for kind, found in faults.items()}
    if not ordered:
        judgements[Kind.ORDER] = Judgement((), [])
    return judgements


def _examine(node: Node, kind: str, faults: dict[Kind, list[Fault]], ordered: bool) -> None:
    # Every element of every message that is sent comes through here: one pass, and few calls.
    plan = _plan(kind)
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
                faults[Kind.ELEMENT].append(Fault(child, f"FHIR has no such element in {kind}"))
            continue
        rank, child_kind, single, well_written, codes = slot
        if rank < last:
            if ordered and not out_of_order:
                faults[Kind.ORDER].append(Fault(child, f"this element comes too late in {kind}: FHIR fixes the order"))
                out_of_order = True
        else:
            last = rank
        if single and rank in seen:
            faults[Kind.CARDINALITY].append(Fault(child, f"{child.name} may come only once in {kind}"))
        seen.add(rank)
        if well_written is not None:
            value = child.value
            if value is None:
                if not child.children:
                    faults[Kind.VALUE].append(Fault(child, "the element has no value"))
            elif codes:
                if value not in codes:
                    faults[Kind.CODE].append(Fault(child, f"must be one of: {', '.join(sorted(codes))}"))
            elif not well_written(value):
                faults[Kind.VALUE].append(Fault(child, f"this is not how FHIR writes a {child_kind}"))
            if child.children:
                _examine(child, "Element", faults, ordered)
        elif child_kind == "ResourceContainer":
            for resource in child.children:
                _examine(resource, resource.name, faults, ordered)
        elif child_kind == "xhtml":
            for each in child.children:
                faults[Kind.VALUE].append(
                    Fault(each, "a narrative may hold nothing that acts or is fetched, only text")
                )
        elif child.children:
            _examine(child, child_kind, faults, ordered)
        else:
            faults[Kind.VALUE].append(Fault(child, "the element is empty"))
    for rank, names in plan.required:
        if rank not in seen:
            faults[Kind.CARDINALITY].append(Fault(node, f"{names} is missing from {kind}"))
    if node.url is None and node.name in ("extension", "modifierExtension"):
        faults[Kind.CARDINALITY].append(Fault(node, "an extension must have a url"))
