"""Every primitive of FHIR STU3, in every place of every resource type that may be supplied, with every kind of slip.

What STU3 allows is written here again, from HL7's page of data types and its schema, so that a wrong pattern in the
table does not agree with itself. A slip is accepted unchanged and right, or refused by the element's path.
"""

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from lxml import etree

from gpconnect_messaging.itk3.form import faults
from gpconnect_messaging.itk3.structured_types import STRUCTURED_TYPES
from gpconnect_messaging.itk3.stu3 import plan_of
from gpconnect_messaging.itk3.supplied import read_supplied
from gpconnect_messaging.itk3.xml import from_xml, to_xml
from gpconnect_messaging.json_reading import read_json
from gpconnect_messaging.requests.refusal import MOST_REASONS, RequestRefusedError
from tests.examples import messages_of, spec_file, written
from tests.xpath import values

pytestmark = pytest.mark.usefixtures("any_extension")

JSON, XML = "application/fhir+json", "application/fhir+xml"
FHIR = "{http://hl7.org/fhir}"
_YEAR = "(1[89]|[2-9][0-9])[0-9]{2}"
_DAY = rf"{_YEAR}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
_OFFSET = r"(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)"
_WHOLE = r"0|[1-9][0-9]{0,8}"
_64 = "[A-Za-z0-9+/]"
_VISIBLE = "[^\\s\u0660-\u0669\uff10-\uff19\u200b\u200e\u00ad\ufeff]+"
RIGHT = {
    "boolean": "true|false",
    "integer": f"-?({_WHOLE})",
    "unsignedInt": _WHOLE,
    "positiveInt": "[1-9][0-9]{0,8}",
    "decimal": r"-?(0|[1-9][0-9]*)(\.[0-9]+)?",
    "date": rf"{_YEAR}(-(0[1-9]|1[0-2]))?|{_DAY}",
    "dateTime": rf"{_YEAR}(-(0[1-9]|1[0-2]))?|{_DAY}(T{_TIME}{_OFFSET})?",
    "instant": f"{_DAY}T{_TIME}{_OFFSET}",
    "time": "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]",
    "id": r"[A-Za-z0-9.-]{1,64}",
    "code": f"{_VISIBLE}( {_VISIBLE})*",
    "language": "(en|cy)(-GB)?",
    "uri": r"(?!.*%(?![0-9A-F]{2})|.*#.*#|urn:oid:(?!1.2.3.4$)|http://(\[[^\]]*$|x:a))"
    rf"([A-Za-z]+:{_VISIBLE}|(?![^/?#]*:){_VISIBLE})",
    "oid": r"urn:oid:[0-2](\.[0-9]+){3,}",
    "string": r"\s*\S[\s\S]*",
    "markdown": r"\s*\S[\s\S]*",
    "base64Binary": rf"({_64}{{4}})*({_64}{{4}}|{_64}{{2}}[AEIMQUYcgkosw048]=|{_64}[AQgw]==)",
    "SampledDataDataType": r"(-?[0-9]*\.?[0-9]+|[EUL])( (-?[0-9]*\.?[0-9]+|[EUL]))*",
}
"""By type, what STU3 allows of the slips below."""
NEVER_OF_AN_EXTENSION = {"SampledDataDataType", "language"}
KINDS = {"boolean": bool} | dict.fromkeys(("integer", "unsignedInt", "positiveInt", "decimal"), int)
"""The kind of JSON value of each type; of all others text."""
SLIPS = (
    '"2026"', "2026", '"20261122"', '"202611221000"', "202611221000", '"2026-11-22"', '"2026-02-30"', '"22/11/2026"',
    '"2026-11-22T10:00:00"', '"2026-11-22T10:00:00Z"', '"2026-11-22T10:00:00.120+00:00"', '"2026-11-22T10:00Z"',
    '"2026-11-22T24:00:00Z"', '"2026-11"', '"10:00:00"', '"10:00:00.5"', '"en-GB"', '"zh-Hant"',
    '"10:00"', '"1000"', "7", "-7", "0", "7.00", "-0.50", "1E2",
    "1234567890.12345678", "99999999999", '"7"', '"07"', '"7.00"', "true", '"true"', '"True"', '"1"', "1", '""', '" "',
    '" x"', '"x "', '"x  y"', '"x y"', '"\\u0667"', '"\\uff12\\uff10\\uff12\\uff16"', '"2026-11-\\uff12\\uff12"',
    '"x\\u200b"', '"\\ufeffx"', '"x\\u00ady"', '"x\\ty"', '"x\\ny"', '"x\\u0001"', '"\\u00a0"',
    '"ZpjKdwKlpsRI1eYo0OzYVOONuk0="', '"ZpjKdwKlpsRI1eYo0OzYVOONuk0"', '"AAA\\u200bA"', '"1 2 E U L"', '"1  2"',
    '"urn:oid:1.2.3"', '"urn:oid:1.2.3.4"',
    '"urn:oid:1.\\u0662"', '"a/b?c=1"', '"\\u2028"', '"0000"', '"-0001"', '"-2026-02-31"',
    '"0193-11-14"', '"0001-01-01T00:00:00Z"', '"1000-01"', '"1799-12-31"', '"1800-01-01"', '"9999-12-31"',
    '"0000-01-01T00:00:00Z"', '"urn:oid:9.2"', '"urn:oid:1"', '"%zz"', '"http://x/%41"', '"http://x/%"', '"http://[::1"',
    '"http://[::1]:80/"', '"http://x:abc/"', '"http://x:8/a:b@c?d#e"', '"http://a##b"', '"//x"', '"QQ=="', '"QR=="',
    '"QUJD\\r\\nQUI="', '"QQ==\\u00a0"', '"QUJDQ"', '"ZpjKdwKlpsRI1eYo0OzYVOONul1="',
    '"a\\ufffdb"', '"\\u202e05\\u202c"',
)  # fmt: skip


