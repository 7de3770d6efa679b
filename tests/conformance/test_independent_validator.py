"""Messages of the product against HAPI FHIR's validator with NHS England's published profiles: `make fhir-validate`.

The validator is independent of the product's checks. It is Java and comes from Maven Central: if one of the two is
missing, these tests are skipped and say which. Without the published profiles messages are held to FHIR STU3 alone.

The folder of profiles is not complete. If a profile names an extension without a definition, an empty definition with
only the URL replaces it, made from the referring profile when the validator starts: the validator then checks the
position and number of the extension and not the value. Writing out the permitted values would test the messages
against our own understanding, as our checks already do; allowing any extension would miss one in a wrong position. A
resource without a profile is checked against FHIR's base definition, and a code of a missing list is not checked.
`fhir_validator/Validate.java` names the two faults of the published files that it repairs.
"""

import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from gpconnect_messaging.code_systems import is_code_of
from gpconnect_messaging.conformance import UnreadableMessageError
from gpconnect_messaging.conformance.validation import validate_bytes
from gpconnect_messaging.documents.report import ReportRenderer, with_report
from gpconnect_messaging.itk3.compose import compose
from gpconnect_messaging.requests.refusal import RequestRefusedError
from tests.conformance.drawn_requests import drafts
from tests.conformance.random_mutants import mutants
from tests.examples import REQUESTS, ROOT, SPEC, messages_of

PROGRAM = Path(__file__).parent / "fhir_validator" / "Validate.java"
EXTENSIONS = ROOT / "layers" / "messaging" / "python" / "gpconnect_messaging" / "itk3" / "extensions.txt"
CLASSPATH = ROOT / ".build" / "fhir-validator" / "classpath.txt"
SAMPLES = sorted(folder.name for folder in REQUESTS.iterdir() if folder.name not in {"invalid", "withdrawal"})
ORIGINAL, REPLACEMENT = 1, 2
DRAWN = int(os.environ.get("DRAWN") or 100)
"""How many requests are drawn from the published schema."""
MUTANTS, SEED = int(os.environ.get("MUTANTS") or 30), int(os.environ.get("SEED") or 17)
"""How many mutants of these messages are made, and from which seed."""
CARE_SETTING = (
    b'<extension url="https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-CareConnect-CareSettingType-1">'
)
PUBLISHED = (SPEC / "profiles").exists()
# What makes a valid message break one of the published files, and words of what the validator says to that.
OF_PUBLISHED = {
    "ITK-Message-Bundle-1": (b'<type value="message"/>', b'<type value="collection"/>', "must be 'message'"),
    "CodeSystem-ITK-MessageEvent-2": (b"ITK007C", b"ITK999Z", "ITK-MessageEvent-2#ITK999Z"),
    "CodeSystem-ITK-RecipientType-1": (b'<code value="FA"/>', b'<code value="XX"/>', "ITK-RecipientType-1#XX"),
    "Extension-ITK-MessageHandling-2": (b"BusAckRequested", b"BusAckWanted", "extension:BusAckRequested: minimum"),
    "CareConnect-Patient-1": (b'<use value="official"/>', b'<use value="usual"/>', "Patient.name:official: minimum"),
    "CareConnect-AllergyIntolerance-1": (b'<code value="91936005"/>', b"", "coding:snomedCT.code: minimum"),
    "ITK-Attachment-Binary-1": (b'<contentType value="application/pdf"/>', b"", "ITK-Attachment-Binary-1"),
    # Only the URL of this extension is known: the validator notices that there are two.
    "CareConnect-Composition-1": (
        CARE_SETTING, CARE_SETTING + b'<valueString value="-"/></extension>' + CARE_SETTING, "careSettingTypeExtension",
    ),
}  # fmt: skip
OF_FHIR = {"FHIR STU3": (b'<status value="final"/>', b'<status value="done"/>', "CompositionStatus")}
BROKEN = OF_FHIR | (OF_PUBLISHED if PUBLISHED else {})


