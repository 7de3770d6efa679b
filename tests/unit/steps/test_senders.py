"""What one sender asks for in another's name is refused, kept, and notified to the sender's own organisation."""

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from gpconnect_messaging.ledger.records import Origin
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.mailboxes.senders import SenderDirectory, SenderSettingsError
from gpconnect_messaging.replay.policy import ResendMode
from gpconnect_messaging.steps.attempts import Attempts
from gpconnect_messaging.steps.message_pipeline import BuildResult
from tests.examples import REQUESTS, request_data
from tests.fakes.parameter_store import Parameters
from tests.fakes.product import PDF, SAMPLE, Product

HUB, NORTH = "Y90001OT001", "Y90009OT001"
PREFIXES = {"hub": "hub/", "north": "ooh/north/"}


class Shared(Product):
    """The product with an empty drop and two senders with a mailbox each."""

    def __init__(self) -> None:
        super().__init__(drop=None, hold_window_seconds=0)
        self.north = replace(self.mailbox, mailbox=NORTH, ods_code="Y90009")
        self.configure(self.north)
        self.configures(hub=[HUB], north=[NORTH, "Y90009OT002"])

    def configures(self, **mailboxes: list[str]) -> None:
        """Deploy senders with these mailboxes."""
        parameters = Parameters({f"/senders/{name}": {"mailboxes": named} for name, named in mailboxes.items()})
        senders = SenderDirectory(cast("Any", parameters), "/senders", PREFIXES)
        self.builder = replace(self.builder, senders=senders)

    def puts(self, folder: str, mailbox: str, **changes: Any) -> str:
        """Drop a request and a document into a folder."""
        self.put(f"{folder}report.pdf", PDF)
        data = request_data(SAMPLE, mailbox=mailbox, organisation__ods_code=mailbox[:6], **changes)
        self.put(f"{folder}request.json", json.dumps(data).encode())
        return f"{folder}request.json"

    def drops(self, folder: str, mailbox: str, **changes: Any) -> BuildResult:
        return self.announces(self.puts(folder, mailbox, **changes))

    def announces(self, key: str) -> BuildResult:
        return self.builder.dropped("drop", key, self.newest(key), None, "")

    def queues(self, queue_of: str, mailbox: str, key: str, **changes: Any) -> BuildResult:
        """Somebody puts a whole request on a sender's queue, or on the shared one."""
        data = request_data(
            SAMPLE, mailbox=mailbox, request_id="request-1", organisation__ods_code=mailbox[:6], **changes
        )
        data["documents"][0]["key"] = key
        return self.builder.queued(json.dumps(data).encode(), None, queue_of)

    @property
    def routes(self) -> list[str]:
        """Whom the notifications were for."""
        return [attributes["route"] for attributes in self.topic.attributes]


@pytest.fixture
def product() -> Shared:
    return Shared()


def reasons(product: Shared, built: BuildResult) -> list[str]:
    [event] = product.row(built.message_id).history.events
    return list(event.details["reasons"])


def refused(product: Shared, built: BuildResult, account: str, *fields: str) -> None:
    """See that a request was refused for these fields, kept, and notified on this account alone, quoting nothing."""
    row = product.row(built.message_id)
    assert (row.status, row.mailbox) == (Status.INVALID, account)
    assert [reason.partition(":")[0] for reason in reasons(product, built)] == list(fields)
    assert product.evidence.request(row.request_id)
    assert product.routes == [f"{account}/first"]
    assert "A request was refused" in product.topic.published[0]
    assert not [text for text in ("WRIGHT", "9658218865", "report.pdf") if text in product.topic.published[0].upper()]
    assert product.mesh.sent == []


def test_each_sender_sends_from_its_own_mailbox_by_both_ways_in(product: Shared) -> None:
    assert product.drops("hub/1/", HUB).status is Status.BUILT
    assert product.drops("ooh/north/1/", NORTH).status is Status.BUILT
    assert product.queues("hub", HUB, "hub/1/report.pdf", encounter="another").status is Status.BUILT
    assert product.routes == []


def test_anothers_mailbox_is_refused_in_a_drop_and_its_owner_hears_nothing(product: Shared) -> None:
    refused(product, product.drops("hub/1/", NORTH), HUB, "mailbox")


def test_anothers_mailbox_is_refused_on_a_queue(product: Shared) -> None:
    refused(product, product.queues("hub", NORTH, "hub/1/report.pdf"), HUB, "mailbox")


def test_a_mailbox_that_does_not_exist_is_refused_in_the_same_words(product: Shared) -> None:
    product.drops("hub/1/", NORTH)
    unknown = product.drops("hub/2/", "Y99999OT001")
    assert reasons(product, unknown) == ["mailbox: is not one that this sender may use"]


def test_anothers_document_is_refused_and_not_even_looked_at(product: Shared) -> None:
    product.put("ooh/north/secret/report.pdf", PDF)
    refused(product, product.queues("hub", HUB, "ooh/north/secret/report.pdf"), HUB, "documents[0].key")
    assert product.received_by("ooh/north/secret/report.pdf") is None