def places() -> Iterator[tuple[str, str, str, list[tuple[str, bool]]]]:
    """Every primitive element of what can be supplied: the type that has it, its name, its type, a way there."""
    waiting: list[tuple[str, list[tuple[str, bool]]]] = [(kind, [(kind, True)]) for kind in STRUCTURED_TYPES]
    seen = {kind for kind, _ in waiting}
    for kind, way in waiting:
        plan = plan_of(kind)
        for name, slot in plan.slots.items() if plan else ():
            if len(way) == 1 and name in ("text", "contained", "implicitRules"):  # never taken
                continue
            inner = [*way, (name, slot.single)]
            if slot.well_written is not None and not slot.codes:
                yield kind, name, slot.kind, inner
            elif slot.kind not in seen and plan_of(slot.kind):
                seen.add(slot.kind)
                waiting.append((slot.kind, inner))


PLACES = list(places())


def resource_with(literal: str, way: list[tuple[str, bool]]) -> tuple[str, str]:
    """A resource as JSON text, with nothing in it but the literal at the end of the way; and the literal's path."""
    (kind, _), *steps = way
    text, path = literal, f"resources[0]: {kind}"
    for name, single in reversed(steps):
        text = f'{{"{name}": {text if single else f"[{text}]"}}}'
    for name, single in steps:
        path += f".{name}" if single else f".{name}[0]"
    return f'{{"resourceType": "{kind}", {text[1:]}', path


def is_right(kind: str, literal: str) -> bool:
    value = json.loads(literal)
    of_its_kind = isinstance(value, KINDS.get(kind, str)) or (kind == "decimal" and isinstance(value, float))
    text = value if isinstance(value, str) else literal
    if not of_its_kind or (isinstance(value, bool) and kind != "boolean") or "\x01" in text:
        return False
    if "\ufffd" in text or "\u202e" in text:  # of every type: it cannot be read as it was meant
        return False
    if not re.fullmatch(RIGHT[kind], re.sub("[ \t\r\n]", "", text) if kind == "base64Binary" else text):
        return False
    try:
        return bool(kind not in ("date", "dateTime", "instant") or len(text) < 10 or date.fromisoformat(text[:10]))
    except ValueError:
        return False


def test_the_places_are_all_there() -> None:
    assert {kind for _, _, kind, _ in PLACES} == RIGHT.keys()
    assert len(PLACES) > 350


