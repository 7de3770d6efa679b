"""Whether the parts of the deployment that an administrator can switch off are enabled.

AWS has no metric for these. A disabled rule loses announcements without an error, a disabled event source mapping lets
the queue grow, and a disabled key makes the encrypted data unreadable.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient

ASKED_AGAIN = timedelta(minutes=10)
"""How long an answer of AWS is cached: KMS bills every call."""

_GONE = frozenset({"ResourceNotFoundException", "NotFoundException"})
_MAPPING_STATES = frozenset({"Enabled", "Enabling", "Creating", "Updating"})


class KeyClient(Protocol):
    """The KMS calls that are needed."""

    def describe_key(self, *, KeyId: str) -> Any:  # noqa: N803 - KMS's own name
        """Describe a key."""


class PartKind(StrEnum):
    """The kinds of parts that can be switched off."""

    RULE = "rule"
    EVENT_SOURCE_MAPPING = "event source mapping"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Part:
    """A part by AWS's name, and whether it is enabled. A deleted part is not."""

    kind: PartKind
    name: str
    enabled: bool


@dataclass(frozen=True, kw_only=True)
class EnabledParts:
    """Asks AWS about the parts that the environment names."""

    events: "EventBridgeClient"
    functions: "LambdaClient"
    keys: KeyClient
    rule: str
    mapping_ids: tuple[str, ...]
    key_arns: tuple[str, ...]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _answers: dict[PartKind, tuple[datetime, tuple[Part, ...]]] = field(default_factory=dict, init=False)

    def ask(self) -> Iterator[Part]:
        """Ask about every part. Raises botocore's ClientError and BotoCoreError."""
        for kind in PartKind:
            yield from self._ask(kind)

    def recent(self, kind: PartKind) -> tuple[Part, ...]:
        """Return the parts of a kind, at most ten minutes old. Raises as `ask` does."""
        asked_at, parts = self._answers.get(kind, (None, ()))
        if asked_at is None or asked_at + ASKED_AGAIN <= self.now():
            parts = tuple(self._ask(kind))
            self._answers[kind] = self.now(), parts
        return parts

    def _ask(self, kind: PartKind) -> Iterator[Part]:
        names, is_enabled = self._questions()[kind]
        for name in names:
            yield Part(kind, name, _unless_gone(is_enabled, name))

    def _questions(self) -> dict[PartKind, tuple[Iterable[str], Callable[[str], bool]]]:
        return {
            PartKind.RULE: (
                (self.rule,),
                lambda name: self.events.describe_rule(Name=name)["State"] == "ENABLED",
            ),
            PartKind.EVENT_SOURCE_MAPPING: (
                self.mapping_ids,
                lambda name: self.functions.get_event_source_mapping(UUID=name)["State"] in _MAPPING_STATES,
            ),
            PartKind.KEY: (
                self.key_arns,
                lambda name: self.keys.describe_key(KeyId=name)["KeyMetadata"]["KeyState"] == "Enabled",
            ),
        }


def _unless_gone(is_enabled: Callable[[str], bool], name: str) -> bool:
    try:
        return is_enabled(name)
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return False
        raise
