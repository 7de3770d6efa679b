"""A sender's program: it writes a request with the types that were generated from the published schema."""

import sys
from datetime import UTC, datetime

from request import (  # type: ignore[import-not-found]
    Consultation,
    Name,
    Organisation,
    Patient,
    Request,
    Section,
    UseCase,
    Withdrawal,
)

request = Request(
    use_case=UseCase.consultation_report,
    mailbox="Y90001OT001",
    encounter="7d3f0a52-encounter",
    patient=Patient(
        nhs_number="9658218873",
        name=Name(family="MEAKIN", given=["Mike"]),
        birth_date="1927-06-19",
        nhs_number_status="01",
    ),
    organisation=Organisation(ods_code="Y90001", name="Riverside Out of Hours", phone="0113 496 0100"),
    consultation=Consultation(
        start=datetime(2026, 11, 20, 19, 40, tzinfo=UTC).isoformat(),
        sections=[Section(title="History", text="Three days of cough – no fever.")],
    ),
)
withdrawal = Withdrawal(kind="withdraw", mailbox=request.mailbox, encounter=request.encounter)
asked = withdrawal if sys.argv[1:] == ["withdraw"] else request
print(asked.model_dump_json(by_alias=True, exclude_none=True))
