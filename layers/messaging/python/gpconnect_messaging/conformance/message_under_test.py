"""The subject of a check: a message or response, parsed once, with the parts and references indexed."""

from functools import cached_property

from gpconnect_messaging.conformance.families import SEND_DOCUMENT, Family, family_of
from gpconnect_messaging.conformance.headers import Headers
from gpconnect_messaging.conformance.structure import Structure, validate_structure
from gpconnect_messaging.conformance.tree import Node, Tree
from gpconnect_messaging.specification import UseCase, Version

ODS_CODE = "https://fhir.nhs.uk/Id/ods-organization-code"
SITE_CODE = "https://fhir.nhs.uk/Id/ods-site-code"
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
SDS_USER = "https://fhir.nhs.uk/Id/sds-user-id"
SNOMED_CT = "http://snomed.info/sct"
# Values of the specification are written out in the checks, never taken from the builder: it may be wrong about them.
_BY_LOCAL_EXTENSION = {
    "SendDocument-ConsultationReport": UseCase.CONSULTATION_REPORT,
    "SendDocument-ConsultationSummary": UseCase.CONSULTATION_REPORT,  # only in the 1.x examples: see GPCM-SD-CS-048
    "SendDocument-OnlineConsultationReport": UseCase.ONLINE_CONSULTATION,
    "SendDocument-Generic": UseCase.GENERIC_DOCUMENT,
}
_ONLINE_CONSULTATION_REPORT = "149951000000107"
"""The one type that only one use case has: in 1.5, GPCM-SD-OC-003."""


