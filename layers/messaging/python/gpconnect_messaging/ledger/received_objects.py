"""The record of which request received a document of the drop: one item an object version (ADR 60).

The sort key begins with the time of the version, so that one query finds the newest received version of a key. A
request needs no such item: its id derives from bucket, key and version, and the ledger has the id. Of the last request
received under a key the ledger has the content, with the time.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from gpconnect_messaging.conflicts import past_transactions
from gpconnect_messaging.ledger.precedence import object_of
from gpconnect_messaging.ledger.table import Item, Key, LedgerTable, content_key, item, plain, text, time
from gpconnect_messaging.storage import DropFile, ListedObject, whole_second
from gpconnect_messaging.threads import in_threads

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KNOWN_FOR = timedelta(days=60)
"""How long after a version was put the record of its receiver is there. No older version is sent."""
_KEPT = KNOWN_FOR + timedelta(days=1)
_RECEIVED = "RECEIVED#"


@dataclass(frozen=True, slots=True)
class Receiver:
    """The request that received an object version, and the encounter's key; both empty where no request may have it."""

    request_id: str = ""
    encounter_key: str = ""


class ReceivedObjects(LedgerTable):
    """The receivers of a bucket's object versions; all methods may raise ClientError for faults of DynamoDB itself."""

    def __init__(
        self, client: "DynamoDBClient", table: str, bucket: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        super().__init__(client, table, now)
        self._bucket = bucket

    def mark(self, file: DropFile, receiver: Receiver) -> Receiver:
        """Record the receiver of a version, unless a request received it before; return the first.

        One write, also where an earlier receiver stays.
        """
        pk, sk = self._key(file)
        written: Item = {
            "pk": pk,
            "sk": sk,
            "request_id": receiver.request_id,
            "encounter_key": receiver.encounter_key,
            "expires_at": int((self._now() + _KEPT).timestamp()),
        }
        try:
            past_transactions(
                lambda: self._client.put_item(
                    TableName=self._table,
                    Item=item(written),
                    ConditionExpression="attribute_not_exists(pk) OR request_id = :none",
                    ExpressionAttributeValues=item({":none": ""}),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            earlier: Item = error.response["Item"]  # type: ignore[typeddict-item]
            return _receiver(plain(earlier))
        return receiver

    def receiver(self, file: DropFile) -> Receiver | None:
        """Return the receiver of a version; None where there is none."""
        found = self._get(*self._key(file))
        return _receiver(found) if found else None

    def documents_not_received(self, listed: Sequence[ListedObject]) -> list[ListedObject]:
        """Return the listed document versions that have no receiver, in order. Raises UnreadError."""
        keys = [self._key(version) for version in listed]
        received = {(found["pk"], found["sk"]) for found in self._batch(keys)}
        return [version for version, key in zip(listed, keys, strict=True) if key not in received]

    def documents_not_received_since(self, listed: Sequence[ListedObject]) -> list[ListedObject]:
        """Return the documents, listed without a version, of which no version as new has a receiver, in order."""
        newest = in_threads(self._newest_received, [document.key for document in listed])
        return [
            document
            for document, at in zip(listed, newest, strict=True)
            if at is None or at < whole_second(document.at)
        ]

    def requests_not_received_since(self, listed: Sequence[ListedObject]) -> list[ListedObject]:
        """Return the requests, listed without a version, as new as which the ledger has no content, in order.

        The ledger keeps no content of a refused request or a repeat: such a request is returned, although it was
        received. Raises UnreadError.
        """
        keys = [content_key(object_of(self._bucket, request.key)) for request in listed]
        arrived = {
            (found["pk"], found["sk"]): time(found["arrived"]) for found in self._batch(keys) if "arrived" in found
        }
        return [
            request
            for request, key in zip(listed, keys, strict=True)
            if key not in arrived or arrived[key] < whole_second(request.at)
        ]

    def _newest_received(self, key: str) -> datetime | None:
        """Return the time of the newest version of a file that has a receiver (UTC, whole seconds); None without."""
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :received)",
            ExpressionAttributeValues=item({":pk": self._pk(key), ":received": _RECEIVED}),
            ProjectionExpression="sk",
            ScanIndexForward=False,
            Limit=1,
            ConsistentRead=True,
        )
        return next((time(plain(found)["sk"].split("#")[1]) for found in answer["Items"]), None)

    def _pk(self, key: str) -> str:
        return content_key(object_of(self._bucket, key))[0]

    def _key(self, version: DropFile | ListedObject) -> Key:
        # A sort key of DynamoDB is too short for S3's longest version id.
        digest = hashlib.sha256(version.version.encode()).hexdigest()[:32]
        return self._pk(version.key), f"{_RECEIVED}{text(whole_second(version.at))}#{digest}"


def _receiver(found: Item) -> Receiver:
    return Receiver(found["request_id"], found["encounter_key"])
