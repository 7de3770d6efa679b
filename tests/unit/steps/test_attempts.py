"""A request that fails on the last receive is refused, and becomes no dead letter without a name."""

import json
from datetime import timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.ledger.table import LedgerBusyError
from gpconnect_messaging.mailboxes.senders import SenderSettingsError
from gpconnect_messaging.mailboxes.settings import MailboxSettingsError
from gpconnect_messaging.pds.errors import CredentialsError, Unavailable
from gpconnect_messaging.steps.attempts import KILLED, Attempts
from gpconnect_messaging.steps.message_pipeline import BuildResult, UnknownRequestError
from gpconnect_messaging.steps.waiting import NotReadyError
from gpconnect_messaging.storage import StorageError
from tests.fakes.product import WINDOW, Product

MOST = 5


class Poisoned(Product):
    """The product, with a request at which the builder fails; `receive` is one of the queue's attempts at it."""

    def __init__(self, error: BaseException, **settings: Any) -> None:
        super().__init__(**settings)
        self.error: BaseException | None = error
        self.raw, self.arrived = self.prepares()
        self.request_id = str(self.builder.identifiers.queued_request_id(self.raw))
        self.attempts = Attempts(builder=self.builder, ledger=self.ledger, most=MOST)

    def receive(self, number: int) -> BuildResult:
        return self.attempts.again(self.request_id, self._build, number) if number > 1 else self._build()

    def receives(self) -> BuildResult | BaseException:
        """Offer the request as often as the queue does; return what came of the last time."""
        came: BuildResult | BaseException
        for number in range(1, MOST + 1):
            try:
                came = self.receive(number)
            except BaseException as error:  # noqa: BLE001 - a kill is one
                came = error
        return came

    def _build(self) -> BuildResult:
        built = self.builder.queued(self.raw, self.arrived) if self.error is None else None
        if self.error:
            self.evidence.keep_request(self.request_id, self.raw, self.clock())
            raise self.error
        assert built is not None
        return built


class Killed(BaseException):
    """Stands for SIGKILL, which no handler sees."""


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "9658218865"}}, "GetObject")


@pytest.mark.parametrize(
    "error",
    [TypeError("WRIGHT 9658218865"), MemoryError(), RecursionError(), ValueError("x"), client_error("KeyTooLongError"),
     client_error("ValidationException"), client_error("EntityTooLarge"), client_error("InvalidArgument"),
     client_error("InvalidParameter"), ParamValidationError(report="WRIGHT 9658218865")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_whatever_a_request_provokes_it_becomes_invalid_on_the_last_receive(error: Exception) -> None:
    product = Poisoned(error)
    built = product.receives()
    assert isinstance(built, BuildResult)
    assert (built.status, built.gave_up) == (Status.INVALID, error)
    row = product.row(product.request_id)
    assert row.status is Status.INVALID
    assert row.mailbox == product.mailbox.mailbox
    assert product.evidence.request(product.request_id) == product.raw, "the request is kept"
    (told,) = product.topic.published
    assert f"could not be processed: {type(error).__name__}" in told
    assert "9658218865" not in told
    assert "WRIGHT" not in told


def test_before_the_last_receive_a_failing_request_goes_back_to_the_queue() -> None:
    product = Poisoned(TypeError())
    for number in range(1, MOST):
        with pytest.raises(TypeError):
            product.receive(number)
    assert product.ledger.find(product.request_id) is None
    assert product.topic.published == []


@pytest.mark.parametrize(
    "error",
    [client_error("AccessDenied"), client_error("SlowDown"), EndpointConnectionError(endpoint_url="x"),
     LedgerBusyError("busy"), Unavailable("lookup", "away"), CredentialsError("damaged"), StorageError("away"),
     UnknownRequestError("not yet"), MailboxSettingsError("missing"), SenderSettingsError("missing"),
     NotReadyError("it is not there yet", timedelta(seconds=15))],
    ids=lambda error: getattr(error, "response", {}).get("Error", {}).get("Code") or type(error).__name__,
)  # fmt: skip
def test_what_is_no_fault_of_the_request_goes_to_the_dead_letters_and_can_be_redriven(error: Exception) -> None:
    product = Poisoned(error)
    assert product.receives() is error
    assert product.ledger.find(product.request_id) is None
    product.error = None
    assert product.receive(1).status is Status.HELD


def test_a_request_at_which_every_process_is_killed_is_refused_before_it_is_touched_again() -> None:
    product = Poisoned(Killed())
    real = product.ledger.end_request
    cast("Any", product.ledger).end_request = lambda _id: None  # a killed process takes no note back
    for number in range(1, MOST):
        with pytest.raises(Killed):
            product.receive(number)
    cast("Any", product.ledger).end_request = real
    product.error = AssertionError("it is built once more")
    built = product.receive(MOST)
    assert (built.status, built.gave_up) == (Status.INVALID, None)
    (told,) = product.topic.published
    assert KILLED in told


def test_a_request_that_was_killed_only_beside_another_is_built_on_its_last_receive() -> None:
    product = Poisoned(Killed())
    cast("Any", product.ledger).end_request = lambda _id: None
    for number in (1, 3):  # at the other receives the batch was killed before this request
        with pytest.raises(Killed):
            product.receive(number)
    product.error = None
    assert product.receive(MOST).status is Status.HELD


def test_a_held_request_that_fails_at_its_release_becomes_invalid() -> None:
    product = Product()
    held = product.asks()
    product.clock.advance(WINDOW + timedelta(minutes=1))
    attempts = Attempts(builder=product.builder, ledger=product.ledger, most=MOST)

    def build() -> BuildResult:
        raise TypeError

    assert attempts.again(held.message_id, build, MOST).status is Status.INVALID
    assert product.status(held) is Status.INVALID
    assert len(product.topic.published) == 1


def test_a_request_that_cannot_even_be_read_is_refused_without_a_mailbox(monkeypatch: pytest.MonkeyPatch) -> None:
    product = Poisoned(TypeError())
    for module in ("intake", "build"):
        monkeypatch.setattr(f"gpconnect_messaging.steps.{module}.parse", lambda _raw: json.loads("["))
    built = product.receives()
    assert isinstance(built, BuildResult)
    assert product.row(product.request_id).mailbox == "-"
