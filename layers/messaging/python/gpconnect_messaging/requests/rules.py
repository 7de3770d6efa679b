"""The rules of a request that its own form cannot show: they need settings or the clock."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.requests.models import Request
from gpconnect_messaging.requests.nhs_number import NumberRange, number_range
from gpconnect_messaging.requests.refusal import Reason
from gpconnect_messaging.routing.header_text import header_text
from gpconnect_messaging.specification import Confidentiality
from gpconnect_messaging.usecases import USE_CASES

_CLOCKS_DIFFER = timedelta(minutes=5)


def broken_rules(request: Request, mailbox: MailboxSettings, numbers: NumberRange, now: datetime) -> Iterator[Reason]:
    """Yield a reason for each rule that the request breaks."""
    prescribed, use_case = mailbox.prescribed, USE_CASES[request.use_case]
    if number_range(request.patient.nhs_number) is not numbers:  # safety rule 4
        yield Reason(
            "patient.nhs_number",
            "is a test number (900-999), and this environment sends for living patients only"
            if numbers is NumberRange.LIVE
            else "is outside the test range 900-999, and this environment is for tests only",
        )
    if request.patient.birth_date > now.date():
        yield Reason("patient.birth_date", "lies in the future")
    if not any(letter.isalpha() for letter in header_text(request.patient.name.family, 69)):
        # MESH routes by the surname in ASCII; with none of its letters left it could only fail, days later.
        yield Reason("patient.name.family", "has no letter that a MESH address can carry")
    if request.consultation.start > now + _CLOCKS_DIFFER:
        yield Reason("consultation.start", "lies in the future")
    if request.organisation.ods_code != mailbox.ods_code:
        yield Reason("organisation.ods_code", "is not the organisation that the sending mailbox belongs to")
    if prescribed.practitioner_required and request.practitioner is None:  # GPCM-SD-CS-025, GPCM-SD-CS-036
        yield Reason("practitioner", f"is missing: specification {prescribed.version} requires it")
    if request.consultation.confidential and prescribed.confidential is Confidentiality.NOT_SENT:  # safety rule 7
        yield Reason(
            "consultation.confidential",
            f"specification {prescribed.version} does not let a confidential report be sent",
        )
    primary = request.primary
    if primary and primary.content_type not in use_case.primary_content_types:  # GPCM-SD-CS-028
        place = request.documents.index(primary)
        allowed = ", ".join(sorted(use_case.primary_content_types))
        yield Reason(f"documents[{place}].content_type", f"the primary document must be {allowed}")
