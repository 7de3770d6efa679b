"""The settings of one sending mailbox: organisation, specification version, limits and deadlines.

The deployment's configuration and the functions use this one model: the configuration writes it as the mailbox's
parameter, and the functions read it from there. The model checks every setting, in both.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from gpconnect_messaging.identifiers import (
    ODS_CODE_RULE,
    OWN_MAILBOX_ID_RULE,
    is_concept_id,
    is_mailbox_id,
    is_ods_code,
)
from gpconnect_messaging.specification import (
    MESSAGE_DEFINITION,
    SPECIFICATIONS,
    WITHDRAWN_DEFINITION,
    PageSize,
    Specification,
    Version,
)
from gpconnect_messaging.specification.birth_date import BirthDateFormat

LARGEST_MESSAGE = 20_000_000_000
"""Most that MESH takes in all chunks of a message, in bytes (MESH API description, "Send chunked message")."""
LONGEST_HOLD = 3 * 60 * 60
"""Seconds from the consultation's last update within which a report must be sent (GPCM-SD-CS-075)."""
LONGEST_WAIT = 90 * 24 * 60 * 60
"""Seconds that a wait may last: the ledger keeps every message for at least 90 days (`retention.audit_days`)."""


class Release(StrEnum):
    """What releases a held request: the end of the hold window alone, or a person as well (GPCM-SD-CS-074)."""

    AUTOMATIC = "automatic"
    BY_A_PERSON = "by a person"