# Lists and profiles that are not published there, a questionnaire that it would look for outside the message, and a
# rule of FHIR R4: in STU3 a reference in either direction makes a resource part of a document.
UNKNOWABLE = re.compile(
    r"ValueSet \S+ not found"
    r"|Profile reference '\S+' has not been checked because it is unknown"
    r"|Entry '\S+' isn't reachable by traversing forwards from the Composition. .* \(R4 section 3.3.1\)"
    r"|The questionnaire '\S+' could not be resolved, .*"
)


UNIT_PARTS = "m kg mm[Hg] mol L % 10* [in_i] [iU] {x} {a(b)} 2 -1 / / / / . . . ( ) k d mmHg [ } foo"

_RANDOM = Random(SEED)
CODES = {
    "http://unitsofmeasure.org": [
        "".join(_RANDOM.choices(UNIT_PARTS.split(), k=_RANDOM.randint(1, 5))) for _ in range(200)
    ],
    "urn:ietf:bcp:47": [
        "".join(_RANDOM.choices("aefghnr", k=_RANDOM.choice([2, 2, 3])))
        + _RANDOM.choice(["", "-GB", "-XX", "_GB", "-Latn"])
        for _ in range(200)
    ],
    "urn:iso:std:iso:3166": ["".join(_RANDOM.choices("ABEGRSZ", k=2)) for _ in range(100)],
    "urn:iso:std:iso:4217": ["".join(_RANDOM.choices("ABEGPRSU", k=2)) + _RANDOM.choice("PDR") for _ in range(200)],
}
"""Codes by system, right and wrong: the lists are drawn from few letters, so that many are right."""

MADE: dict[str, bytes] = {}
"""The mutants by file."""


def refused(body: bytes) -> bool:
    """Whether the checks refuse a message, or cannot read it."""
    try:
        return any(finding.is_broken_must for finding in validate_bytes(body)[1])
    except UnreadableMessageError:
        return True


@dataclass(frozen=True)
class Issue:
    """An issue that the validator reports."""

    severity: str
    path: str
    words: str

    def __str__(self) -> str:
        return f"{self.path}: {self.words}"


def bodies(name: str, version: int) -> Iterator[bytes]:
    """The messages of a sample request, one per recipient, with the documents."""
    for message in messages_of(name, version=version):
        contents = [(REQUESTS / name / document.key).read_bytes() for document in message.request.documents_in_order]
        if message.request.primary is None:
            renderer = ReportRenderer(message.specification.report)
            report = renderer.render(message.request, version, lambda key: (REQUESTS / name / key).read_bytes())
            message = replace(message, request=with_report(message.request))
            contents.insert(0, report)
        composed = compose(message, [len(content) for content in contents])
        yield b"".join(composed.stream(lambda index, contents=contents: [contents[index]]))  # type: ignore[misc]


@pytest.fixture(scope="module")
def issues(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Issue]]:
    """The validator's issues per file, from one run, since starting it takes most of the time."""
    specifications = str(SPEC) if PUBLISHED else ""
    if shutil.which("java") is None:
        pytest.skip("there is no Java here")
    if not CLASSPATH.exists():
        pytest.skip("the validator is not here: `make fhir-validate` fetches it with Maven")
    folder = tmp_path_factory.mktemp("messages")
    for name in SAMPLES:
        for version in (ORIGINAL, REPLACEMENT):
            for number, body in enumerate(bodies(name, version)):
                (folder / f"{name} {version} {number}.xml").write_bytes(body)
    for seed in range(DRAWN):
        with suppress(RequestRefusedError):
            for number, draft in enumerate(drafts(Random(seed))):
                (folder / f"drawn {seed} {number}.xml").write_bytes(draft.xml)
    whole = [file.read_bytes() for file in sorted(folder.iterdir())]
    for number, (name, body) in enumerate(mutants(SEED, MUTANTS, whole)):
        (folder / f"mutant {number} {name}.xml").write_bytes(body)
        MADE[f"mutant {number} {name}"] = body
    for system, codes in CODES.items():
        (folder / f"codes {system.rpartition(':')[2].strip('/')}.xml").write_bytes(coded(system, codes))
    for broken, (part, instead, _) in BROKEN.items():
        valid = next(body for name in SAMPLES for body in bodies(name, ORIGINAL) if part in body)
        (folder / f"{broken}.xml").write_bytes(valid.replace(part, instead, 1))
    return _validate(specifications, sorted(folder.iterdir()))


