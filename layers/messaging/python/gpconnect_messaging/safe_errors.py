"""Say what went wrong, for a log line: which kind of error, where, and its text only where that is known to be safe.

Libraries put what they were given into their errors' texts (a key, a request, a value), and that can be a patient's
(safety rule 5); so only our own errors, and AWS's own codes, speak.
"""

import traceback
from pathlib import Path

from botocore.exceptions import ClientError, ParamValidationError

_OURS = __name__.partition(".")[0]
_PROVOKED = {
    "EntityTooLarge", "InvalidArgument", "InvalidParameter", "InvalidParameterValue", "KeyTooLongError",
    "ValidationError", "ValidationException",
}  # fmt: skip


class StepFailedError(Exception):
    """A step failed in a way that its log line describes; raised in place of an error whose text may not be shown."""


def describe(error: BaseException) -> dict[str, str]:
    """Describe an error: its kind, its text where that is safe, and the lines that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "error": type(error).__name__,
        "reason": _reason(error),
        "where": " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-6:]),
    }


def is_provoked(error: BaseException) -> bool:
    """Whether AWS finds fault with what it was asked, not with its own state: asked again, it answers the same.

    Of a transaction that was cancelled, the reasons say so.
    """
    if isinstance(error, ClientError):
        reasons = error.response.get("CancellationReasons", ())
        return bool(_PROVOKED & {error.response["Error"]["Code"], *(reason.get("Code") for reason in reasons)})
    return isinstance(error, ParamValidationError)


def _reason(error: BaseException) -> str:
    if isinstance(error, ClientError):
        return f"{error.operation_name}: {error.response['Error']['Code']}"
    if type(error).__module__.partition(".")[0] == _OURS:
        return str(error)
    return "not shown: a library's own words may repeat what it was given"
