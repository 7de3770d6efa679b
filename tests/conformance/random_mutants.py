"""Seeded mutants of any message: the XML tree is changed at random, without regard to a requirement.

`mutants.py` breaks one requirement each, by hand; these find what nobody thought of. A mutant need not be wrong: an
independent validator says which are, and our checks must refuse all of those.
"""

import copy
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from lxml import etree

FHIR = "{http://hl7.org/fhir}"
_Element = Any
_Mutation = Callable[[Random, _Element], bool]
MUTATIONS: dict[str, _Mutation] = {}
"""Every way to change a tree, by name; False if the tree has nothing to change in this way."""


def _mutation(change: _Mutation) -> _Mutation:
    MUTATIONS[change.__name__.strip("_")] = change
    return change


def _elements(root: _Element, *names: str) -> list[_Element]:
    """The elements with these names (or all below the root), narratives left out."""
    found = root.iter(*(FHIR + name for name in names)) if names else root.iter(f"{FHIR}*")
    return [element for element in found if element.getparent() is not None]


def _resources(root: _Element) -> list[_Element]:
    return [holder[0] for holder in _elements(root, "resource") if len(holder)]


def _a(random: Random, found: list[_Element]) -> _Element | None:
    return random.choice(found) if found else None


def _valued(root: _Element) -> list[_Element]:
    return [element for element in _elements(root) if element.get("value") and len(element.get("value")) < 2000]


def _drop(element: _Element | None) -> bool:
    if element is None:
        return False
    element.getparent().remove(element)
    return True


def _set(element: _Element | None, value: str) -> bool:
    if element is None:
        return False
    element.set("value", value)
    return True


@_mutation
def _element_dropped(random: Random, root: _Element) -> bool:
    return _drop(_a(random, _elements(root)))


@_mutation
def _element_repeated(random: Random, root: _Element) -> bool:
    element = random.choice(_elements(root))
    element.addnext(copy.deepcopy(element))
    return True


@_mutation
def _siblings_swapped(random: Random, root: _Element) -> bool:
    holders = [holder for holder in root.iter(f"{FHIR}*") if len({child.tag for child in holder}) > 1]
    holder = random.choice(holders)
    first, second = random.sample(range(len(holder)), 2)
    children = list(holder)
    children[first], children[second] = children[second], children[first]
    holder[:] = children
    return True


@_mutation
def _siblings_reversed(random: Random, root: _Element) -> bool:
    holder = random.choice([holder for holder in root.iter(f"{FHIR}*") if len({child.tag for child in holder}) > 2])
    holder[:] = list(holder)[::-1]
    return True


@_mutation
def _second_resource_in_an_entry(random: Random, root: _Element) -> bool:
    holder = random.choice(_elements(root, "resource"))
    holder.append(copy.deepcopy(holder[0]))
    return True


@_mutation
def _foreign_element_beside_a_resource(random: Random, root: _Element) -> bool:
    holder = random.choice(_elements(root, "resource"))
    etree.SubElement(holder, FHIR + random.choice(("Basic", "note", "extension"))).set("value", "x")
    return True


@_mutation
def _other_code(random: Random, root: _Element) -> bool:
    return _set(_a(random, _elements(root, "code", "status", "use", "intent", "mode", "gender", "type")), "zz-unknown")


@_mutation
def _code_dropped(random: Random, root: _Element) -> bool:
    return _drop(_a(random, _elements(root, "code", "status", "coding", "intent")))


@_mutation
def _other_system(random: Random, root: _Element) -> bool:
    value = random.choice(("https://fhir.nhs.uk/STU3/CodeSystem/Nothing-1", "http://hl7.org/fhir/nothing", "not a uri"))
    return _set(_a(random, _elements(root, "system")), value)


@_mutation
def _system_dropped(random: Random, root: _Element) -> bool:
    return _drop(_a(random, _elements(root, "system")))


@_mutation
def _other_verification_status(random: Random, root: _Element) -> bool:
    found = [
        part
        for extension in _elements(root, "extension")
        if "VerificationStatus" in extension.get("url", "")
        for part in _elements(extension, "code", "system")
    ]
    part = _a(random, found)
    return _set(part, "https://fhir.nhs.uk/Nothing" if part is not None and part.tag.endswith("system") else "99")


@_mutation
def _full_url_dropped(random: Random, root: _Element) -> bool:
    return _drop(_a(random, _elements(root, "fullUrl")))


@_mutation
def _full_url_of_nothing(random: Random, root: _Element) -> bool:
    value = random.choice(("urn:uuid:1", "urn:uuid:00000000-0000-4000-8000-000000000000", "x", "Patient/1"))
    return _set(_a(random, _elements(root, "fullUrl")), value)


@_mutation
def _identifier_without_a_part(random: Random, root: _Element) -> bool:
    return _drop(_a(random, [part for found in _elements(root, "identifier") for part in found]))


@_mutation
def _reference_to_another_type(random: Random, root: _Element) -> bool:
    reference = random.choice(_elements(root, "reference"))
    urls = [url.get("value") for url in _elements(root, "fullUrl")]
    return bool(urls) and _set(reference, random.choice(urls))


@_mutation
def _reference_to_nothing(random: Random, root: _Element) -> bool:
    value = random.choice(("urn:uuid:00000000-0000-4000-8000-000000000000", "Patient/none", "#none", "none", "urn:x"))
    return _set(_a(random, _elements(root, "reference")), value)