@pytest.mark.parametrize("kind", sorted(RIGHT))
def test_each_slip_in_each_element_is_accepted_as_it_is_or_refused_by_path(kind: str) -> None:
    for owner, name, its_kind, way in PLACES:
        for literal in SLIPS if its_kind == kind else ():
            text, path = resource_with(literal, way)
            resource = read_json(text.encode(), largest=10_000, deepest=40)
            at_fault = {reason.field for reason in faults(resource, f"resources[0]: {way[0][0]}")}
            assert (path not in at_fault) is is_right(kind, literal), (owner, name, literal)


@pytest.mark.parametrize("kind", sorted(RIGHT.keys() - NEVER_OF_AN_EXTENSION))
def test_each_slip_is_in_the_message_as_it_was_written_or_the_message_is_refused_by_path(kind: str) -> None:
    name = f"value{kind[0].upper()}{kind[1:]}"
    for literal in SLIPS:
        content = (
            '{"resourceType": "Observation", "status": "final", "code": {"text": "x"}, '
            f'"extension": [{{"url": "https://example.org/x", "{name}": {literal}}}]}}'
        )
        resources = [{"content_type": JSON, "content": content}]
        if not is_right(kind, literal):
            with pytest.raises(RequestRefusedError, match=rf"^resources\[0\]: Observation.extension\[0\].{name}: "):
                messages_of("generic-document-1.5", resources=resources)
            continue
        (message,) = messages_of("generic-document-1.5", resources=resources)
        value = json.loads(literal)
        expected = value if isinstance(value, str) else literal
        sent = written(message, "generic-document-1.5")
        assert values(sent, f"//f:Observation/f:extension/f:{name}/@value") == [expected]


@pytest.mark.parametrize("kind", sorted(RIGHT))
def test_xml_is_taken_and_refused_as_json_is(kind: str) -> None:
    _, name, _, way = next(example for example in PLACES if example[2] == kind)
    for literal in SLIPS:
        value = json.loads(literal)
        if isinstance(value, str) and not (value == "" or "\x01" in value):
            root = inner = etree.Element(f"{FHIR}{way[0][0]}")
            for step, _ in way[1:]:
                inner = etree.SubElement(inner, f"{FHIR}{step}")
            inner.set("value", value)
            path = resource_with(literal, way)[1]
            resource = from_xml(root)
            is_taken = path not in {reason.field for reason in faults(resource, f"resources[0]: {way[0][0]}")}
            # XML knows no kinds: what its text says is what JSON says without quotation marks, or with them.
            bare = value if re.fullmatch(r"true|false|-?(0|[1-9][0-9]*)(\.[0-9]+)?", value) else literal
            assert is_taken is (is_right(kind, literal) or is_right(kind, bare)), (name, literal)
            if is_taken:
                (text,) = to_xml(resource)
                assert isinstance(text, bytes)
                assert [element.get("value") for element in etree.fromstring(text).iter(f"{FHIR}{name}")] == [value]


def test_what_is_well_written_here_is_well_written_in_hl7s_schema() -> None:
    schema = etree.XMLSchema(etree.parse(str(spec_file("schema/fhir-single.xsd"))))
    for kind in RIGHT.keys() - NEVER_OF_AN_EXTENSION:
        for literal in SLIPS:
            value = json.loads(literal)
            text = value if isinstance(value, str) else literal
            if not is_right(kind, literal):
                continue
            root = etree.Element(f"{FHIR}Basic")
            extension = etree.SubElement(root, f"{FHIR}extension", url="https://example.org/x")
            etree.SubElement(extension, f"{FHIR}value{kind[0].upper()}{kind[1:]}").set("value", text)
            etree.SubElement(etree.SubElement(root, f"{FHIR}code"), f"{FHIR}text").set("value", "x")
            assert schema.validate(root), (kind, literal, schema.error_log)


# --- lists, nulls, extensions of primitives ---------------------------------------------------------------------------


def refusals(**elements: Any) -> list[str]:
    resource = {"resourceType": "Practitioner", **elements}
    raw = json.dumps(resource).encode()
    try:
        read_supplied(0, JSON, raw, frozenset(["Practitioner"]))
    except RequestRefusedError as refused:
        return [str(reason).removeprefix("resources[0]: Practitioner") for reason in refused.reasons]
    return []


