"""Which codes a system has. `make fhir-validate` compares thousands of units with an independent validator."""

import json

import pytest

from gpconnect_messaging.code_systems import LANGUAGES, UNITS, is_code_of
from gpconnect_messaging.conformance.validation import validate_bytes
from gpconnect_messaging.requests.models import parse_request
from gpconnect_messaging.requests.refusal import RequestRefusedError
from tests.examples import messages_of, request_data, written

_HL7, _CURRENCIES, _COUNTRIES = "http://hl7.org/fhir/", "urn:iso:std:iso:4217", "urn:iso:std:iso:3166"
KNOWN = {
    UNITS: "kg mm[Hg] mmol/L /min % {score} Cel 10*9/L 10*-3 m2 m-2 kg/m2 mg/(24.h) (m/s){x} (kg.m)/s2 [in_i'H2O] 1 "
    "mL/min/{1.73_m2} %{a(b)/c} B[10.nV] dB[SPL] [iU] k[iU]/L /(/m) ug{total}/g{creat} 24 ((m)) [arb'U]/mL "
    "m{a}{b}",
    LANGUAGES: "en en-GB EN-gb es-419 cy gsw zh fr-CA",
    _CURRENCIES: "GBP EUR XAF", _COUNTRIES: "GB GBR", "https://www.usps.com/": "AK",
    "http://dicom.nema.org/resources/ontology/DCM": "CT 109001",
    f"{_HL7}v3/RoleCode": "FTH", f"{_HL7}CodeSystem/summary": "anything", f"{_HL7}sid/icd-10": "A00",
    "http://loinc.org": "8480-6", "http://snomed.info/sct": "73211009",
    "https://publisher.example/codes": "anything", "urn:ietf:bcp:13": "application/pdf",
}  # fmt: skip
UNKNOWN = {
    UNITS: "mmHg foo tablet(s) tablets a|b ( ) () (m kg) m/ / kg..m kg//m .m BP KG kkg m% mg/ k[in_i] [in_i in_i] 2m "
    "m+ -5 +5m 1234567890 m1234567890 {x}kg kg{x}m {a}} {a{b} {é} µg °C (m)s [pH]] m(s) ? a,b m^2",
    LANGUAGES: "english en_GB zh-Hant zz xx-yy-zz i-navajo en- -GB GB 419 en-XX en-GB-oxendict qaa..qtz",
    _CURRENCIES: "GBX gbp £", _COUNTRIES: "ZZ gb", "https://www.usps.com/": "ZZ",
    "http://dicom.nema.org/resources/ontology/DCM": "XX",
    f"{_HL7}v3/RoleCode": "XXX", f"{_HL7}no-such-system": "x", f"{_HL7}": "x",
    f"{_HL7}sid/icd-10-uk": "A00", "https://hl7.org/fhir/v2/0203": "MR", "http://www.hl7.org/fhir/v2/0203": "MR",
    "http://snomed.info/sct/": "73211009", "http://loinc.org/": "8480-6", f"{UNITS}/": "kg", "http://hl7.org/fhir": "x",
    "https://www.hl7.org/fhir/v2/0203": "MR", "http://build.fhir.org/codesystem-usage-context-type": "age",
}  # fmt: skip


@pytest.mark.parametrize(("known", "table"), [(True, KNOWN), (False, UNKNOWN)])
def test_a_system_has_its_own_codes_and_no_others(known: bool, table: dict[str, str]) -> None:
    wrong = [(system, code) for system, codes in table.items() for code in codes.split()
             if is_code_of(system, code) is not known]  # fmt: skip
    assert wrong == []


def test_a_blank_is_for_an_annotation_and_a_coding_may_have_no_code() -> None:
    assert is_code_of(UNITS, "{a b}")
    assert not is_code_of(UNITS, "m s")
    assert not is_code_of(UNITS, "\0")
    assert not is_code_of(_CURRENCIES, "GBP EUR")
    assert is_code_of(_CURRENCIES, "")
    assert not is_code_of(f"{_HL7}no-such-system", "")


@pytest.mark.parametrize("code", ["(" * 250 + "m" + ")" * 249, "(" * 90_000, "m." * 90_000 + "m", "cd." * 160 + "x"])
def test_a_unit_of_no_end_is_refused_at_once(code: str) -> None:
    assert not is_code_of(UNITS, code)


@pytest.mark.parametrize("code", UNKNOWN[UNITS].split())
def test_a_unit_that_ucum_does_not_have_is_refused_by_field(code: str) -> None:
    quantity = {"value": 1, "unit": "x", "code": code}
    concept = {"code": "27113001", "display": "Body weight"}
    observation = {
        "code": concept, "issued": "2026-11-20T10:00:00Z", "value": {"quantity": quantity},
        "components": [{"code": concept | {"code": "271649006"}, "value": {"quantity": quantity}}],
    }  # fmt: skip
    raw = json.dumps(request_data("online-consultation-1.5", observations=[observation])).encode()
    with pytest.raises(RequestRefusedError) as refused:
        parse_request(raw)
    assert {reason.field for reason in refused.value.reasons} == {
        "observations[0].value.quantity.code",
        "observations[0].components[0].value.quantity.code",
    }


def holds(*resources: dict[str, object]) -> bool:
    """Whether ready resources keep FHIR's rules between elements."""
    texts = [{"content_type": "application/fhir+json", "content": json.dumps(resource)} for resource in resources]
    (message,) = messages_of("generic-document-1.5", resources=texts)
    findings = validate_bytes(written(message, "generic-document-1.5"))[1]
    return not any(finding.is_broken_must and finding.id == "STU3-INVARIANT" for finding in findings)


OBSERVATION: dict[str, object] = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


@pytest.mark.parametrize(
    ("element", "right"),
    [
        ({"valueQuantity": {"value": 1, "system": UNITS, "code": "mm[Hg]"}}, True),
        ({"valueQuantity": {"value": 1, "system": UNITS, "code": "mmHg"}}, False),
        ({"valueRange": {"low": {"value": 1, "system": UNITS, "code": "foo"}}}, False),
        ({"method": {"coding": [{"system": LANGUAGES, "code": "en-GB"}]}}, True),
        ({"method": {"coding": [{"system": LANGUAGES, "code": "english"}]}}, False),
        ({"method": {"coding": [{"system": _CURRENCIES, "code": "GBX"}]}}, False),
        ({"method": {"coding": [{"system": _COUNTRIES, "code": "ZZ"}]}}, False),
    ],
)
def test_a_ready_resource_has_only_codes_of_their_systems(element: dict[str, object], right: bool) -> None:
    assert holds(OBSERVATION | element) is right


@pytest.mark.parametrize(
    ("language", "right"),
    [
        ({"coding": [{"system": LANGUAGES, "code": "cy"}]}, True),
        ({"text": "Welsh"}, False),
        ({"coding": [{"system": "https://publisher.example/x", "code": "cy"}]}, False),
        ({"coding": [{"system": LANGUAGES, "display": "Welsh"}]}, False),
    ],
)
def test_a_language_that_is_spoken_has_a_code(language: dict[str, object], right: bool) -> None:
    speaker: dict[str, object] = {
        "resourceType": "Practitioner", "id": "a", "name": [{"family": "x"}], "communication": [language],
        "identifier": [{"system": "https://fhir.nhs.uk/Id/sds-user-id", "value": "1"}],
    }  # fmt: skip
    assert holds(OBSERVATION | {"performer": [{"reference": "Practitioner/a"}]}, speaker) is right