class MailboxSettingsError(ValueError):
    """A setting is missing or wrong: correct the environment's configuration. The text names the field and the rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxSettings:
    """A sending mailbox: the organisation and the form of the messages. Published as the mailbox's parameter.

    Raises MailboxSettingsError.
    """

    mailbox: str
    """The MESH mailbox id."""
    ods_code: str
    """The ODS code of the sending organisation."""
    specification: Version = Version.V2_0
    """The specification version of the messages."""
    birth_date_format: BirthDateFormat = BirthDateFormat.YEAR_FIRST
    """The format of the birth date in the MESH address of a registered practice."""
    message_definition: str = MESSAGE_DEFINITION
    """The message definition that a message names."""
    max_message_bytes: int = 5_000_000
    """The longest message that may be sent. A request that needs a longer one is refused."""
    report_page: PageSize = PageSize.LETTER
    """The paper of rendered reports."""
    document_types: tuple[str, ...] = ()
    """SNOMED CT document types that NHS England approved for this sender, beyond those for all senders."""
    care_setting: str = ""
    """The kind of service that sends, if a request does not say: SNOMED CT concept id and words, such as
    `789718008 Cardiology service`."""
    infrastructure_acknowledgement_seconds: int = 86_400
    """How long after sending the infrastructure acknowledgement is due. Then the message is OVERDUE."""
    business_acknowledgement_seconds: int = 432_000
    """How long after sending the business acknowledgement is due. Then the message is OVERDUE."""
    pds_lookup: bool | None = None
    """Whether the builder asks PDS about the patient (GPCM-SD-CS-072). None: if the environment has `pds`."""
    escalate_after_seconds: int = 14_400
    """Time from the first delivery of a notification about this mailbox to escalation, unless it is acknowledged."""
    hold_window_seconds: int = 9_900
    """How long a request waits for a newer one of the encounter (GPCM-SD-CS-076): 2 h 45 min leave time to send."""
    warn_before_seconds: int = 600
    """How long before the end of the three hours a person is notified of an unsent report (GPCM-SD-CS-075)."""
    release: Release = Release.AUTOMATIC
    """Who releases a held request (GPCM-SD-CS-074)."""
    further_ods_codes: tuple[str, ...] = ()
    """Further ODS codes of the sending organisation: it never sends to itself (GPCM-SD-CS-071)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            try:
                object.__setattr__(self, field.name, RULES[field.name].read(getattr(self, field.name)))
            except ValueError:
                raise MailboxSettingsError(f"mailbox settings: {field.name}: {RULES[field.name].words}") from None

    @property
    def specification_rules(self) -> Specification:
        """The rules of the mailbox's specification version."""
        return SPECIFICATIONS[self.specification]

    @property
    def own_ods_codes(self) -> frozenset[str]:
        """All ODS codes of the sending organisation."""
        return frozenset((self.ods_code, *self.further_ods_codes))

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
    def from_json(cls, text: str) -> Self:
        """Read the mailbox's parameter. Raises MailboxSettingsError."""
        try:
            settings = json.loads(text)
        except ValueError:
            raise MailboxSettingsError("mailbox settings: not JSON") from None
        if not isinstance(settings, dict):
            raise MailboxSettingsError("mailbox settings: not a JSON object")
        if unknown := set(settings) - set(RULES):
            raise MailboxSettingsError(f"mailbox settings: unknown field(s) {', '.join(sorted(unknown))}")
        if missing := {"mailbox", "ods_code"} - set(settings):
            raise MailboxSettingsError(f"mailbox settings: missing {', '.join(sorted(missing))}")
        return cls(**settings)

    def to_json(self) -> str:
        """Write the mailbox's parameter."""
        return json.dumps(asdict(self), separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class SettingRule:
    """The rule of a setting, in words, and the function that reads the setting from JSON or Python."""

    words: str
    read: Callable[[Any], Any]
    """Raises ValueError."""


def _text(accepts: Callable[[str], bool], rule: str) -> SettingRule:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not accepts(value):
            raise ValueError
        return value

    return SettingRule(f"must be {rule}", read)


def _texts(accepts: Callable[[str], bool], rule: str) -> SettingRule:
    """Up to 100 texts: AWS limits the mailbox's parameter to 4 KB."""

    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or len(value) > 100:
            raise ValueError
        if not all(isinstance(text, str) and accepts(text) for text in value):
            raise ValueError
        return tuple(value)

    return SettingRule(f"must be a list of {rule}, at most 100", read)


def _is_coded(text: str) -> bool:
    code, _, words = text.partition(" ")
    return not text or (is_concept_id(code) and words == words.strip() != "" and len(words) <= 255)


def _whole(least: int, most: int | None = None) -> SettingRule:
    def read(value: Any) -> int:
        if type(value) is not int or value < least or (most is not None and value > most):
            raise ValueError
        return value

    return SettingRule(f"must be a whole number of at least {least}" + (f" and at most {most}" if most else ""), read)


def _one_of(choices: type[StrEnum]) -> SettingRule:
    return SettingRule(f"must be one of {', '.join(choices)}", choices)


def _switch(value: Any) -> bool | None:
    if not isinstance(value, bool | None):
        raise ValueError
    return value


_DEFINITIONS = (MESSAGE_DEFINITION, WITHDRAWN_DEFINITION)
RULES: Mapping[str, SettingRule] = {
    "mailbox": _text(is_mailbox_id, OWN_MAILBOX_ID_RULE),
    "ods_code": _text(is_ods_code, ODS_CODE_RULE),
    "specification": _one_of(Version),
    "birth_date_format": _one_of(BirthDateFormat),
    "message_definition": _text(_DEFINITIONS.__contains__, f"one of {', '.join(_DEFINITIONS)}"),
    "max_message_bytes": _whole(1, LARGEST_MESSAGE),
    "report_page": _one_of(PageSize),
    "document_types": _texts(is_concept_id, "SNOMED CT concept ids"),
    "care_setting": _text(_is_coded, "a SNOMED CT concept id, a blank and words, or empty"),
    "infrastructure_acknowledgement_seconds": _whole(1, LONGEST_WAIT),
    "business_acknowledgement_seconds": _whole(1, LONGEST_WAIT),
    "pds_lookup": SettingRule("must be true or false, or null", _switch),
    "escalate_after_seconds": _whole(1, LONGEST_WAIT),
    "hold_window_seconds": _whole(0, LONGEST_HOLD),
    "warn_before_seconds": _whole(1, LONGEST_HOLD - 1),
    "release": _one_of(Release),
    "further_ods_codes": _texts(is_ods_code, "ODS codes in capital letters"),
}
"""The rule of every setting, by the field's name."""
