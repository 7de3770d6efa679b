"""What the steps work with, kept in mind: the ledger's rules without DynamoDB, buckets without S3."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import IO

from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.ledger.lifecycle import Fact, History, NoticeKind, notices_due
from gpconnect_messaging.ledger.records import Claim, MessageRecord, Notice
from gpconnect_messaging.ledger.store import Change
from gpconnect_messaging.requests.identity import encounter_key
from gpconnect_messaging.storage import DropFile, NotThereError


@dataclass
class LedgerInMind:
    now: Callable[[], datetime]
    records: dict[str, MessageRecord] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    def find_claim(self, request_id: str) -> Claim | None:
        return self.claims.get(request_id)

    def claim(
        self,
        request_id: str,
        mailbox: str,
        encounter: str,
        document_versions: Sequence[str],
        created_at: datetime,
        **_: object,
    ) -> Claim:
        key = encounter_key(mailbox, encounter)
        self.versions[key] = self.versions.get(key, 0) + 1
        self.claims[request_id] = Claim(
            request_id=request_id,
            version=self.versions[key],
            created_at=created_at,
            document_versions=tuple(document_versions),
        )
        return self.claims[request_id]

    def create(self, record: MessageRecord) -> Change:
        if record.message_id in self.records:
            return Change(record=self.records[record.message_id], before=None, recorded=False)
        return self._changed(record, frozenset())

    def record(
        self, message_id: str, fact: Fact, *, only_if: Callable[[History], bool] = lambda _: True
    ) -> Change | None:
        record = self.records.get(message_id)
        if record is None or not only_if(record.history):
            return None
        return self._changed(
            replace(record, history=record.history.with_fact(fact)), frozenset(notices_due(record.history))
        )

    def earlier_left(self, _record: MessageRecord) -> bool:
        return True

    def find(self, message_id: str) -> MessageRecord | None:
        return self.records.get(message_id)

    def find_received(self, *_: str) -> None:
        return None

    def received(self, *_: object) -> tuple[Notice, ...]:
        return ()

    def _changed(self, record: MessageRecord, told: frozenset[NoticeKind]) -> Change:
        self.records[record.message_id] = record
        notices = tuple(
            Notice(subject_key=record.message_id, kind=kind, raised_at=self.now(), facts={})
            for kind in sorted(notices_due(record.history) - told)
        )
        return Change(record=record, before=None, notices=notices)


@dataclass
class DropInMind:
    """A folder on disk as the drop bucket; every file is at version "1" unless told otherwise."""

    folder: Path
    version: str = "1"
    reads: list[tuple[str, str]] = field(default_factory=list)

    def read(self, key: str, version: str, limit: int) -> bytes:
        self.reads.append((key, version))
        content = self._path(key).read_bytes()
        if len(content) > limit:
            raise ValueError("longer than the limit")
        return content

    def stat(self, key: str, version: str | None = None) -> DropFile:
        return DropFile(key=key, version=version or self.version, size=self._path(key).stat().st_size)

    def ends(self, file: DropFile, length: int) -> tuple[bytes, bytes]:
        content = self._path(file.key).read_bytes()
        return content[:length], content[-length:]

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

    def put(self, message_id: str, envelope: Envelope, content: Iterable[bytes]) -> str:
        self.messages[message_id], self.envelopes[message_id] = b"".join(content), envelope
        return "hash"

    def envelope(self, message_id: str) -> Envelope:
        return self.envelopes[message_id]

    def copy_message(self, message_id: str, _sha256: str, target: IO[bytes]) -> None:
        target.write(self.messages[message_id])
        target.seek(0)


class EvidenceInMind:
    def keep_request(self, request_id: str, _raw: bytes) -> str:
        return request_id

    def receipt(self, *_: object) -> None:
        pass

    def keep_received(self, *_: object) -> str:
        return "key"


@dataclass
class QueueInMind:
    ids: list[str] = field(default_factory=list)

    def put(self, message_id: str, _mailbox: str) -> None:
        self.ids.append(message_id)


@dataclass
class NotifierInMind:
    told: list[NoticeKind] = field(default_factory=list)

    def tell(self, notices: Iterable[Notice]) -> int:
        self.told += [notice.kind for notice in notices]
        return 0