EXTENDED = {"extension": [{"url": "https://example.org/x", "valueCode": "y"}]}


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"name": {"family": "x"}}, ".name: must be a list: put it into [ ]"),
        ({"gender": ["male"]}, ".gender: may come only once"),
        ({"name": []}, ".name: is empty"),
        ({"name": [{}]}, ".name[0]: is empty"),
        ({"name": ["x"]}, ".name[0]: must be an object with elements"),
        ({"name": [None]}, ".name[0]: is null: leave it out"),
        ({"birthDate": None}, ".birthDate: is null: leave it out"),
        ({"name": [{"given": ["a", None]}]}, ".name[0].given[1]: is null: leave it out"),
        ({"name": [{"given": ["a"], "_given": [None]}]}, ".name[0]._given: is empty: leave it out"),
        ({"name": [{"given": ["a"], "_given": []}]}, ".name[0]._given: is empty: leave it out"),
        ({"birthDate": "1990", "_birthDate": None}, "._birthDate: is null: leave it out"),
        ({"_birthDate": {"id": "x"}}, ".birthDate: is empty"),
        ({"birthDate": "1990", "_birthDate": {"id": "a b"}}, ".birthDate.id: must be without a blank"),
        ({"name": [{"id": "a\u200bb", "family": "x"}]}, ".name[0].id: must be without a blank"),
        ({"name": [{"family": "x\ufffdy"}]}, ".name[0].family: holds U+FFFD, the sign for a character that was lost"),
        ({"name": [{"family": "\u202exy\u202c"}]}, ".name[0].family: holds a sign that changes the direction"),
        ({"name": [{"family": "\u2066xy\u2069"}]}, ".name[0].family: holds a sign that changes the direction"),
        ({"extension": [{"url": "a b", "valueCode": "y"}]}, ".extension[0].url: must be a URI"),
        ({"extension": [{"url": "https://example.org/\u200b", "valueCode": "y"}]}, ".extension[0].url: must be a URI"),
        ({"extension": [{"url": "https://example.org/\u0661", "valueCode": "y"}]}, ".extension[0].url: must be a URI"),
        ({"extension": [{"url": "u"}]}, ".extension[0]: must have either a value or extensions of its own"),
        (
            {"extension": [{"url": "u", "valueCode": "y", "extension": [{"url": "v", "valueCode": "z"}]}]},
            ".extension[0]: must have either a value or extensions of its own",
        ),
        ({"_birthDate": "1990"}, ".birthDate: must be an object with elements"),
        ({"_birthDate": {}}, ".birthDate: is empty"),
        ({"_birthDate": {"value": "1990"}}, ".birthDate: has an element or attribute that FHIR STU3 does not know"),
        ({"_name": [EXTENDED]}, ": has an element or attribute that FHIR STU3 does not know"),
        ({"resource": {}, "nAme": 1}, ": has an element or attribute that FHIR STU3 does not know"),
        ({"fhir_comments": ["x"]}, ": has an element or attribute that FHIR STU3 does not know"),
        ({"gender": "Male"}, ".gender: must be one of: female, male, other, unknown"),
        ({"extension": [{"valueCode": "y"}]}, ".extension[0].url: is missing"),
        ({"extension": [{"url": 7, "valueCode": "y"}]}, ".extension[0].url: must be text, in quotation marks"),
        ({"extension": [{"url": "u", "valueCode": "y", "valueInteger": 1}]}, ".extension[0]: has both valueCode and"),
        ({"qualification": [{"issuer": {"reference": "Organization/organisation"}}]}, ".qualification[0].code: is mis"),
        ({"contained": []}, ".contained: is not taken"),
        ({"text": "x"}, ".text: is not taken unless generated"),
        ({"photo": [{"data": "AAAA"}]}, ".photo[0].data: is not taken"),
    ],
)
def test_what_json_can_get_wrong_is_refused_by_path(elements: dict[str, Any], reason: str) -> None:
    (found,) = refusals(**elements)
    assert found.startswith(reason)


