"""Lists the content of a resource of any type as labelled facts, complete and in the resource's order.

Technical data are left out: ids, profiles, and the systems of codes.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lxml import etree

from gpconnect_messaging.documents import wording

_FHIR = "{http://hl7.org/fhir}"
_NARRATIVE = "{http://www.w3.org/1999/xhtml}div"
_DEEPEST = 40
_CHOICE = re.compile(r"(value|effective|onset|medication|occurrence|performed|deceased|abatement)[A-Z]\w*")
_EXTENSION = re.compile(r".*/(?:Extension-)?(?:CareConnect-)?(.*?)(?:-\d+)?$")
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])|[-_]")

Fact = tuple[str, str]


def in_words(name: str) -> str:
    """A FHIR name in plain English: `AllergyIntolerance` is `Allergy intolerance`."""
    return _WORD.sub(" ", name).lower().capitalize()


def clinical_facts(resource: Any, names: Mapping[str, str]) -> tuple[Fact, ...]:
    """The facts of a resource (an lxml element); `names` are the display names of other resources by id."""
    return tuple(fact for fact in _facts(resource, (), names) if fact[1])


def referred(reference: str) -> str:
    """The id in a reference of any form."""
    return re.split(r"[:/#]", reference)[-1]


def _facts(element: Any, above: tuple[str, ...], names: Mapping[str, str]) -> Iterator[Fact]:
    if len(above) > _DEEPEST:
        yield _label(above[:1]), "(goes deeper than can be shown)"
        return
    for child in element:
        name = etree.QName(child).localname
        if name in ("extension", "modifierExtension"):
            path = (*above, _EXTENSION.sub(r"\1", child.get("url", "")))
        elif above and name.startswith("value") and etree.QName(element).localname.endswith("xtension"):
            path = above
        else:
            path = (*above, _CHOICE.sub(r"\1", name))
        if above or name not in ("id", "meta"):
            yield from _child_facts(child, name, path, names)


def _child_facts(child: Any, name: str, path: tuple[str, ...], names: Mapping[str, str]) -> Iterator[Fact]:
    value = child.get("value")
    narrative = child.find(_NARRATIVE)
    if narrative is not None:
        yield _label(path), " ".join("".join(narrative.itertext()).split())
    elif name in ("coding", "valueCoding"):
        yield _label(path[:-1] or path), _join(child, "code", "display")
    elif name == "reference" and value is not None:
        yield _label(path[:-1] or path), names.get(referred(value), value)
    elif name == "data" and value is not None:
        yield _label(path), wording.size(len(value) * 3 // 4)
    elif value is not None:
        yield _label(path), value
    elif _join(child, "value") and _join(child, "unit", "code"):
        unit = _join(child, "unit") or _join(child, "code")
        yield _label(path), f"{_join(child, 'comparator')} {_join(child, 'value')} {unit}".strip()
    else:
        yield from _facts(child, path, names)


def _join(element: Any, *names: str) -> str:
    found = (element.find(_FHIR + name) for name in names)
    return " ".join(child.get("value", "") for child in found if child is not None)


def _label(path: tuple[str, ...]) -> str:
    return " ".join(map(in_words, path)).lower().capitalize()
