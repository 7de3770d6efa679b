"""Buckets kept in mind, for tests of the steps that look at what was read and stored."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.storage import DropFile, NotThereError

_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class DropInMind:
    """A folder on disk as the drop bucket; every file is at version "1" unless told otherwise."""

    folder: Path
    version: str = "1"
    name: str = "drop"
    reads: list[tuple[str, str]] = field(default_factory=list)
    received: list[tuple[str, str]] = field(default_factory=list)
    fails: int = 0
    """How many of the next looks at a file fail."""

    def read(self, key: str, version: str, limit: int) -> bytes:
        self.reads.append((key, version))
        content = self._path(key).read_bytes()
        if len(content) > limit:
            raise ValueError("longer than the limit")
        return content

    def stat(self, key: str, version: str | None = None) -> DropFile:
        if self.fails:
            self.fails -= 1
            raise OSError("the drop does not answer")
        return DropFile(key, version or self.version, self._path(key).stat().st_size, _LONG_AGO)

    def current_version(self, _key: str) -> str:
        return self.version

    def received_version(self, _key: str, _request_id: str) -> None:
        """Nothing ever expires."""

    def mark_received(self, key: str, version: str, _receiver: object = None) -> None:
        self.received.append((key, version))

    def chunks(self, file: DropFile) -> Iterator[bytes]:
        yield self._path(file.key).read_bytes()

    def _path(self, key: str) -> Path:
        path = self.folder / key
        if not path.is_file():
            raise NotThereError("no such object")
        return path


@dataclass
class OutboxInMind:
    messages: dict[str, bytes] = field(default_factory=dict)
    envelopes: dict[str, Envelope] = field(default_factory=dict)
    fails: int = 0
    """How many of the next messages it does not take."""

    def put(self, message_id: str, envelope: Envelope, content: Iterable[bytes]) -> str:
        if self.fails:
            self.fails -= 1
            raise OSError("the outbox does not answer")
        self.messages[message_id], self.envelopes[message_id] = b"".join(content), envelope
        return "hash"

    def holds(self, message_id: str) -> bool:
        return message_id in self.messages

    def envelope(self, message_id: str) -> Envelope:
        return self.envelopes[message_id]

    def copy_message(self, message_id: str, _sha256: str, target: IO[bytes]) -> None:
        target.write(self.messages[message_id])
        target.seek(0)