def test_another_consultation_cannot_be_withdrawn(product: Shared) -> None:
    sent = product.drops("ooh/north/1/", NORTH, encounter="theirs")
    body = {"kind": "withdraw", "mailbox": NORTH, "encounter": "theirs"}
    product.put("hub/1/request.json", json.dumps(body).encode())
    refused(product, product.announces("hub/1/request.json"), HUB, "mailbox")
    assert product.status(sent) is Status.BUILT
    product.put("ooh/north/2/request.json", json.dumps(body).encode())
    assert product.announces("ooh/north/2/request.json").status is Status.WITHDRAWN


@pytest.mark.parametrize("folder", ["", "elsewhere/1/", "hub2/1/", "HUB/1/", "hub/../ooh/north/1/"])
def test_what_lies_under_no_senders_prefix_is_refused_on_nobodys_account(product: Shared, folder: str) -> None:
    refused(product, product.drops(folder, NORTH), "-", "request")


def test_a_whole_request_on_the_shared_queue_is_no_senders(product: Shared) -> None:
    refused(product, product.queues("", HUB, "hub/1/report.pdf"), "-", "request")


@pytest.mark.parametrize("body", [b"no request at all", b"[]", b'{"mailbox": "Y90009OT001"}'])
def test_what_cannot_be_read_is_told_to_the_sender_that_put_it(product: Shared, body: bytes) -> None:
    product.put("ooh/north/1/request.json", body)
    built = product.announces("ooh/north/1/request.json")
    assert product.row(built.message_id).mailbox == NORTH
    assert product.routes == [f"{NORTH}/first"]


def test_what_names_another_bucket_is_told_to_no_sender(product: Shared) -> None:
    built = product.builder.dropped("another", "hub/1/request.json", "1", None, "")
    assert product.row(built.message_id).mailbox == "-"


def test_what_was_refused_is_refused_again_when_an_operator_has_it_taken_in_again(product: Shared) -> None:
    for built, account in (
        (product.drops("hub/1/", NORTH), HUB),
        (product.queues("north", HUB, "ooh/north/1/report.pdf"), NORTH),
    ):
        product.sends_again(ResendMode.REBUILT, ids=(built.message_id,))
        [again] = product.resubmitted.take()
        found = product.builder.resubmitted(again)
        row = product.row(found.message_id)
        assert (row.status, row.mailbox) == (Status.INVALID, account)
        assert [reason.partition(":")[0] for reason in reasons(product, found)] == ["mailbox"]


def test_once_the_configuration_is_corrected_an_operator_can_have_the_request_taken_in_again(product: Shared) -> None:
    early = product.drops("hub/1/", "Y90009OT002")
    assert reasons(product, early) == ["mailbox: is not one that this sender may use"]
    product.configure(replace(product.north, mailbox="Y90009OT002"))
    product.configures(hub=[HUB, "Y90009OT002"])
    product.sends_again(ResendMode.REBUILT, ids=(early.message_id,))
    [again] = product.resubmitted.take()
    assert product.builder.resubmitted(again).status is Status.BUILT


def test_a_request_that_kills_the_builder_is_told_to_its_sender_whatever_it_names(product: Shared) -> None:
    raw = json.dumps(request_data(SAMPLE, mailbox=NORTH)).encode()
    request_id = str(product.builder.identifiers.queued_request_id(raw, "hub"))
    product.evidence.keep_request(request_id, raw, product.clock())
    attempts = Attempts(builder=product.builder, ledger=product.ledger, most=5)

    def killed() -> BuildResult:
        raise TypeError("provoked")

    built = attempts.again(request_id, killed, 5, origin=Origin(queue_of="hub"))
    row = product.row(built.message_id)
    assert (row.status, row.mailbox) == (Status.INVALID, HUB)
    assert reasons(product, built) == ["request: could not be processed: TypeError"]


def test_the_same_bytes_from_another_sender_are_another_request(product: Shared) -> None:
    wrong = product.queues("north", HUB, "hub/1/report.pdf")
    product.put_folder(REQUESTS / SAMPLE, "hub/1/")
    right = product.queues("hub", HUB, "hub/1/report.pdf")
    assert product.status(wrong) is Status.INVALID
    assert right.status is Status.BUILT


def test_a_wrong_configuration_refuses_no_request(product: Shared) -> None:
    product.configures(hub=[])
    with pytest.raises(SenderSettingsError):
        product.drops("hub/1/", HUB)
    assert product.routes == []


def test_without_senders_every_mailbox_is_for_whoever_may_put(product: Shared) -> None:
    product.builder = replace(product.builder, senders=None)
    assert product.drops("anywhere/1/", NORTH).status is Status.BUILT
    assert product.queues("", HUB, "anywhere/1/report.pdf").status is Status.BUILT