def _validate(specifications: str, files: list[Path]) -> dict[str, list[Issue]]:
    # The quickest way to a short run: no optimising compiler, one collector thread.
    command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", CLASSPATH.read_text(), str(PROGRAM)]
    done = subprocess.run(
        [*command, specifications, str(EXTENSIONS), *map(str, files)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[Issue]] = defaultdict(list, {file.stem: [] for file in files})
    for line in done.stdout.splitlines():
        file, severity, path, words = line.split("\t")
        found[Path(file).stem].append(Issue(severity, path, words))
    return found


def coded(system: str, codes: list[str]) -> bytes:
    """An Observation with a component per code."""
    kind = '<component><code><text value="x"/></code>'
    components = "".join(
        f'{kind}<valueQuantity><system value="{system}"/><code value="{code}"/></valueQuantity></component>'
        for code in codes
    )
    start = '<Observation xmlns="http://hl7.org/fhir"><status value="final"/><code><text value="x"/></code>'
    return f"{start}{components}</Observation>".encode()


def errors(found: list[Issue]) -> list[str]:
    return [str(issue) for issue in found if issue.severity in ("ERROR", "FATAL")]


@pytest.mark.requirement("GPCM-C-02", "GPCM-C-2", "FHIR-V&V-01")
@pytest.mark.parametrize("version", [ORIGINAL, REPLACEMENT])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_messages_of_a_sample_request_are_what_the_published_profiles_want(
    issues: dict[str, list[Issue]], name: str, version: int
) -> None:
    messages = {file: found for file, found in issues.items() if file.rsplit(" ", 1)[0] == f"{name} {version}"}
    assert messages
    assert {file: errors(found) for file, found in messages.items() if errors(found)} == {}


@pytest.mark.requirement("GPCM-C-02", "GPCM-C-2", "FHIR-V&V-01")
def test_the_messages_of_drawn_requests_are_what_the_published_profiles_want(issues: dict[str, list[Issue]]) -> None:
    messages = {file: found for file, found in issues.items() if file.startswith("drawn ")}
    assert len(messages) > DRAWN / 2
    assert {file: errors(found) for file, found in messages.items() if errors(found)} == {}


def test_of_the_mutants_that_it_refuses_the_checks_refuse_99_of_100(
    issues: dict[str, list[Issue]], capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [name for name in MADE if errors(issues[name])]
    missed = {name: errors(issues[name])[:2] for name in wrong if not refused(MADE[name])}
    with capsys.disabled():
        print(
            f"\nseed {SEED}: HAPI refuses {len(wrong)} of {MUTANTS} mutants, the checks all of these but {len(missed)}"
        )
    assert len(wrong) > MUTANTS / 3
    assert len(missed) <= len(wrong) / 100, missed


@pytest.mark.parametrize("system", CODES)
def test_a_code_that_it_refuses_is_refused(issues: dict[str, list[Issue]], system: str) -> None:
    found = errors(issues[f"codes {system.rpartition(':')[2].strip('/')}"])
    wrong = {int(number[1]) for error in found if (number := re.search(r"component\[([0-9]+)\]", error))}
    taken = {number for number, code in enumerate(CODES[system]) if is_code_of(system, code)}
    assert min(len(taken), len(wrong)) > 10
    assert [CODES[system][number] for number in sorted(taken & wrong)] == []


@pytest.mark.parametrize("broken", BROKEN)
def test_the_validator_applies_fhir_and_every_published_file(issues: dict[str, list[Issue]], broken: str) -> None:
    assert BROKEN[broken][2] in "\n".join(errors(issues[broken]))


def test_it_doubts_nothing_but_what_it_cannot_know(issues: dict[str, list[Issue]]) -> None:
    doubts = {
        issue.words
        for file, found in issues.items()
        if file not in BROKEN and file not in MADE
        for issue in found
        if issue.severity == "WARNING"
    }
    assert {doubt for doubt in doubts if not UNKNOWABLE.fullmatch(doubt)} == set()
