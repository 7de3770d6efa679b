"""Look the patient up in PDS before a message is built (GPCM-SD-CS-072, GPCM-SD-084), unless the mailbox declines.

PDS is asked once a message: at the release of a held request, else at arrival (decision 57). The lookup compares the
answer with the request, keeps the differences for the person who decides, and returns the registered practice and the
source. No answer from PDS is a result, too: the builder holds the request and asks again.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.pds.answers import Practice
from gpconnect_messaging.pds.errors import CredentialsError, PdsError
from gpconnect_messaging.registration import Differs, NotSendable, RegisteredHere, compare
from gpconnect_messaging.requests import models
from gpconnect_messaging.requests.models import IN_CONFLICT, VERIFIED, Request
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.storage import Evidence

if TYPE_CHECKING:
    from gpconnect_messaging.pds.client import PdsClient

FROM_PDS, FROM_REQUEST = "PDS", "the request"


class LookupNotConfiguredError(Exception):
    """A mailbox needs the PDS lookup, and the environment has no PDS: correct the deployment's configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The known registration of a patient, and the source.

    `differs` are the request's fields that differ from PDS; the evidence store has both values under `comparison`.
    While the answer is `pending`, the registration is the request's, and the number counts as verified, as it must be
    in the end; `unanswered` is why PDS, if asked, gave none. `number` is the verification status of the NHS number; ""
    where the request's is used (decision 51).
    """

    source: str
    practice: Practice | None
    deceased: bool = False
    differs: tuple[str, ...] = ()
    comparison: str = ""
    pending: bool = False
    unanswered: PdsError | CredentialsError | None = None
    number: str = ""

    @classmethod
    def stated(cls, request: Request) -> "Registration":
        """Take the registration from the request."""
        own = request.registered_practice
        return cls(
            source=FROM_REQUEST,
            practice=Practice(ods_code=own.ods_code, name=own.name) if own else None,
            number=request.patient.verification,
        )

    @classmethod
    def recorded(cls, details: Mapping[str, Any]) -> "Registration":
        """Restore the registration from the `details` that were recorded when the message was first built."""
        code = details.get("ods_code")
        return cls(
            source=details.get("source", FROM_REQUEST),
            practice=Practice(ods_code=code, name=details.get("name")) if code else None,
            deceased=bool(details.get("deceased")),
            number=details.get("nhs_number_status", ""),
        )

    @property
    def details(self) -> dict[str, Any]:
        """The details for the ledger: the practice's name and code, and whether PDS knows of a death."""
        known = {"source": self.source, "ods_code": self.ods_code, "name": self.practice and self.practice.name,
                 "nhs_number_status": self.number}  # fmt: skip
        return {name: value for name, value in known.items() if value} | ({"deceased": True} if self.deceased else {})

    @property
    def ods_code(self) -> str | None:
        """The practice's ODS code, if it is known."""
        return self.practice.ods_code if self.practice else None

    @property
    def certain(self) -> bool:
        """Whether the registration can be acted upon: nothing differs, and PDS answered if the mailbox asks it."""
        return not self.differs and not self.pending

    def of(self, request: Request) -> Request:
        """Return the request with the known practice and what is known of the NHS number, as the message says both."""
        request = request.with_number_status(self.number or request.patient.nhs_number_status or VERIFIED)
        if self.source != FROM_PDS or self.practice is None:
            return request
        practice = models.Practice(ods_code=self.practice.ods_code, name=self.practice.name)
        return request.model_copy(update={"registered_practice": practice})


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """The lookup and the adapters that it uses. `directory` opens PDS at the first use."""

    evidence: Evidence
    directory: "Callable[[], PdsClient]"
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, request_id: UUID, request: Request, mailbox: MailboxSettings, held: bool) -> Registration:
        """Look up the patient of a request that keeps all rules, unless it is `held` first.

        Raises RequestRefusedError where PDS leaves no recipient, and the errors of the stores.
        """
        if mailbox.pds_lookup is False:
            return Registration.stated(request)
        pending = replace(Registration.stated(request), pending=True, number=VERIFIED)
        if held:
            return pending
        try:
            answer = self.directory().lookup(
                request.patient.nhs_number,
                correlation=request_id,
                organisation=mailbox.ods_code,
                today=self.now().date(),
            )
        except (PdsError, CredentialsError) as problem:
            return replace(pending, unanswered=problem)
        outcome = compare(request.patient, answer, mailbox.own_ods_codes)
        match outcome:
            case NotSendable():
                raise RequestRefusedError([outcome.reason])
            case Differs():
                return Registration(
                    source=FROM_PDS,
                    practice=_named(outcome.practice, request),
                    deceased=outcome.deceased,
                    differs=tuple(difference.path for difference in outcome.differences),
                    comparison=self._keep(request_id, outcome),
                    number=IN_CONFLICT,
                )
            case RegisteredHere():
                return Registration(source=FROM_PDS, practice=outcome.practice, number=VERIFIED)
            case registered:
                practice = _named(registered.practice, request)
                return Registration(source=FROM_PDS, practice=practice, deceased=registered.deceased, number=VERIFIED)

    def _keep(self, request_id: UUID, outcome: Differs) -> str:
        """Keep both values in the evidence store, never in the ledger, a log or a notification."""
        compared = {
            difference.path: {"request": difference.requested, "PDS": difference.known}
            for difference in outcome.differences
        }
        return self.evidence.keep_comparison(str(request_id), json.dumps(compared, ensure_ascii=False, indent=2))


def registration_from_request(_id: UUID, request: Request, mailbox: MailboxSettings, _held: bool) -> Registration:
    """Use the request's registration: the environment has no PDS. Raises LookupNotConfiguredError."""
    if mailbox.pds_lookup:
        raise LookupNotConfiguredError(f"mailbox {mailbox.mailbox} asks PDS, and the environment names none")
    return Registration.stated(request)


def _named(practice: Practice, request: Request) -> Practice:
    """Add the request's name for the practice, if it is the same practice: PDS returns only the code."""
    own = request.registered_practice
    if practice.name or own is None or own.ods_code != practice.ods_code:
        return practice
    return Practice(ods_code=practice.ods_code, name=own.name)
