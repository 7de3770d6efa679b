"""The errors of the MESH client, split by what the caller must do.

    MeshError
    ├── NotSent           nothing reached MESH: repeat it at any time
    ├── RetryLater        MESH asked us to wait, or a read was interrupted: repeat it after `retry_after`
    ├── Uncertain         an upload may or may not have been stored: find out before sending it again
    ├── Refused           MESH refused the request: stop, the same request is never right later
    ├── Authentication    MESH does not accept the credentials: read the secret again, try once more, then stop
    │   └── WrongClock    our clock is too far from MESH's: stop, no other secret would help
    ├── NotFound          the message is not there (any more): record it and go on
    └── DamagedContent    the message came, but is damaged: keep it as served, notify a person
        └── WrongChecksum all of it came, and only the sender's checksum differs: the reader may still understand it

MESH does not recognise duplicates, so only `NotSent` and `RetryLater` may lead to a second upload without asking first.

Nothing here carries a header value, a body, a token or an httpx exception (those hold the request, and with it the
patient's details in `Mex-To`): only the operation, the status, and MESH's own short codes.
"""

# MESH's error codes with our descriptions. Source: MESH API description, "Error codes"; EPL codes: MESH endpoint lookup
# guidance.
ERROR_CODES = {
    "02": "the data is missing or cannot be read",
    "06": "a header is malformed",
    "07": "the sending mailbox does not match the authorization",
    "08": "the recipient is missing",
    "09": "the version is not supported",
    "11": "the message type is not DATA",
    "12": "the recipient is not registered",
    "14": "the recipient did not collect the message in time",
    "16": "this mailbox may not send such messages",
    "17": "the workflow id is not registered for the mailbox",
    "19": "the expiry period is not valid",
    "20": "the message does not exist",
    "EPL-150": "several mailboxes match the patient's practice",
    "EPL-151": "no mailbox matches the patient's practice",
    "EPL-152": "the NHS number is not valid",
    "EPL-153": "the NHS number was not found",
    "EPL-154": "the patient's details do not match the NHS number",
}


def known_code(text: str | None) -> str:
    """Return a documented error code, or a placeholder: undocumented codes are not repeated."""
    return (text if text in ERROR_CODES else "a code that we do not know") if text else "no code"


class MeshError(Exception):
    """Base of all errors that this package raises about MESH. `operation` is the attempted call, such as "send"."""

    def __init__(self, operation: str, problem: str, *, status: int | None = None) -> None:
        super().__init__(f"MESH {operation}: {problem}")
        self.operation = operation
        self.problem = problem
        self.status = status


class NotSent(MeshError):  # noqa: N818 - named for what the caller must do
    """No complete request reached MESH (no connection, or none free): repeating it is safe."""


class RetryLater(MeshError):  # noqa: N818 - named for what the caller must do
    """MESH could not serve the request now. `retry_after`: the seconds MESH asked for, None if it named no time."""

    def __init__(
        self, operation: str, problem: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(operation, problem, status=status)
        self.retry_after = retry_after


class Uncertain(MeshError):  # noqa: N818 - named for what the caller must do
    """An upload whose answer was lost or is malformed: MESH may have stored it, and would store a second one too.

    `message_id` is MESH's id of the message if known (a last chunk's always is): tracking then has the outcome.
    Without one, only a second upload of the same bytes can make sure.
    """

    def __init__(
        self, operation: str, problem: str, *, status: int | None = None, message_id: str | None = None
    ) -> None:
        super().__init__(operation, problem, status=status)
        self.message_id = message_id


class Refused(MeshError):  # noqa: N818 - named for what the caller must do
    """MESH's final refusal. `event` and `code` are MESH's own (such as "SEND" and "12"), None without one.

    `message_id` is set if MESH gave the refused upload an id: useful to MESH's support desk, and no sign of success.
    `fields` names the headers or parameters that MESH found fault with.
    """

    def __init__(
        self,
        operation: str,
        problem: str,
        *,
        status: int | None = None,
        event: str | None = None,
        code: str | None = None,
        message_id: str | None = None,
        fields: tuple[str, ...] = (),
    ) -> None:
        super().__init__(operation, problem, status=status)
        self.event = event
        self.code = code
        self.message_id = message_id
        self.fields = fields


class Authentication(MeshError):  # noqa: N818 - named for what the caller must do
    """MESH does not accept our token or certificate; nothing was stored.

    `clock_skew`: seconds by which our clock is ahead of MESH's (negative: behind), None if MESH did not give a time.
    MESH refuses a token whose time is two hours or more off.
    """

    def __init__(
        self, operation: str, problem: str, *, status: int | None = None, clock_skew: float | None = None
    ) -> None:
        super().__init__(operation, problem, status=status)
        self.clock_skew = clock_skew


class WrongClock(Authentication):
    """MESH refused a token because of the time: an administrator must correct this machine's clock."""


class NotFound(MeshError):  # noqa: N818 - named for what the caller must do
    """The message does not exist, has expired, or was acknowledged and removed (404, 410)."""


class DamagedContent(MeshError):  # noqa: N818 - named for what the caller must do
    """A received message that is truncated, oversized, or fails the check of length, encoding, sequence or checksum."""


class WrongChecksum(DamagedContent):
    """All of a message came, as the other headers say, and only the sender's checksum differs.

    Senders compute it over other bytes, too, so the reader of the content decides whether it is damaged.
    """
