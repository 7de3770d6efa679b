"""Valid messages and responses for the checks: our own, and our own with everything that they may carry."""

import copy
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from gpconnect_messaging.conformance.headers import Headers
from gpconnect_messaging.conformance.message_under_test import MessageUnderTest
from gpconnect_messaging.conformance.tree import read
from gpconnect_messaging.conformance.validation import Finding, validate_message
from gpconnect_messaging.itk3.compose import envelope
from gpconnect_messaging.itk3.resources import message_bundle
from gpconnect_messaging.itk3.xml import to_xml
from gpconnect_messaging.specification import UseCase, Version
from tests.conformance.clinical import Resource, generic_only, shared, uid
from tests.examples import REQUESTS, a_message, messages_of, written

PDF_START = "JVBERi0xLjcK"
# Valid in every respect; `sample` also knows "unnumbered" (a patient without NHS number, which ITK3 allows and Send
# Document does not) and the responses to the other use cases.
ROLES = ("consultation", "online", "generic", "2.0", "replacement", "2.0 replacement", "unverified", "response")


_ANSWERED = {
    "": UseCase.CONSULTATION_REPORT,
    "OC": UseCase.ONLINE_CONSULTATION,
    "GE": UseCase.GENERIC_DOCUMENT,
}


@dataclass(frozen=True)
class Sample:
    """A message or response as bytes, with the envelope and the version and use case to check against."""

    body: bytes
    headers: Headers | None
    specification: Version
    use_case: UseCase

    def findings(self) -> list[Finding]:
        """What the checks say of it."""
        return validate_message(
            MessageUnderTest(read(self.body), self.headers, specification=self.specification, use_case=self.use_case)
        )


@cache
def sample(role: str, *, by_client: bool = False) -> Sample:
    """The valid sample of that role, or the message of the sample request of that name.

    `by_client`: with a control file of the MESH client for an envelope.
    """
    if (REQUESTS / role).is_dir():
        made = _requested(role)
    else:
        made = _response(role) if role.endswith("response") else _message(role)
    headers = replace(made.headers, by_client=by_client) if made.headers else None
    return replace(made, headers=headers)


def _requested(name: str) -> Sample:
    message, *_ = messages_of(name)
    headers = Headers.of(envelope(message))
    return Sample(written(message, name), headers, message.specification.version, message.use_case.name)


def _message(role: str) -> Sample:
    version = Version.V2_0 if role.startswith("2.0") else Version.V1_5
    said = {"care_setting": {"code": "789718008", "display": "Cardiology service"}} if version is Version.V2_0 else {}
    message = a_message(version, version=2 if role.endswith("replacement") else 1, **said)
    bundle = copy.deepcopy(message_bundle(message)[0])
    headers = Headers.of(envelope(message))
    use_case = UseCase.CONSULTATION_REPORT
    payload = bundle["entry"][2]["resource"]["entry"]
    by_type: dict[str, Any] = {entry["resource"]["resourceType"]: entry["resource"] for entry in payload}
    by_type["Binary"]["content"] = PDF_START
    if role in ("online", "generic"):
        use_case = UseCase.ONLINE_CONSULTATION if role == "online" else UseCase.GENERIC_DOCUMENT
        headers = _dress(role, bundle, by_type["Composition"], headers)
        _carry(payload, by_type["Composition"], shared() + (generic_only() if role == "generic" else []))
    if role == "unverified":
        status = by_type["Patient"]["identifier"][0]["extension"][0]["valueCodeableConcept"]["coding"][0]
        status |= {"code": "02", "display": "Number present but not traced"}
    if role == "unnumbered":
        by_type["Patient"]["identifier"] = [{"system": "https://tests.example/patient", "value": "1"}]
    return Sample(_xml(bundle), headers, version, use_case)


def _dress(role: str, bundle: Resource, composition: Resource, headers: Headers) -> Headers:
    title = "Online consultation report" if role == "online" else "Discharge report"
    type_code = "149951000000107" if role == "online" else "373942005"
    local_extension = "SendDocument-OnlineConsultationReport" if role == "online" else "SendDocument-Generic"
    bundle["entry"][0]["resource"]["extension"][0]["extension"][5]["valueString"] = local_extension
    composition["title"] = title
    composition["type"]["coding"][0] = {"system": "http://snomed.info/sct", "code": type_code, "display": title}
    composition["encounter"] = {"reference": f"urn:uuid:{uid('encounter')}"}
    words = f"{title} for Mr Mike MEAKIN, NHS Number 9658218873"
    composition["text"]["div"] = f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{words}, Version 1</p></div>'
    return replace(headers, subject=f"{words}, ODS Code Y90002")


def _carry(payload: list[Resource], composition: Resource, resources: list[Resource]) -> None:
    several = [resource for resource in resources if resource["resourceType"] in ("Immunization", "Condition")]
    for resource in resources:
        if resource["resourceType"] == "List":
            resource["entry"] += [{"item": {"reference": f"urn:uuid:{clinical['id']}"}} for clinical in several]
        payload.append({"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource})
        entry = {"reference": f"urn:uuid:{resource['id']}"}
        composition["section"].append({"title": resource["resourceType"], "entry": [entry]})


def _response(role: str) -> Sample:
    bundle = copy.deepcopy(message_bundle(a_message(Version.V1_5))[0])
    header = bundle["entry"][0]["resource"]
    for key in header["extension"][0]["extension"][:2]:
        key["valueBoolean"] = False
    header["event"] = {"system": header["event"]["system"], "code": "ITK008M", "display": "ITK Response"}
    del header["focus"]
    details = {"reference": f"urn:uuid:{uid('outcome')}"}
    header["response"] = {"identifier": uid("original"), "code": "fatal-error", "details": details}
    coding = {
        "system": "https://fhir.nhs.uk/STU3/CodeSystem/ITK-ResponseCodes-1",
        "code": "30003",
        "display": "Patient no longer at this clinical setting",
    }
    issue = {"severity": "fatal", "code": "business-rule", "details": {"coding": [coding]}, "diagnostics": "Moved away"}
    outcome = {
        "resourceType": "OperationOutcome",
        "id": uid("outcome"),
        "meta": {"profile": ["https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Response-OperationOutcome-1"]},
        "issue": [issue],
    }
    bundle["entry"][2] = {"fullUrl": f"urn:uuid:{uid('outcome')}", "resource": outcome}
    headers = Headers(sender="Y90002OT001", to="A20047OT001", workflow_id="GPFED_CONSULT_REPORT_ACK", subject="-")
    return Sample(_xml(bundle), headers, Version.V1_5, _ANSWERED[role.removesuffix("response").strip()])


def _xml(bundle: Resource) -> bytes:
    pieces: list[bytes] = to_xml(bundle)
    return b"".join(pieces)
