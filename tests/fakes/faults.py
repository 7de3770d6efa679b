"""Errors as AWS gives them, and calls of a fake that fail when a test wants it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError


def aws_error(operation: str, code: str, message: str = "", **more: Any) -> ClientError:
    """An answer of AWS that is an error with this code."""
    answer: Any = {"Error": {"Code": code, "Message": message or code}, **more}
    return ClientError(answer, operation)


@dataclass
class Fault:
    """One operation of a client, or of an adapter, that fails."""

    target: Any
    operation: str
    calls: int = 0
    """How often the operation was called since."""

    def end(self) -> None:
        """Let the operation work again."""
        vars(self.target).pop(self.operation, None)


def fail(
    target: Any,
    operation: str,
    error: BaseException,
    *,
    times: int | None = None,
    when: Callable[[Mapping[str, Any]], bool] = lambda _call: True,
) -> Fault:
    """Let an operation fail before it takes effect: the first `times`, or always, of the calls that `when` names."""
    works, left = getattr(target, operation), [times]
    fault = Fault(target, operation)

    def failing(*arguments: Any, **named: Any) -> Any:
        fault.calls += 1
        if left[0] != 0 and when(named):
            left[0] = left[0] and left[0] - 1
            raise error
        return works(*arguments, **named)

    setattr(target, operation, failing)
    return fault
