"""Says in labelled facts what a resource holds, whatever its type: a person reads all of it, in its own order.

What only programs need is left out: ids, profiles, and which system a code is of.
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
    """A name of FHIR's as a person writes it: `AllergyIntolerance` is `Allergy intolerance`."""
    return _WORD.sub(" ", name).lower().capitalize()


def clinical_facts(resource: Any, called: Mapping[str, str]) -> tuple[Fact, ...]:
    """All that a resource (an lxml element) says; `called` is what other resources are called, by their ids."""
    return tuple(fact for fact in _facts(resource, (), called) if fact[1])


def referred(reference: str) -> str:
    """The id that a reference means, in any of its forms."""
    return re.split(r"[:/#]", reference)[-1]


def _facts(element: Any, above: tuple[str, ...], called: Mapping[str, str]) -> Iterator[Fact]:
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
            yield from _said(child, name, path, called)


def _said(child: Any, name: str, path: tuple[str, ...], called: Mapping[str, str]) -> Iterator[Fact]:
    value = child.get("value")
    narrative = child.find(_NARRATIVE)
    if narrative is not None:
        yield _label(path), " ".join("".join(narrative.itertext()).split())
    elif name in ("coding", "valueCoding"):
        yield _label(path[:-1] or path), _join(child, "code", "display")
    elif name == "reference" and value is not None:
        yield _label(path[:-1] or path), called.get(referred(value), value)
    elif name == "data" and value is not None:
        yield _label(path), wording.size(len(value) * 3 // 4)
    elif value is not None:
        yield _label(path), value
    elif _join(child, "value") and _join(child, "unit", "code"):
        unit = _join(child, "unit") or _join(child, "code")
        yield _label(path), f"{_join(child, 'comparator')} {_join(child, 'value')} {unit}".strip()
    else:
        yield from _facts(child, path, called)


def _join(element: Any, *names: str) -> str:
    found = (element.find(_FHIR + name) for name in names)
    return " ".join(each.get("value", "") for each in found if each is not None)


def _label(path: tuple[str, ...]) -> str:
    return " ".join(map(in_words, path)).lower().capitalize()
