from dataclasses import replace
from typing import Any, cast

import pytest

from gpcm.messages import message as view
from gpconnect_messaging.documents.opened import OpenedFile
from gpconnect_messaging.identifiers import NumberRange
from gpconnect_messaging.ledger.search import Search
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.specification import Version
from gpconnect_messaging.steps.build import Builder
from gpconnect_messaging.steps.request_content import RequestContent
from gpconnect_messaging.storage import DropBucket
from tests.examples import CREATED_AT, MAILBOXES, a_request
from tests.fakes.product import Product
from tests.identifiers import IDENTIFIERS

CARE_SETTING = {"code": "789718008", "display": "Cardiology service"}


def reasons(mailbox: MailboxSettings, **changes: Any) -> list[str]:
    """What the builder refuses a sample request for, before it claims or stores anything."""
    nothing = cast("Any", None)
    builder = Builder(
        drop=DropBucket(nothing, "drop"), received=nothing, outbox=nothing, evidence=nothing, ledger=nothing,
        mailboxes=nothing, send_queue=nothing, notifier=nothing, numbers=NumberRange.TEST, identifiers=IDENTIFIERS,
        now=lambda: CREATED_AT,
    )  # fmt: skip
    request = a_request(f"consultation-report-{mailbox.specification}", **changes)
    report = OpenedFile(key="report.pdf", version="1", size=50_000, at=CREATED_AT, content_type="application/pdf")
    try:
        builder._drafts(request, mailbox, RequestContent(documents=(report,), ready=(), supplied=(), digests=()))
    except RequestRefusedError as refused:
        return [reason.field for reason in refused.reasons]
    return []


@pytest.mark.requirement("FHIR-V&V-01")
@pytest.mark.parametrize("version", Version)
def test_a_message_that_breaks_no_must_is_built(version: Version) -> None:
    assert reasons(MAILBOXES[version]) == []


@pytest.mark.requirement("FHIR-V&V-01")
@pytest.mark.parametrize(("version", "broken"), [(Version.V1_5, ["GPCM-SD-CS-047"]), (Version.V2_0, ["GPCM-SD-043"])])
def test_a_message_that_would_break_a_must_is_refused_by_its_requirement_id(
    version: Version, broken: list[str]
) -> None:
    other = replace(MAILBOXES[version])
    # No setting can name another definition.
    object.__setattr__(other, "message_definition", "https://fhir.nhs.uk/STU3/MessageDefinition/Other")
    assert reasons(other) == broken


@pytest.mark.requirement("FHIR-PDS-02")
def test_a_patient_without_a_verified_number_must_be_fully_described() -> None:
    assert reasons(MAILBOXES[Version.V2_0], patient__nhs_number_status="02", patient__gender=None) == ["patient.gender"]


@pytest.mark.requirement("2.0:GPCM-SD-032")
def test_advice_that_a_message_goes_against_is_a_warning_on_the_record_and_on_both_screens() -> None:
    product = Product(hold_window_seconds=0)
    message = product.asks(practitioner__phone=None, care_setting=CARE_SETTING)
    assert message.status is Status.BUILT
    record = product.row(message.message_id)
    [warning] = record.history.of(EventType.BUILT)[0].details["advice"]
    assert warning.startswith("GPCM-SD-032: The practitioner, if known, has SDS user id")
    shown = view(
        record,
        Search(cast("Any", product.table), "ledger", product.clock).summaries([message.message_id])[0],
        CREATED_AT,
    )
    assert shown.as_json()["warnings"] == [warning]
    assert "1 warning" in shown.timeline[0].words


def test_a_message_that_follows_all_advice_has_no_warning() -> None:
    product = Product(hold_window_seconds=0)
    [built] = product.row(product.asks(care_setting=CARE_SETTING).message_id).history.of(EventType.BUILT)
    assert "advice" not in built.details
