"""Requests drawn at random from the published schema, so that a rule is tried on more than the samples.

Every field and alternative of the schema is drawn as the schema allows it. `_within_the_rules` then mends what two
fields together would break, such as an end before the start: the more requests are accepted, the more messages there
are to check. People have NHS numbers of the test range.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from random import Random
from typing import Any

from gpconnect_messaging.drafts import DraftMessage, draft_messages
from gpconnect_messaging.identifiers import CONCEPT_ID, MAILBOX_ID, NHS_NUMBER, ODS_CODE
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.requests.models import KINDS
from gpconnect_messaging.specification import SPECIFICATIONS, UseCase, Version
from gpconnect_messaging.usecases import OPTIONAL_FIELDS, USE_CASES
from tests.examples import MAILBOXES, REQUESTS, ROOT
from tests.identifiers import IDENTIFIERS

SCHEMA: dict[str, Any] = json.loads((ROOT / "events" / "request.schema.json").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
_FILES = {
    "application/pdf": REQUESTS / "consultation-report-2.0" / "report.pdf",
    "image/png": REQUESTS / "consultation-report-2.0-attachments" / "wound.png",
    "text/plain": REQUESTS / "send-document-2.0-outpatient-letter" / "letter.txt",
}
_PULSE = (
    b'<Observation xmlns="http://hl7.org/fhir"><status value="final"/><code><coding>'
    b'<system value="http://snomed.info/sct"/><code value="78564009"/><display value="Pulse rate"/></coding></code>'
    b'<subject><reference value="Patient/patient"/></subject><issued value="2026-11-20T10:00:00Z"/>'
    b'<performer><reference value="Patient/patient"/></performer><valueString value="70"/></Observation>'
)
_READY_FOLDERS = ("generic-document-1.5", "online-consultation-1.5-pharmacy")
_WORDS = (
    "Chest", "pain", "Seán", "O'Brien", "Müller-Lüdenscheidt", "<b>", "&", "\"quoted\"", "naïve", "38.5 °C", "½", "µg",
    "2/7", "£5", "Łukasz", "line", "—", "x" * 40, "日本", "]]>", "a\u0301", "1.", "?", "🙂",
)  # fmt: skip
_FAMILIES = ("WRIGHT", "O'Brien", "Müller", "van der Berg", "Smith-Jones", "ÅKESSON", "De Souza")
_CONCEPTS = ("371531000", "789718008", "58000006", "271649006", "271650006", "75367002", "149971000000103")
_EXAMPLES = {
    "gmp_number": ["G1234567", "G9012345"],
    "hcpc_number": ["PH12345", "PYL012345"],
    "nmc_number": ["12A3456B"],
    "gmc_number": ["1234567", "C7654321"],
}
"""Texts of forms that are not drawn, by the field's name."""
_PROFESSIONAL_DIGITS = re.compile(r"\^\[0-9\]\{(\d+)(?:,(\d+))?\}\$")


