"""A check: a requirement, the elements that it covers, and the rule that tests them."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gpconnect_messaging.conformance.message_under_test import UseCase
from gpconnect_messaging.conformance.rules import Rule
from gpconnect_messaging.specification import Version


class Level(StrEnum):
    """How binding a requirement is. A message that breaks a MUST is not conformant and is never sent."""

    MUST = "MUST"
    SHOULD = "SHOULD"


class Scope(StrEnum):
    """The kind of input that a check applies to."""

    MESSAGE = "message"
    RESPONSE = "response"
    ANY = "any"
    ENVELOPE = "envelope"
    """A message's MESH headers, as given to the MESH API."""
    CONTROL_FILE = "control file"
    """A message's MESH headers, as given to the MESH client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A requirement id of one specification version (None: of ITK3 or FHIR) and the rule that tests it.

    `title` paraphrases the requirement; `looks_at` names the elements. An id can mean different things in different
    versions, so the key is the pair.
    """

    version: Version | None
    id: str
    level: Level
    use_case: UseCase | None
    scope: Scope
    looks_at: str
    title: str
    rule: Rule

    @property
    def key(self) -> str:
        """The requirement's name in tests and reports: `1.5:GPCM-SD-038`, or the id alone if it has no version."""
        return f"{self.version}:{self.id}" if self.version else self.id


_FAMILIES = {
    "CS": UseCase.CONSULTATION_REPORT,
    "OC": UseCase.ONLINE_CONSULTATION,
    "GE": UseCase.GENERIC_DOCUMENT,
}


def checks(
    ids: str, level: Level, looks_at: str, rule: Rule, title: str, scope: Scope = Scope.MESSAGE
) -> Iterator[Check]:
    """Make one check for every requirement that states this rule.

    `ids` are short: `CS-018` is GPCM-SD-CS-018 and `SD-029` GPCM-SD-029, both of 1.5; `OC/GE-033` stands for two;
    `2.0/104` is GPCM-SD-104 of 2.0; any other id is taken unchanged and has no version.
    """
    for short in ids.split():
        family, _, number = short.partition("-")
        version: Version | None = Version.V1_5
        if short.startswith("2.0/"):
            version, names = Version.V2_0, [short[4:] if short[4] == "C" else f"SD-{short[4:]}"]
        elif family in ("SD", "C", *_FAMILIES):
            names = [short]
        elif family == "OC/GE":
            names = [f"OC-{number}", f"GE-{number}"]
        else:
            version, names = None, []
            yield Check(
                version=None, id=short, level=level, use_case=None, scope=scope, looks_at=looks_at, title=title,
                rule=rule,
            )  # fmt: skip
        for name in names:
            family = name.partition("-")[0]
            yield Check(
                version=version,
                id=f"GPCM-{name}" if family in ("SD", "C") else f"GPCM-SD-{name}",
                level=level,
                use_case=_FAMILIES.get(family),
                scope=scope,
                looks_at=looks_at,
                title=title,
                rule=rule,
            )
