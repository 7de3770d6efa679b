"""Why PDS gave no answer, split by what the caller must do.

    PdsError
    ├── Busy              PDS, or our own share of it, asks us to wait: try again after `retry_after`
    ├── Unavailable       no answer, or none that makes sense: try again later
    ├── Refused           PDS does not take such a request: software or onboarding must be corrected
    └── Authentication    PDS does not accept who we are: correct the secret or the registered key
        └── WrongClock    our clock is too far from PDS's: correct it, no other key would help

Nothing here carries a URL, a header, a body, a token or an httpx exception: the NHS number is in the URL by the API's
design. Texts are ours; of PDS's own words only its published codes are repeated.
"""


class PdsError(Exception):
    """Base of everything that this package raises about PDS. `operation` is what was tried, such as "lookup"."""

    def __init__(self, operation: str, problem: str, *, status: int | None = None) -> None:
        super().__init__(f"PDS {operation}: {problem}")
        self.operation = operation
        self.problem = problem
        self.status = status


class RetryLater(PdsError):  # noqa: N818 - named for what the caller must do
    """Too many requests at once. `retry_after`: the seconds to wait, None where no time was named."""

    def __init__(
        self, operation: str, problem: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(operation, problem, status=status)
        self.retry_after = retry_after


class Unavailable(PdsError):  # noqa: N818 - named for what the caller must do
    """PDS did not answer, or answered with something that is none of its answers."""


class Refused(PdsError):  # noqa: N818 - named for what the caller must do
    """PDS's final no to the request as such: the same request is never right later."""


class Authentication(PdsError):  # noqa: N818 - named for what the caller must do
    """PDS does not accept our signed JWT or our token."""


class WrongClock(Authentication):
    """PDS refused a JWT whose times do not fit its own clock. `seconds` we are ahead (negative: behind), if known."""

    def __init__(
        self, operation: str, problem: str, *, status: int | None = None, seconds: float | None = None
    ) -> None:
        super().__init__(operation, problem, status=status)
        self.seconds = seconds


class CredentialsError(Exception):
    """The application's secret is missing or unusable: whoever keeps the secrets must correct it."""