@dataclass
class Drawing:
    """Draws values of the schema, and counts what was drawn: `Patient.gender`, `Patient.gender=male`."""

    random: Random
    drawn: Counter[str] = field(default_factory=Counter)

    def request(self) -> tuple[dict[str, Any], MailboxSettings, dict[str, bytes]]:
        """Draw a request, with the settings of the mailbox and the files by key."""
        use_case = self.random.choice(list(UseCase))
        version = self.random.choice(list(USE_CASES[use_case].versions))
        content = self._object("Request", 0)
        files = self._within_the_rules(content, use_case, version)
        self.count(content, "Request")
        return content, MAILBOXES[version], files

    def count(self, value: Any, name: str) -> None:
        """Count the fields and alternatives of a drawn object."""
        properties = SCHEMA["$defs"][name]["properties"]
        for key, inner in value.items():
            self.drawn[f"{name}.{key}"] += 1
            self._count_value(inner, properties[key], f"{name}.{key}")

    def _count_value(self, value: Any, schema: Mapping[str, Any], path: str) -> None:
        for alternative in schema.get("anyOf", [schema]):
            if "$ref" in alternative:
                name = alternative["$ref"].rsplit("/", 1)[1]
                definition = SCHEMA["$defs"][name]
                if isinstance(value, dict) and "properties" in definition:
                    self.count(value, name)
                elif value in definition.get("enum", ()):
                    self.drawn[f"{path}={value}"] += 1
            elif "enum" in alternative and value in alternative["enum"]:
                self.drawn[f"{path}={value}"] += 1
            elif alternative.get("type") == "array" and isinstance(value, list):
                for inner in value:
                    self._count_value(inner, alternative["items"], path)
            elif alternative.get("type") == "boolean" and isinstance(value, bool):
                self.drawn[f"{path}={value}"] += 1

    def _object(self, name: str, depth: int) -> dict[str, Any]:
        definition = SCHEMA["$defs"][name]
        required = definition.get("required", [])
        drawn = {
            key: self._value(schema, f"{name}.{key}", depth + 1)
            for key, schema in definition["properties"].items()
            if key in required or self.random.random() < 0.5
        }
        return _MEND[name](self.random, drawn) if name in _MEND else drawn

    def _value(self, schema: Mapping[str, Any], path: str, depth: int) -> Any:
        alternatives = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
        schema = self.random.choice(alternatives)
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            definition = SCHEMA["$defs"][name]
            return self._object(name, depth) if "properties" in definition else self.random.choice(definition["enum"])
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        if "const" in schema:
            return schema["const"]
        match schema["type"]:
            case "array":
                most = 3 if depth < 6 else 0
                least = schema.get("minItems", 0)
                count = max(least, self.random.randint(0, most))
                return [self._value(schema["items"], path, depth + 1) for _ in range(count)]
            case "boolean":
                return self.random.random() < 0.5
            case "integer":
                return self.random.randint(1, 10_000_000)
            case "number":
                return self.random.choice([0, 1, 36.6, 120, -1.5, 0.001, 12345678.25])
        return self._text(schema, path)

    def _text(self, schema: Mapping[str, Any], path: str) -> str:
        random, pattern = self.random, schema.get("pattern", "")
        if path == "Name.family":
            return random.choice(_FAMILIES)
        if pattern.startswith("^(18[89]"):
            at = NOW - timedelta(seconds=random.randint(0, 40 * 24 * 3600))
            if "T(" not in pattern:
                return str(random.randint(1900, 2010)) + at.strftime("-%m-%d")
            at = at.astimezone(timezone(timedelta(minutes=random.choice([0, 0, 60, -300, 330]))))
            precision = random.choice(["minutes", "seconds", "milliseconds"])
            written = at.isoformat(timespec=precision)
            return written.replace("+00:00", "Z") if random.random() < 0.5 else written
        if pattern == f"^{NHS_NUMBER}$":
            return _nhs_number(random)
        if pattern == f"^{CONCEPT_ID}$" or pattern == "^[0-9]{6,18}$":
            return random.choice(_CONCEPTS)
        if pattern == f"^{ODS_CODE}$":
            return random.choice(["A20047", "B81016", "RX809", "Y90003", "FA565"])
        if pattern == f"^{MAILBOX_ID}$":
            return random.choice(["A20047OT001", "X26OT002"])
        if (examples := _EXAMPLES.get(path.rpartition(".")[2])) and pattern:
            return random.choice(examples)
        if digits := _PROFESSIONAL_DIGITS.fullmatch(pattern):
            return "".join(random.choices("0123456789", k=int(digits[2] or digits[1])))
        if path == "LocalIdentifier.system":
            return random.choice(["https://clinic.example/Id/staff", "urn:oid:2.16.840.1.113883.2.1.9999"])
        if pattern == "^[!-~]{1,50}$":
            return random.choice(["kg", "mm[Hg]", "%", "/min", "{score}", "Cel"])
        if path.endswith("content_type"):
            return random.choice(list(_FILES))
        words = " ".join(random.choices(_WORDS, k=random.randint(1, 12))).strip()
        most = schema.get("maxLength")
        if most is None and random.random() < 0.3:
            words = words.replace(" ", random.choice(["\n", "\n\n", "\t"]), 1)
        words = (words[:most] if most else words).strip() or "words"
        return words.ljust(schema.get("minLength", 1), "x")

    # What two fields together would break

    def _within_the_rules(self, content: dict[str, Any], use_case: UseCase, version: Version) -> dict[str, bytes]:
        random, definition, mailbox = self.random, USE_CASES[use_case], MAILBOXES[version]
        rules, prescribed = definition.versions[version], SPECIFICATIONS[version]
        content |= {"use_case": use_case.value, "mailbox": mailbox.mailbox}
        content["organisation"]["ods_code"] = mailbox.ods_code
        needed = set(definition.needs)
        if rules.practitioner_required:
            needed.add("practitioner")
        if content.get("other_practitioners"):
            needed.add("practitioner")
        for name in needed - content.keys():
            content[name] = self._value(SCHEMA["$defs"]["Request"]["properties"][name], f"Request.{name}", 1)
        for name in OPTIONAL_FIELDS:
            if name in content and (name not in definition.takes or name in rules.prescribed):
                del content[name]
        if "document_type" in content and prescribed.document_types is not None:
            code = random.choice(sorted(prescribed.document_types))
            content["document_type"] = {"code": code, "display": prescribed.document_types[code]}
        consultation = content["consultation"]
        if consultation.get("confidential") and (prescribed.confidential != "redacted" or random.random() < 0.8):
            consultation["confidential"] = False
        if consultation.get("confidential"):
            for name in ("event", "care_setting", "location", "observations", "questionnaire", "resources"):
                content.pop(name, None)
        self._coded(content, definition.coded_kinds)
        _in_order(consultation, "start", "end", "updated")
        if "event" in content:
            _in_order(content["event"], "start", "end")
        self._patient(content["patient"])
        self._recipients(content, allowed=rules.care_provider_allowed)
        self._people(content, rules.practitioner_required, prescribed.author_may_be_unknown)
        return self._files(content, definition.rendered, sorted(definition.primary_content_types))

    def _coded(self, content: dict[str, Any], allowed: frozenset[str]) -> None:
        sections = content["consultation"].get("sections", [])
        for section in sections:
            for item in section.get("items", []):
                if item.get("kind") and item["kind"] not in allowed:
                    for name in item.keys() - {"term", "code", "text"}:
                        del item[name]
                elif item.get("kind") and "practitioner" not in content:
                    content["practitioner"] = self._object("Practitioner", 1)
            for result in section.get("results", []) if "result" not in allowed else ():
                result.pop("code", None)

    def _recipients(self, content: dict[str, Any], *, allowed: bool) -> None:
        if not allowed:
            content.pop("care_provider", None)
            content.pop("copy_to", None)
        others = [*([content["care_provider"]] if "care_provider" in content else []), *content.get("copy_to", [])]
        for other, code in zip(others, ("RX809", "FA565", "Y90009", "B81016"), strict=False):
            other["ods_code"] = code
        if others:
            content.setdefault("registered_practice", {})["ods_code"] = "A20047"
        elif "registered_practice" in content:
            content["registered_practice"]["ods_code"] = "A20047"

    def _patient(self, patient: dict[str, Any]) -> None:
        if patient.get("nhs_number_status") != "01" and self.random.random() < 0.8:  # FHIR-PDS-02
            patient.setdefault("gender", "other")
            patient.setdefault("address", {"lines": ["1 Example Row"]}).setdefault("postcode", "LS1 4AP")
            patient["name"]["given"] = patient["name"]["given"] or ["Ada"]
        if "death_date" in patient:
            patient |= {"death_date": "2026-11-20", "deceased": True}
        if "current_address" not in patient:
            patient.pop("current_from", None)
            patient.pop("current_until", None)
        if {"current_from", "current_until"} <= patient.keys():
            patient["current_from"], patient["current_until"] = sorted(
                (patient["current_from"], patient["current_until"])
            )
        for number, identifier in enumerate(patient.get("identifiers", [])):
            identifier["value"] = f"H{number} {identifier['value']}"[:255].strip()

    def _people(self, content: dict[str, Any], practitioner_required: bool, author_may_be_unknown: bool) -> None:
        authors = [name for name in dict.fromkeys(content.get("authors", [])) if name in content]
        if not authors and "practitioner" not in content and not author_may_be_unknown:
            authors = ["patient"] if "authors" in USE_CASES[UseCase(content["use_case"])].takes else []
        if "device" in content and "device" not in authors:
            authors = [*authors, "device"]
        if authors and practitioner_required and "practitioner" not in authors:
            authors = ["practitioner", *authors]
        content.pop("authors", None)
        if authors:
            content["authors"] = authors

    def _files(self, content: dict[str, Any], rendered: bool, primary_types: list[str]) -> dict[str, bytes]:
        random, consultation = self.random, content["consultation"]
        documents = [
            {**document, "key": f"{number} file.bin", "content_type": random.choice(list(_FILES)), "primary": False}
            for number, document in enumerate(content.get("documents", []))
        ]
        sections = consultation.get("sections", [])
        if not (rendered and (sections or consultation.get("confidential")) and random.random() < 0.6):
            main = {"key": "main.pdf", "content_type": "application/pdf", "title": "Letter", "primary": True}
            documents.insert(random.randint(0, len(documents)), main)
        assert "application/pdf" in primary_types
        pictures = [document["key"] for document in documents if document["content_type"] == "image/png"]
        for section in sections:
            section["images"] = [random.choice(pictures) for _ in section.get("images", [])] if pictures else []
            if not (section["images"] or section.get("text") or section.get("items") or section.get("results")):
                section["text"] = "Nothing abnormal."
        content["documents"] = documents
        files = {document["key"]: _FILES[document["content_type"]].read_bytes() for document in documents}
        resources = []
        for number, supplied in enumerate(content.get("resources", [])):
            content_type, raw = random.choice(_ready(content["use_case"]))
            supplied = {"content_type": content_type, "confidential": supplied.get("confidential", False)}
            if random.random() < 0.5:
                supplied["key"] = f"ready{number}"
                files[supplied["key"]] = raw
            else:
                supplied["content"] = raw.decode()
            resources.append(supplied)
        content.pop("resources", None)
        if resources:
            content["resources"] = resources
        return files


