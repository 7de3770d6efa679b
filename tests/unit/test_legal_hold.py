"""A legal hold covers all S3 objects of a message, and of the withdrawal of the consultation."""

from datetime import timedelta
from typing import Any

import pytest

from gpconnect_messaging.ledger.holds import HeldItems
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.legal_hold import LegalHold
from tests.fakes.product import WINDOW, Product


def hold_over(product: Product) -> LegalHold:
    client: Any = product.table
    return LegalHold(
        items=HeldItems(client, "ledger", product.clock), trail=product.trail, s3=product.around.s3,  # type: ignore[arg-type]
        outbox_bucket="outbox", evidence_bucket="evidence",
    )  # fmt: skip


def warning_of(product: Product, withdrawal_id: str) -> str:
    [key] = [key for key in product.bucket.objects if key.startswith(f"warnings/{withdrawal_id}/")]
    return key


@pytest.mark.requirement("GPC-SD09", "GPCM-SD-CS-077")
def test_the_warning_of_a_withdrawal_is_held_with_the_message_that_it_warns_of() -> None:
    product = Product()
    request = product.asks()
    product.later(WINDOW + timedelta(minutes=1))
    (message,) = product.messages(request)
    withdrawal = product.withdraws()
    assert withdrawal.status is Status.TELL_PRACTICE
    product.asks(encounter="another")
    hold = hold_over(product)
    hold.apply(message.message_id, "a.solicitor", "a complaint")
    assert product.bucket.under_hold == {
        f"requests/{request.message_id}.json.gz",
        warning_of(product, withdrawal.message_id),
    }
    hold.lift(message.message_id, "a.solicitor", "settled")
    assert product.bucket.under_hold == set()


@pytest.mark.requirement("GPC-SD09")
def test_what_pds_had_otherwise_is_held_with_the_message() -> None:
    product = Product()
    request = product.asks()
    product.later(WINDOW + timedelta(minutes=1))
    (message,) = product.messages(request)
    compared = f"comparisons/{request.message_id}.json"
    product.bucket.put_object(Key=compared, Body=b"{}")
    hold = hold_over(product)
    hold.apply(message.message_id, "a.solicitor", "a complaint")
    assert product.bucket.under_hold == {f"requests/{request.message_id}.json.gz", compared}
    hold.lift(message.message_id, "a.solicitor", "settled")
    assert product.bucket.under_hold == set()


@pytest.mark.requirement("GPC-SD09", "GPCM-SD-CS-077")
def test_lifting_one_hold_leaves_what_another_held_version_shares_with_it() -> None:
    product = Product(hold_window_seconds=0)
    first, second = product.asks(), product.asks()
    product.works()
    withdrawal = product.withdraws()
    warning = warning_of(product, withdrawal.message_id)
    hold = hold_over(product)
    for message in (first, second):
        hold.apply(message.message_id, "a.solicitor", "a complaint")
    assert len(product.bucket.under_hold) == 3, "two requests, one warning of both"
    assert f"messages/{first.message_id}" in product.outgoing.under_hold
    assert hold.lift(first.message_id, "a.solicitor", "settled") == 2, "its request and its message"
    assert product.outgoing.under_hold == {f"messages/{second.message_id}"}
    assert warning in product.bucket.under_hold
    assert hold.lift(second.message_id, "a.solicitor", "settled") == 3
    assert product.bucket.under_hold == set()