def test_what_stands_beside_a_primitive_is_kept() -> None:
    name = {"family": "x", "_family": {"id": "f"}, "given": ["a", None], "_given": [None, EXTENDED]}
    assert refusals(name=[name], birthDate="1990", _birthDate=EXTENDED, _gender=EXTENDED) == []
    resource = {"resourceType": "Practitioner", "name": [name], "_gender": EXTENDED}
    (text,) = to_xml(resource)
    extended = '<extension url="https://example.org/x"><valueCode value="y"/></extension>'
    assert f'<family id="f" value="x"></family><given value="a"/><given>{extended}</given>' in str(text, "utf-8")
    assert f"<gender>{extended}</gender>" in str(text, "utf-8")
    again = from_xml(etree.fromstring(text))
    assert again == resource


@pytest.mark.parametrize("prefix", ["", "n:", "fhir:"])
def test_the_prefix_of_a_namespace_and_a_schemas_location_change_nothing(prefix: str) -> None:
    named = f"xmlns:{prefix[:-1]}" if prefix else "xmlns"
    text = (
        f'\ufeff<{prefix}Practitioner {named}="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        f' xsi:schemaLocation="http://hl7.org/fhir fhir.xsd"><{prefix}text><{prefix}status value="generated"/>'
        f'<div xmlns="http://www.w3.org/1999/xhtml">Ann <b>x</b></div></{prefix}text>'
        f'<{prefix}birthDate value="1990"/><{prefix}active value="true"/></{prefix}Practitioner>'
    )
    read = read_supplied(0, XML, text.encode(), frozenset(["Practitioner"]))
    assert read.content == {"resourceType": "Practitioner", "birthDate": "1990", "active": True}


@pytest.mark.parametrize("declared", ["UTF-8", "ISO-8859-1", "UTF-16", "windows-1252"])
def test_text_written_into_a_request_is_not_read_again_in_the_encoding_that_it_declares(declared: str) -> None:
    text = (
        f'<?xml version="1.0" encoding="{declared}"?><Practitioner xmlns="http://hl7.org/fhir">'
        '<name><family value="Müller £"/></name></Practitioner>'
    )
    for raw in (text.encode(), text.encode(declared)):
        read = read_supplied(0, XML, raw, frozenset(["Practitioner"]))
        assert read.content["name"] == [{"family": "Müller £"}]


def test_a_number_that_is_too_long_and_faults_without_number_are_refused() -> None:
    quantity = f'<valueQuantity><value value="{"1" * 70}"/></valueQuantity>'
    decimal = f'<Observation xmlns="http://hl7.org/fhir">{quantity}</Observation>'
    with pytest.raises(RequestRefusedError, match=r"Observation\.valueQuantity\.value: must be a number"):
        read_supplied(0, XML, decimal.encode(), frozenset(["Observation"]))
    assert len(refusals(name=[{}] * 10_000)) == MOST_REASONS


@pytest.mark.parametrize(
    "wrong",
    [
        '<active value="true" other="x"/>',
        '<active value="true">x</active>',
        '<name value="x"/>',
        '<name code="x"><family value="x"/></name>',
        '<name>x<family value="x"/></name>',
        '<name><family value="x"/>x</name>',
        '<name><x:family xmlns:x="urn:x" value="x"/></name>',
        '<name><family xmlns="" value="x"/></name>',
        '<active xmlns="http://www.w3.org/1999/xhtml" value="true"/>',
        '<name xmlns:x="urn:x" x:id="x"><family value="x"/></name>',
        '<div xmlns="http://www.w3.org/1999/xhtml">x</div>',
        "<active/>",
        '<active id="x"/>',
        '<active value="1"/>',
        '<active value="true"/><active value="true"/>',
        "<name/>",
    ],
)
def test_xml_that_says_more_than_fhir_is_refused(wrong: str) -> None:
    text = f'<Practitioner xmlns="http://hl7.org/fhir">{wrong}</Practitioner>'
    with pytest.raises(RequestRefusedError, match=r"resources\[0\]: Practitioner"):
        read_supplied(0, XML, text.encode(), frozenset(["Practitioner"]))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ('<active value="1"/>', "must be true or false, in JSON without quotation marks"),
        (f'<extension url="u"><valueDecimal value="{"1" * 70}"/></extension>', "of at most 64 characters"),
        ('<active value="true" other="x"/>', "has an element or attribute that FHIR STU3 does not know"),
        ('<name xml:lang="en"><family value="x"/></name>', "has an element or attribute that FHIR STU3 does not know"),
        ("text<active value='true'/>", "has text between its elements"),
        ("<![CDATA[text]]>", "has text between its elements"),
        ("\u00a0<active value='true'/>", "has text between its elements"),
    ],
)
def test_what_is_wrong_in_xml_is_said_as_it_is_in_xml(wrong: str, sentence: str) -> None:
    text = f'<Practitioner xmlns="http://hl7.org/fhir">{wrong}</Practitioner>'
    with pytest.raises(RequestRefusedError, match=sentence):
        read_supplied(0, XML, text.encode(), frozenset(["Practitioner"]))


