"""The extensions that a published profile of STU3 names: where they may stand, and what they hold.

A receiver, and a validator, know an extension by the definition behind the URL alone. So a ready resource has none of
another URL, and none at another element than its own. The table beside this module has the published facts.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from gpconnect_messaging.itk3.form import elements
from gpconnect_messaging.itk3.stu3 import Json
from gpconnect_messaging.requests.refusal import Reason

_PUBLISHED_AT = {
    "nhs": "https://fhir.nhs.uk/STU3/StructureDefinition/",
    "uk": "https://fhir.hl7.org.uk/STU3/StructureDefinition/",
    "hl7": "http://hl7.org/fhir/StructureDefinition/",
}
_PART = re.compile(r"(\w+)([!?*])(\w+)")
_INDEX = re.compile(r"\[\d+\]|(?<=\.)_")


class PublishedExtension(NamedTuple):
    """Where an extension may stand (paths and data types), and the types of the value, or of the parts by name."""

    places: frozenset[str]
    kinds: frozenset[str]
    parts: dict[str, tuple[str, str]]
    """How often a part may come (`!`, `?`, `*`), and the type of its value."""


@cache
def published_extensions() -> dict[str, PublishedExtension]:
    """Return the published extensions by URL."""
    text = (files(__package__) / "extensions.txt").read_text(encoding="ascii")
    rows = (line.split(" ", 3) for line in text.splitlines() if line and not line.startswith("#"))
    return {
        _PUBLISHED_AT[where] + name: PublishedExtension(
            frozenset(places.split(",")),
            frozenset() if content.startswith("(") else frozenset(content.split("|")),
            {part: (often, kind) for part, often, kind in _PART.findall(content)},
        )
        for where, name, places, content in rows
    }


def unpublished(path: str, content: Json) -> Iterator[Reason]:
    """Find the extensions of a valid ready resource that no profile names here, or not with such a content."""
    for where, name, _, value in elements(content, content["resourceType"], path):
        if name.endswith(".modifierExtension"):
            yield Reason(where, "is not taken: a receiver that does not know it must not use the resource")
        elif name.endswith(".extension") and name != "Extension.extension":
            known = published_extensions().get(value["url"])
            if known is None:
                yield Reason(f"{where}.url", "is named by no published profile of STU3: leave the extension out")
            elif known.places.isdisjoint((_owner(where), name.removesuffix(".extension"))):
                yield Reason(where, f"may stand at {' or '.join(sorted(known.places))} alone: move it, or leave it out")
            elif not _holds(known, value):
                yield Reason(where, f"must hold {_described(known)}, as the published profile says")


def _owner(where: str) -> str:
    """Return the path of the element that an extension belongs to, without the numbers in it."""
    return _INDEX.sub("", where.split(": ", 1)[1]).rpartition(".")[0]


def _holds(known: PublishedExtension, extension: Json) -> bool:
    parts = extension.get("extension", [])
    if not known.parts:
        return not parts and _has(extension, known.kinds)
    counts = Counter(part["url"] for part in parts)
    return (
        bool(parts)
        and counts.keys() <= known.parts.keys()
        and all(_has(part, {known.parts[part["url"]][1]}) for part in parts)
        and all(counts[name] == 1 for name, (often, _) in known.parts.items() if often == "!")
        and all(counts[name] <= 1 for name, (often, _) in known.parts.items() if often == "?")
    )


def _has(extension: Json, kinds: frozenset[str] | set[str]) -> bool:
    names = {f"value{kind[:1].upper()}{kind[1:]}" for kind in kinds}
    return "any" in kinds or not names.isdisjoint(extension)


def _described(known: PublishedExtension) -> str:
    if known.parts:
        return ", ".join(f"{name} ({kind})" for name, (_, kind) in known.parts.items())
    return "a value" if "any" in known.kinds else f"a value of type {' or '.join(sorted(known.kinds))}"