class MessageUnderTest:
    """A message or response, with the envelope if there is one.

    The family, specification version and use case are detected from the message unless they are given: a given version
    or use case means Send Document.
    """

    def __init__(
        self,
        tree: Tree,
        headers: Headers | None = None,
        *,
        specification: Version | None = None,
        use_case: UseCase | None = None,
    ) -> None:
        self.root, self.ordered = tree
        root = tree.root
        self.headers = headers
        self.entries = [resource for entry in root.all("entry") for resource in _resources(entry)]
        self.header = next((resource for resource in self.entries if resource.name == "MessageHeader"), None)
        self.is_response = self.header is not None and (
            self.header.first("response") is not None or self.header.text("event", "code") in ("ITK008M", "ITK002M")
        )
        self.family = Family(SEND_DOCUMENT, "") if specification or use_case else self._detected_family()
        self.specification = specification or self._detected_specification()
        self.use_case = use_case or self._detected_use_case()

    @cached_property
    def handling(self) -> dict[str, Node]:
        """The inner extensions of the handling extension, by url."""
        extension = self.header and self.header.extension("/Extension-ITK-MessageHandling-2")
        return {inner.url: inner for inner in extension.all("extension") if inner.url} if extension else {}

    def handled(self, key: str) -> Node | None:
        """The value element of a key of the handling extension."""
        extension = self.handling.get(key)
        return (
            next((child for child in extension.children if child.name.startswith("value")), None) if extension else None
        )

    @cached_property
    def document(self) -> Node | None:
        """The payload: the Bundle that the header's focus names, or else the only Bundle inside."""
        if self.header and (focus := self.header.first("focus")):
            referred = self.resolve(focus.text("reference"), self.outer_urls)
            if referred is not None and referred.name == "Bundle":
                return referred
        bundles = [resource for resource in self.entries if resource.name == "Bundle"]
        return bundles[0] if len(bundles) == 1 else None

    @cached_property
    def payload(self) -> list[Node]:
        """The payload's resources in order."""
        return (
            [resource for entry in self.document.all("entry") for resource in _resources(entry)]
            if self.document
            else []
        )

    @cached_property
    def references(self) -> dict[int, list[Node]]:
        """The `reference` elements of every resource, by `id(resource)`; the payload Bundle itself is left out."""
        return {
            id(resource): [node for node in resource.walk() if node.name == "reference" and node.value]
            for resource in (*self.entries, *self.payload)
            if resource is not self.document
        }

    @cached_property
    def _by_type(self) -> dict[str, list[Node]]:
        found: dict[str, list[Node]] = {}
        for resource in self.payload:
            found.setdefault(resource.name, []).append(resource)
        return found

    def resources(self, kind: str) -> list[Node]:
        """List the payload's resources of a type."""
        return self._by_type.get(kind, [])

    @cached_property
    def outer_urls(self) -> dict[str, Node]:
        """The resources of the message Bundle by all names that a reference may use."""
        return _named(self.root)

    @cached_property
    def payload_urls(self) -> dict[str, Node]:
        """The payload's resources by all names that a reference may use."""
        return _named(self.document) if self.document else {}

    def resolve(self, reference: str, urls: dict[str, Node]) -> Node | None:
        """Find the resource that a reference names: by full URL, `Type/id`, or a bare id (older senders)."""
        return urls.get(reference) or urls.get(reference.removeprefix("urn:uuid:").lower())

    def referred(self, node: Node | None) -> Node | None:
        """Find the payload resource that a Reference element names."""
        return self.resolve(node.text("reference"), self.payload_urls) if node else None

    @cached_property
    def composition(self) -> Node | None:
        """The payload's Composition."""
        return next(iter(self.resources("Composition")), None)

    @cached_property
    def patient(self) -> Node | None:
        """The Composition's subject, or else the first Patient of the payload."""
        subject = self.referred(self.composition.first("subject")) if self.composition else None
        if subject is not None and subject.name == "Patient":
            return subject
        return next(iter(self.resources("Patient")), None)

    @cached_property
    def organisation(self) -> Node | None:
        """The sending organisation: the Composition's custodian, or else the first Organization of the payload."""
        custodian = self.referred(self.composition.first("custodian")) if self.composition else None
        if custodian is not None and custodian.name == "Organization":
            return custodian
        return next(iter(self.resources("Organization")), None)

    @cached_property
    def sections(self) -> list[Node]:
        """The Composition's sections with all nested sections."""
        found = self.composition.all("section") if self.composition else []
        for section in found:  # the list grows during the loop
            found += section.all("section")
        return found

    @cached_property
    def section_entries(self) -> list[tuple[Node, Node | None]]:
        """The entries of the sections, each with the resource that it refers to."""
        return [(entry, self.referred(entry)) for section in self.sections for entry in section.all("entry")]

    @cached_property
    def sectioned(self) -> frozenset[int]:
        """The `id` of every resource that a section refers to, directly or through a List."""
        found = [resource for _, resource in self.section_entries if resource is not None]
        lists = [resource for resource in found if resource.name == "List"]
        items = [self.referred(item) for resource in lists for item in resource.at("entry", "item")]
        return frozenset(map(id, (*found, *items)))

    @cached_property
    def listed(self) -> frozenset[int]:
        """The `id` of every resource that a List of the payload refers to."""
        return frozenset(
            id(self.referred(item)) for holder in self.resources("List") for item in holder.at("entry", "item")
        )

    @cached_property
    def structure(self) -> Structure:
        """The results of the structure checks, from one walk over the message."""
        return validate_structure(self.root, ordered=self.ordered)

    @cached_property
    def nhs_number(self) -> str:
        """The patient's NHS number, "" if there is none."""
        return identified(self.patient, NHS_NUMBER)

    @cached_property
    def ods_code(self) -> str:
        """The sending organisation's ODS code, "" if there is none."""
        return identified(self.organisation, ODS_CODE)

    @cached_property
    def sender_code(self) -> str:
        """The ODS code of the header's sender, "" if there is none."""
        sender = self.resolve(self.header.text("sender", "reference"), self.outer_urls) if self.header else None
        return identified(sender, ODS_CODE)

    @cached_property
    def narrative(self) -> str:
        """The text of Composition.text, with white space normalised."""
        return " ".join(self.composition.text("text", "div").split()) if self.composition else ""

    @property
    def confidential(self) -> bool:
        """Whether the Composition says that the consultation is restricted."""
        return self.composition is not None and self.composition.text("confidentiality") == "R"

    @property
    def anchor(self) -> Node:
        """The node that a violation points at if the required element is missing."""
        return self.document or self.header or self.root

    def _local_extension(self) -> str:
        value = self.handled("LocalExtension")
        return (value.value or "") if value else ""

    def _detected_family(self) -> Family:
        definition = self.handled("MessageDefinition")
        named = definition.text("reference") if definition else ""
        workflow_id = self.headers.workflow_id if self.headers else ""
        return family_of(self.header, named, self._local_extension(), workflow_id)

    def _detected_specification(self) -> Version:
        workflow = self.headers.workflow_id if self.headers else ""
        if workflow.startswith("GPFED_") or self._local_extension().startswith("SendDocument-"):
            return Version.V1_5
        return Version.V2_0

    def _detected_use_case(self) -> UseCase:
        codes = [code.value for code in self.composition.at("type", "coding", "code")] if self.composition else []
        # The type decides first: NHS England's example of an online consultation has another use case's extension.
        if self.specification is Version.V1_5 and _ONLINE_CONSULTATION_REPORT in codes:
            return UseCase.ONLINE_CONSULTATION
        return _BY_LOCAL_EXTENSION.get(self._local_extension(), UseCase.CONSULTATION_REPORT)


def identified(resource: Node | None, system: str) -> str:
    """Return the value of a resource's identifier in a system, or ""."""
    found = resource.where("identifier", "system", system) if resource else []
    return found[0].text("value") if found else ""


def _resources(entry: Node) -> list[Node]:
    holder = entry.first("resource")
    return list(holder.children[:1]) if holder else []


def _named(bundle: Node) -> dict[str, Node]:
    named: dict[str, Node] = {}
    for entry in bundle.all("entry"):
        for resource in _resources(entry):
            identifier = resource.text("id")
            url = entry.text("fullUrl")
            for name in (
                url,
                url.removeprefix("urn:uuid:").lower(),
                identifier.lower(),
                f"{resource.name}/{identifier}",
            ):
                if name:
                    named.setdefault(name, resource)
    return named
