"""The settings of one sending mailbox: organisation, specification version, limits and deadlines."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from gpconnect_messaging.documents.report_designs import PageSize
from gpconnect_messaging.requests.snomed import is_concept_id
from gpconnect_messaging.specification import MESSAGE_DEFINITION, SPECIFICATIONS, Specification, Version
from gpconnect_messaging.specification.birth_date import BirthDateFormat

LARGEST_MESSAGE = 20_000_000_000
"""Most that MESH takes in all chunks of a message, in bytes (MESH API description, "Send chunked message")."""


_ODS_CODE = re.compile(r"[A-Z0-9]{3,10}")

LONGEST_HOLD = 3 * 60 * 60
"""Seconds from the consultation's last update within which a report must be sent (GPCM-SD-CS-075)."""


class Release(StrEnum):
    """What releases a held request: the end of the hold window alone, or a person as well (GPCM-SD-CS-074)."""

    AUTOMATIC = "automatic"
    BY_A_PERSON = "by a person"


class MailboxSettingsError(Exception):
    """The mailbox's parameter is missing or wrong: correct the environment's configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxSettings:
    """The settings of a sending mailbox; units are bytes and seconds."""

    mailbox: str
    ods_code: str
    specification: Version = Version.V2_0
    birth_date_format: BirthDateFormat = BirthDateFormat.YEAR_FIRST
    message_definition: str = MESSAGE_DEFINITION
    max_message_bytes: int = 5_000_000
    report_page: PageSize = PageSize.LETTER
    infrastructure_acknowledgement_seconds: int = 86_400
    business_acknowledgement_seconds: int = 432_000
    escalate_after_seconds: int = 14_400
    document_types: frozenset[str] = frozenset()
    """SNOMED CT codes of document types that NHS England approved for this sender beside the specification's own."""
    hold_window_seconds: int = 9_900
    """How long a request waits for a newer one of the encounter (GPCM-SD-CS-076): 2 h 45 min leave time to send."""
    warn_before_seconds: int = 600
    """How long before three hours are over a person is notified of a report that has not left (GPCM-SD-CS-075)."""
    release: Release = Release.AUTOMATIC
    further_ods_codes: frozenset[str] = frozenset()
    """ODS codes of the sending organisation beside `ods_code`: nothing is sent to itself (GPCM-SD-CS-071)."""
    pds_lookup: bool = False
    """Whether PDS is asked for the registered practice (GPCM-SD-CS-072); otherwise the request's is used."""

    @property
    def prescribed(self) -> Specification:
        """The mailbox's specification version."""
        return SPECIFICATIONS[self.specification]

    @property
    def own_ods_codes(self) -> frozenset[str]:
        """All ODS codes of the sending organisation."""
        return self.further_ods_codes | {self.ods_code}

    @property
    def infrastructure_deadline(self) -> timedelta:
        """How long after sending the infrastructure acknowledgement is due."""
        return timedelta(seconds=self.infrastructure_acknowledgement_seconds)

    @property
    def business_deadline(self) -> timedelta:
        """How long after sending the business acknowledgement is due."""
        return timedelta(seconds=self.business_acknowledgement_seconds)

    @property
    def escalate_after(self) -> timedelta:
        """How long after it was sent an unacknowledged notification is escalated."""
        return timedelta(seconds=self.escalate_after_seconds)

    @classmethod
    def from_json(cls, text: str) -> "MailboxSettings":
        """Read the mailbox's parameter.

        Raises MailboxSettingsError, which names the field and the rule.
        """
        try:
            settings = json.loads(text)
        except ValueError:
            raise MailboxSettingsError("mailbox settings: not JSON") from None
        if not isinstance(settings, dict):
            raise MailboxSettingsError("mailbox settings: not a JSON object")
        if unknown := set(settings) - set(_READERS):
            raise MailboxSettingsError(f"mailbox settings: unknown field(s) {', '.join(sorted(unknown))}")
        if missing := {"mailbox", "ods_code"} - set(settings):
            raise MailboxSettingsError(f"mailbox settings: missing {', '.join(sorted(missing))}")
        return cls(**{name: _READERS[name](name, value) for name, value in settings.items()})


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise MailboxSettingsError(f"mailbox settings: {name}: must be text")
    return value


def _count(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise MailboxSettingsError(f"mailbox settings: {name}: must be a whole number above 0")
    return value


def _message_bytes(name: str, value: Any) -> int:
    if _count(name, value) > LARGEST_MESSAGE:
        raise MailboxSettingsError(f"mailbox settings: {name}: must be at most {LARGEST_MESSAGE}")
    return int(value)


def _hold_window(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LONGEST_HOLD:
        raise MailboxSettingsError(f"mailbox settings: {name}: must be a whole number from 0 to {LONGEST_HOLD}")
    return value


def _ods_codes(name: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(code, str) and _ODS_CODE.fullmatch(code) for code in value):
        raise MailboxSettingsError(f"mailbox settings: {name}: must be a list of ODS codes in capital letters")
    return frozenset(value)


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise MailboxSettingsError(f"mailbox settings: {name}: must be true or false")
    return value


def _concepts(name: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(code, str) and is_concept_id(code) for code in value):
        raise MailboxSettingsError(f"mailbox settings: {name}: must be a list of SNOMED CT concept ids")
    return frozenset(value)


def _one_of(choices: type[StrEnum]) -> Callable[[str, Any], StrEnum]:
    def read(name: str, value: Any) -> StrEnum:
        try:
            return choices(value)
        except ValueError:
            raise MailboxSettingsError(f"mailbox settings: {name}: must be one of {', '.join(choices)}") from None

    return read


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "mailbox": _text,
    "ods_code": _text,
    "specification": _one_of(Version),
    "birth_date_format": _one_of(BirthDateFormat),
    "message_definition": _text,
    "max_message_bytes": _message_bytes,
    "report_page": _one_of(PageSize),
    "infrastructure_acknowledgement_seconds": _count,
    "business_acknowledgement_seconds": _count,
    "escalate_after_seconds": _count,
    "document_types": _concepts,
    "hold_window_seconds": _hold_window,
    "warn_before_seconds": _count,
    "release": _one_of(Release),
    "further_ods_codes": _ods_codes,
    "pds_lookup": _switch,
}