PLAIN_XML = '<Practitioner xmlns="http://hl7.org/fhir"><active value="true"/></Practitioner>'


@pytest.mark.parametrize(
    "before",
    ['<?xml version="1.0"?>' * 2, '<?xml version="1.0" encoding="UTF-16"?>' * 2, "\ufeff\ufeff",
     '\n<?xml version="1.0"?>', '\n<?xml version="1.0" encoding="UTF-8"?>', '<?xml version="1.0" encoding="UTF-7"?>',
     '<?xml version="1.0" encoding="IBM037"?>', '\ufeff<?xml version="1.0" encoding="x-unknown"?>', "\u00a0"],
)  # fmt: skip
def test_what_xml_does_not_allow_before_its_element_and_encodings_that_are_not_read_are_refused(before: str) -> None:
    with pytest.raises(RequestRefusedError, match="is not well-formed XML, or in an encoding that is not read"):
        read_supplied(0, XML, (before + PLAIN_XML).encode(), frozenset(["Practitioner"]))


@pytest.mark.parametrize(
    "before", ["\ufeff", '\ufeff<?xml version="1.0" encoding="UTF-8"?>', "<!-- x -->", '<?xml version="1.0"?>\n<?x y?>']
)
def test_what_xml_allows_before_its_element_is_taken(before: str) -> None:
    assert read_supplied(0, XML, (before + PLAIN_XML).encode(), frozenset(["Practitioner"])).content["active"] is True


@pytest.mark.parametrize(
    ("code", "is_right"),
    [
        ("27113001", True),
        ("71341001:272741003=7771000", True),
        ("27113002", False),
        ("45066014", False),
        ("027113001", False),
        ("2711300\u00b9", False),
        ("\u2167", False),
        ("Body weight", False),
        ("27113001:", False),
        ("71341001:272741003=7771001", False),
    ],
)
@pytest.mark.parametrize("system", ["http://snomed.info/sct", "https://example.org/codes"])
def test_a_code_of_snomed_ct_is_a_concepts_or_an_expression_of_concepts(system: str, code: str, is_right: bool) -> None:
    found = refusals(qualification=[{"code": {"coding": [{"system": system, "code": code}]}}])
    path = ".qualification[0].code.coding[0].code: "
    rule = "is not a SNOMED CT concept id, digits with the last one the check digit: check every digit"
    assert found == ([] if is_right or "snomed" not in system else [path + rule])


def test_elements_in_another_order_are_put_into_schema_order() -> None:
    text = '<Practitioner xmlns="http://hl7.org/fhir"><birthDate value="1990"/><active value="true"/></Practitioner>'
    (again,) = to_xml(read_supplied(0, XML, text.encode(), frozenset(["Practitioner"])).content)
    assert b'<active value="true"/><birthDate value="1990"/>' in bytes(again)


def test_a_resource_in_json_may_begin_with_a_byte_order_mark_and_says_where_it_is_wrong() -> None:
    raw = json.dumps({"resourceType": "Practitioner", "birthDate": "1990"}).encode()
    assert read_supplied(0, JSON, b"\xef\xbb\xbf" + raw, frozenset(["Practitioner"])).content["birthDate"] == "1990"
    with pytest.raises(RequestRefusedError, match=r"resources\[0\]: line 1, column \d+: "):
        read_supplied(0, JSON, raw.replace(b"}", b",}"), frozenset(["Practitioner"]))


def test_no_two_kinds_of_test_are_one() -> None:
    assert len(set(SLIPS)) == len(SLIPS)
    assert all(any(is_right(kind, literal) for literal in SLIPS) for kind in RIGHT)
    assert all(any(not is_right(kind, literal) for literal in SLIPS) for kind in RIGHT)