@_mutation
def _reference_dropped(random: Random, root: _Element) -> bool:
    return _drop(_a(random, _elements(root, "reference", "subject", "patient", "author", "entry", "item")))


@_mutation
def _date_dropped(random: Random, root: _Element) -> bool:
    return _drop(_a(random, _elements(root, "date", "timestamp", "lastUpdated", "issued", "assertedDate", "start")))


@_mutation
def _value_emptied(random: Random, root: _Element) -> bool:
    return _set(_a(random, _valued(root)), random.choice(("", " ")))


@_mutation
def _value_dropped(random: Random, root: _Element) -> bool:
    element = random.choice(_valued(root))
    del element.attrib["value"]
    return True


@_mutation
def _value_written_wrong(random: Random, root: _Element) -> bool:
    wrong = ("2026-13-01", "yes", "1,5", "a  b", " lead", "2026-11-20T10:00:00", "-1", "a b", "é", "http://", "1.0.0")
    return _set(_a(random, _valued(root)), random.choice(wrong))


@_mutation
def _date_written_wrong(random: Random, root: _Element) -> bool:
    found = [element for element in _valued(root) if re.match("(19|20)[0-9]{2}-", element.get("value"))]
    wrong = ("20/11/2026", "2026-02-30", "2026-11-20T25:00:00Z", "2026-11-20T10:00:00", "2026-1-1", "2026-11")
    return _set(_a(random, found), random.choice(wrong))


@_mutation
def _element_renamed(random: Random, root: _Element) -> bool:
    element = random.choice(_elements(root))
    element.tag = FHIR + random.choice(("unknown", "code", "identifier", "text", element.tag[len(FHIR) :].upper()))
    return True


@_mutation
def _element_of_another(random: Random, root: _Element) -> bool:
    giver, taker = random.choice(_elements(root)), random.choice(_elements(root))
    if taker in giver.iter() or giver in taker.iterancestors():
        return False
    taker.insert(random.randint(0, len(taker)), copy.deepcopy(giver))
    return True


@_mutation
def _attribute_added(random: Random, root: _Element) -> bool:
    name = random.choice(("name", "url", "xml-id", "value", "{http://other.example}a"))
    element = random.choice([element for element in _elements(root) if name not in element.attrib])
    element.set(name, "x")
    return True


@_mutation
def _text_added(random: Random, root: _Element) -> bool:
    random.choice(_elements(root)).text = "words"
    return True


@_mutation
def _entry_unreachable(random: Random, root: _Element) -> bool:
    """A further resource that nothing refers to."""
    resource = random.choice(_resources(root))
    entry = copy.deepcopy(resource.getparent().getparent())
    new = f"{random.getrandbits(32):08x}-0000-4000-8000-000000000000"
    for element in entry.iter(FHIR + "fullUrl"):
        element.set("value", f"urn:uuid:{new}")
        break
    for element in entry.findall(f"{FHIR}resource/*/{FHIR}id"):
        element.set("value", new)
    resource.getparent().getparent().addnext(entry)
    return True


@_mutation
def _section_entry_dropped(random: Random, root: _Element) -> bool:
    entries = [entry for section in _elements(root, "section") for entry in section.findall(f"{FHIR}entry")]
    return _drop(_a(random, entries))


@_mutation
def _resource_replaced(random: Random, root: _Element) -> bool:
    resource = random.choice(_resources(root))
    resource.tag = FHIR + random.choice(("Patient", "Organization", "Basic", "Device", "Nothing", "Bundle"))
    return True


@_mutation
def _entry_dropped(random: Random, root: _Element) -> bool:
    return _drop(_a(random, [resource.getparent().getparent() for resource in _resources(root)]))


@_mutation
def _entry_repeated(random: Random, root: _Element) -> bool:
    entry = random.choice(_resources(root)).getparent().getparent()
    entry.addnext(copy.deepcopy(entry))
    return True


@_mutation
def _extension_changed(random: Random, root: _Element) -> bool:
    extension = _a(random, _elements(root, "extension"))
    if extension is None:
        return False
    match random.randrange(4):
        case 0:
            del extension.attrib["url"]
        case 1:
            extension.set("url", random.choice(("", "x y", "https://fhir.nhs.uk/STU3/StructureDefinition/Nothing-1")))
        case 2:
            etree.SubElement(extension, f"{FHIR}valueString").set("value", "x")
        case 3:
            for child in extension:
                extension.remove(child)
    return True


@_mutation
def _narrative_changed(random: Random, root: _Element) -> bool:
    div = _a(random, list(root.iter("{http://www.w3.org/1999/xhtml}div")))
    if div is None:
        return False
    match random.randrange(4):
        case 0:
            return _drop(div)
        case 1:
            etree.SubElement(div, "{http://www.w3.org/1999/xhtml}script").text = "x"
        case 2:
            div[:] = []
            div.text = None
        case 3:
            div.tag = f"{FHIR}div"
    return True


def mutant(random: Random, body: bytes) -> tuple[str, bytes]:
    """A changed message, and the name of the change."""
    while True:
        root = etree.fromstring(body)
        name = random.choice(list(MUTATIONS))
        if MUTATIONS[name](random, root):
            changed = etree.tostring(root)
            if changed != etree.tostring(etree.fromstring(body)):
                return name, changed


def mutants(seed: int, count: int, bodies: list[bytes]) -> Iterator[tuple[str, bytes]]:
    """So many mutants of these messages: the same for the same seed."""
    random = Random(seed)
    for _ in range(count):
        yield mutant(random, random.choice(bodies))