def drafts(random: Random) -> tuple[DraftMessage, ...]:
    """The messages of a drawn request; raises RequestRefusedError."""
    content, mailbox, files = Drawing(random).request()
    raw = json.dumps(content, ensure_ascii=False).encode()
    return draft_messages(raw, mailbox, files.__getitem__, identifiers=IDENTIFIERS, now=NOW)


def _nhs_number(random: Random) -> str:
    while True:
        digits = "9" + "".join(random.choices("0123456789", k=8))
        check = 11 - sum(int(digit) * (10 - index) for index, digit in enumerate(digits)) % 11
        if check != 10:
            return digits + str(check % 11)


def _in_order(times: dict[str, Any], *names: str) -> None:
    known = [name for name in names if name in times]
    times |= zip(known, sorted((times[name] for name in known), key=datetime.fromisoformat), strict=True)


def _one_kind(random: Random, value: dict[str, Any]) -> dict[str, Any]:
    kind = random.choice(sorted(value)) if value else "text"
    return {kind: value.get(kind, "yes")}


def _observation(random: Random, value: dict[str, Any]) -> dict[str, Any]:
    if value.get("value", {}).keys() & {"day"}:
        value["value"] = {"text": "since Monday"}
    for component in value.get("components", []):
        if component["value"].keys() & {"day", "boolean"}:
            component["value"] = {"text": "high"}
    return value


