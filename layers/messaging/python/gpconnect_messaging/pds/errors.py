"""The errors of the PDS client, split by what the caller must do.

    PdsError
    ├── RetryLater        PDS, or our share of the rate, asks us to wait: try again after `retry_after`
    ├── Unavailable       no answer, or a malformed one: try again later
    ├── Refused           PDS does not take such a request: software or onboarding must be corrected
    └── Authentication    PDS does not accept the application: correct the secret or the registered key
        └── WrongClock    our clock is too far from PDS's: correct it, no other key would help

Nothing here carries a URL, a header, a body, a token or an httpx exception: the NHS number is in the URL by the API's
design. Of PDS's own words only published codes are repeated.
"""


class PdsError(Exception):
    """Base of all errors that this package raises about PDS. `operation` is the attempted call, such as "lookup"."""

    def __init__(self, operation: str, problem: str, *, status: int | None = None) -> None:
        super().__init__(f"PDS {operation}: {problem}")
        self.status = status


class RetryLater(PdsError):  # noqa: N818 - named for what the caller must do
    """Too many requests at once. `retry_after`: the seconds to wait, None if PDS named no time."""

    def __init__(
        self, operation: str, problem: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(operation, problem, status=status)
        self.retry_after = retry_after


class Unavailable(PdsError):  # noqa: N818 - named for what the caller must do
    """PDS did not answer, or the answer is malformed."""


class Refused(PdsError):  # noqa: N818 - named for what the caller must do
    """PDS's final refusal: the same request is never right later."""


class Authentication(PdsError):  # noqa: N818 - named for what the caller must do
    """PDS does not accept our signed JWT or our token."""


class WrongClock(Authentication):
    """PDS refused a JWT because of the times."""


class CredentialsError(Exception):
    """The application's secret is missing or unusable: an administrator must correct it."""
