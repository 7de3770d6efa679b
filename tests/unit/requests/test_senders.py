"""Whose a key of the drop bucket is, what a sender may ask for, and whose a queue is."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpconnect_messaging.mailboxes.senders import (
    Sender,
    SenderDirectory,
    SenderSettingsError,
    queue_name,
    sender_of_queue,
)
from gpconnect_messaging.request_rules import broken_sender_rules
from gpconnect_messaging.requests.models import Withdrawal
from tests.examples import a_request, request_data
from tests.fakes.parameter_store import Parameters

HUB = Sender(name="hub", prefix="hub/", mailboxes=("Y90001OT001", "Y90001OT002"))
PREFIXES = {"hub": "hub/", "hub-two": "hub2/", "north": "ooh/north/"}
ARN = "arn:aws:sqs:eu-west-2:123456789012:"


def parameters(**texts: str) -> Parameters:
    """A parameter for each sender, but for these texts."""
    mailboxes: dict[str, Any] = {f"/senders/{name}": {"mailboxes": [f"OF{name}"]} for name in PREFIXES}
    return Parameters(mailboxes | {f"/senders/{name}": text for name, text in texts.items()})


def directory(client: Any = None, prefixes: dict[str, str] | None = None) -> SenderDirectory:
    client = client or parameters()
    return SenderDirectory(client, "/senders", prefixes or PREFIXES)


def named(found: Sender | None) -> str | None:
    return found.name if found else None


@pytest.mark.parametrize(
    ("folder", "sender"),
    [
        ("hub/", "hub"),
        ("hub/2026/11/22/4711/", "hub"),
        ("hub//4711/", "hub"),
        ("hub2/4711/", "hub-two"),
        ("ooh/north/4711/", "north"),
        ("", None),
        ("hub", None),
        ("hub3/4711/", None),
        ("HUB/4711/", None),
        ("Hub/4711/", None),
        ("/hub/4711/", None),
        ("//hub/", None),
        ("./hub/", None),
        ("hub/../hub2/4711/", None),
        ("hub/./4711/", None),
        ("hub/..", None),
        ("ooh/4711/", None),
        ("ooh/north", None),
        ("ооh/north/4711/", None),
        ("hub\u0000/4711/", None),
        ("ｈｕｂ/4711/", None),
        (" hub/4711/", None),
        ("hub%2F4711/", None),
    ],
)
def test_a_folder_is_its_senders_only_under_the_very_prefix(folder: str, sender: str | None) -> None:
    assert named(directory().find(folder)) == sender


SEGMENTS = st.sampled_from(["hub", "hub2", "HUB", "ooh", "north", "", ".", "..", "a", "é", "e\u0301", "4711"])
FOLDERS = st.lists(SEGMENTS, max_size=6).map("/".join) | st.text(alphabet="hub2/.\\%ooh", max_size=12) | st.text()


def resolved(key: str) -> str:
    """What becomes of a key where something on its way takes it for a path, as S3 does not."""
    found: list[str] = []
    for step in key.split("/"):
        if step == "..":
            found = found[:-1]
        elif step not in ("", "."):
            found.append(step)
    return "/".join(found) + "/"


@given(FOLDERS)
def test_however_a_folder_is_read_it_stays_under_its_senders_prefix(folder: str) -> None:
    sender = directory().find(folder)
    owners = {name for name, prefix in PREFIXES.items() if resolved(folder).startswith(prefix)}
    assert named(sender) in {None, *owners}
    assert sender is None or folder.startswith(sender.prefix)


@given(
    st.sampled_from([*PREFIXES.values()]),
    st.text(alphabet=string.ascii_letters + string.digits + "/-_é .", max_size=20),
)
def test_what_lies_under_a_prefix_without_dots_alone_is_the_senders(prefix: str, rest: str) -> None:
    found = directory().find(prefix + rest)
    assert (found is not None and found.prefix == prefix) == (not {".", ".."} & set((prefix + rest).split("/")))


def broken(sender: Sender | None, asked: Any, folder: str = "hub/1/") -> list[str]:
    return [reason.field for reason in broken_sender_rules(sender, asked, folder)]


def test_a_sender_may_use_its_own_mailboxes_and_documents() -> None:
    assert broken(HUB, a_request()) == []
    assert broken(HUB, a_request(documents=[document("hub/2/report.pdf")]), "") == []


def test_another_senders_mailbox_is_refused_of_a_request_and_of_a_withdrawal() -> None:
    other = Sender(name="north", prefix="ooh/north/", mailboxes=("Y90009OT001",))
    assert broken(other, a_request(), "ooh/north/1/") == ["mailbox"]
    assert broken(other, Withdrawal(**request_data("withdrawal")), "ooh/north/1/") == ["mailbox"]


def document(key: str) -> dict[str, Any]:
    return {"key": key, "content_type": "application/pdf", "title": "Report", "primary": True}


@pytest.mark.parametrize(
    "key", ["ooh/north/report.pdf", "hub2/report.pdf", "report.pdf", "HUB/report.pdf", "hub/./a.pdf"]
)
def test_a_queued_request_names_no_document_outside_of_its_senders_prefix(key: str) -> None:
    assert broken(HUB, a_request(documents=[document(key)]), "") == ["documents[0].key"]
    resource = {"content_type": "application/fhir+json", "key": key}
    asked = a_request(documents=[document("hub/report.pdf")], resources=[resource])
    assert broken(HUB, asked, "") == ["resources[0].key"]


def test_a_request_of_no_sender_is_refused_whatever_it_names() -> None:
    assert broken(None, a_request()) == ["request"]


def test_no_reason_repeats_what_the_request_names() -> None:
    asked = a_request(documents=[document("garth-wright/report.pdf")])
    other = Sender(name="north", prefix="ooh/north/", mailboxes=("Y90009OT001",))
    words = " ".join(map(str, broken_sender_rules(other, asked, "")))
    assert "wright" not in words
    assert asked.mailbox not in words


def test_a_folder_is_compared_here_and_never_asked_for() -> None:
    client = parameters()
    senders = directory(client)
    assert senders.find("garth-wright/") is None
    assert client.asked == []
    assert named(senders.find("hub/garth-wright/")) == "hub"
    assert client.asked == ["/senders/hub"]


def test_the_sender_of_a_mailbox_is_found() -> None:
    assert named(directory().of_mailbox("OFnorth")) == "north"
    assert directory().of_mailbox("Y90001OT001") is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"mailboxes": []}', '{"mailboxes": "Y90001OT001"}', '{"mailboxes": [1]}']
)
def test_a_wrong_parameter_names_the_sender(text: str) -> None:
    with pytest.raises(SenderSettingsError, match="sender hub: mailboxes"):
        directory(parameters(hub=text)).find("hub/")


def test_a_sender_without_a_parameter_is_a_mistake_of_the_configuration_and_not_of_the_request() -> None:
    with pytest.raises(SenderSettingsError, match="sender south: has no parameter"):
        directory(prefixes={"south": "south/"}).find("south/")


@pytest.mark.parametrize("name", ["hub", "out-of-hours", "a-intake-of-b", "x1"])
def test_a_senders_queue_tells_the_sender(name: str) -> None:
    assert sender_of_queue(ARN + queue_name("gpconnect-messaging-prod", name)) == name
    assert (
        named(directory(prefixes={name: "p/"}, client=parameters(**{name: '{"mailboxes": ["A"]}'})).find("", name))
        == name
    )


@pytest.mark.parametrize(
    "arn",
    [
        "",
        ARN,
        ARN + "gpconnect-messaging-prod-IntakeWorkQueue1A2B3C4D-intake",
        ARN + "gpconnect-messaging-prod-intake-of-",
    ],
)
def test_the_shared_queue_tells_none(arn: str) -> None:
    assert sender_of_queue(arn) == ""


def test_a_queue_of_a_sender_that_is_no_longer_configured_is_no_senders() -> None:
    assert directory().find("", "gone") is None