def _supplied(random: Random, value: dict[str, Any]) -> dict[str, Any]:
    value.pop("key" if random.random() < 0.5 and "content" in value else "content", None)
    return value if {"key", "content"} & value.keys() else {**value, "content": "{}"}


def _coded_item(random: Random, value: dict[str, Any]) -> dict[str, Any]:
    """Keep what the drawn kind takes, and what fits together."""
    kind = str(value.get("kind"))
    needed, statuses, taken = KINDS.get(kind, ((), (), ()))
    details = {"status", "prescription", "significance", "cause", "reaction", "start", "end"} - {*needed, *taken}
    value = {name: inner for name, inner in value.items() if name not in details}
    choices = {"prescription": ("acute", "repeat"), "significance": ("major", "minor"), "cause": ("medication",)}
    for name in needed:
        value.setdefault(name, random.choice(choices.get(name, ("one a day",))))
    if "status" in value and value["status"] not in statuses:
        value["status"] = random.choice(statuses)
    if "start" in value:
        value["start"] = f"2011-{random.randint(1, 12):02}-01"
    if "end" in value and (kind == "medication" or value.get("status", "active") != "active"):
        value["end"] = f"2012-{random.randint(1, 12):02}-28"
    else:
        value.pop("end", None)
    if value.get("status") in ("stopped", "resolved"):
        value.setdefault("end", "2012-02-29")
    return value


def _result(random: Random, value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "value": random.choice(["3.2", "<0.5", ">= 90", "-1.50", "0.00000001", "007", value["value"]])}


_MEND = {
    "CodedItem": _coded_item,
    "Result": _result,
    "Value": _one_kind,
    "Observation": _observation,
    "SuppliedResource": _supplied,
}


@cache
def _ready(use_case: str) -> list[tuple[str, bytes]]:
    """A pulse, and the ready resources of the samples that refer to the patient alone."""
    found = [("application/fhir+xml", _PULSE)]
    for folder in _READY_FOLDERS:
        request = json.loads((REQUESTS / folder / "request.json").read_text(encoding="utf-8"))
        for resource in request.get("resources", []):
            raw = (REQUESTS / folder / resource["key"]).read_bytes()
            references = set(re.findall(rb'"reference": *"([^"]+)"|<reference value="([^"]+)"', raw))
            if {first or second for first, second in references} <= {b"Patient/patient"}:
                found.append((resource["content_type"], raw))
    return found
