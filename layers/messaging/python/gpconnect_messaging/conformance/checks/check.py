"""A check: a requirement, the elements that it covers, and the rule that tests them."""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from gpconnect_messaging.conformance.rules import Rule
from gpconnect_messaging.specification import UseCase, Version
from gpconnect_messaging.usecases import USE_CASES


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


class Check(NamedTuple):
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


_FAMILIES = {use_case.family: use_case.name for use_case in USE_CASES.values()}


def checks(
    ids: str, level: Level, looks_at: str, rule: Rule, title: str, scope: Scope = Scope.MESSAGE
) -> Iterator[Check]:
    """Make one check for every requirement that states this rule.

    `ids` are short: `CS-018` is GPCM-SD-CS-018 and `SD-029` GPCM-SD-029, both of 1.5; `OC/GE-033` stands for two;
    `2.0/104` is GPCM-SD-104 of 2.0, and letters are those of a use case there too; any other id is taken unchanged and
    has no version.
    """
    for short in ids.split():
        for version, name, use_case in _names(short):
            yield Check(version, name, level, use_case, scope, looks_at, title, rule)


def short_keys(ids: str) -> list[str]:
    """Return the keys of the requirements that short ids stand for."""
    names = [named for short in ids.split() for named in _names(short)]
    return [f"{version}:{name}" if version else name for version, name, _ in names]


def _names(short: str) -> Iterator[tuple[Version | None, str, UseCase | None]]:
    version = Version.V2_0 if short.startswith("2.0/") else Version.V1_5
    family, _, number = short.removeprefix("2.0/").rpartition("-")
    if family in ("SD", "C") or (not family and version is Version.V2_0):
        yield version, f"GPCM-{family or 'SD'}-{number}", None
    elif set(families := family.split("/")) <= _FAMILIES.keys():
        for name in families:
            yield version, f"GPCM-SD-{name}-{number}", _FAMILIES[name]
    else:
        yield None, short, None
