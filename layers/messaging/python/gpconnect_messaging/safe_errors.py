"""Describe an error for a log line: the type, the location, and the text only where it is known to be safe.

Libraries put their input (a key, a request, a value) into error texts, and that can be a patient's data (safety rule
5). So only the texts of our own errors and AWS's error codes are shown.
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
    """A step failed, as a log line describes; raised instead of an error whose text must not be shown."""


def describe(error: BaseException) -> dict[str, str]:
    """Describe an error: the type, the text where it is safe, and the source lines."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "error": type(error).__name__,
        "reason": _reason(error),
        "where": " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-6:]),
    }


def is_provoked(error: BaseException) -> bool:
    """Whether AWS rejects the request itself, so that a retry fails again.

    For a cancelled transaction, the cancellation reasons decide.
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
    return "not shown: the text of a library error may repeat the input"
