"""The table and the bucket on disk answer as those in memory: whatever is written, read and listed, in any order."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gpconnect_messaging.ledger.table import item
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import Table
from tests.fakes.ledger_table import INDEXES
from tests.fakes.on_disk import DiskBucket, DiskTable
from tests.fakes.s3 import Bucket

STEPS = 1_500
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def disk_table(tmp_path: Path) -> Iterator[DiskTable]:
    table = DiskTable(tmp_path / "table.sqlite")
    yield table
    table.close()


def answered(call: Callable[..., Any], **how: Any) -> Any:
    """What a client answers, or the code of the error."""
    try:
        return call(**how)
    except ClientError as error:
        return error.response["Error"]["Code"]


class Drawing:
    """Calls of the kinds that the ledger's stores make, drawn at random."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)

    def key(self) -> dict[str, str]:
        return {"pk": f"ENCOUNTER#{self.draw.randrange(12)}", "sk": self.draw.choice(("STATE", "PART#1", "PART#2"))}

    def item(self) -> dict[str, Any]:
        values: dict[str, Any] = {**self.key(), "revision": self.draw.randrange(1, 4), "body": b"\0" * 700}
        for partition, sort in INDEXES.values():
            if self.draw.random() < 0.6:
                values |= {partition: self.draw.choice("AB"), sort: f"{self.draw.randrange(30):02}"}
        return item(values | {"mailbox": "Y90001OT001", "statuses": ["HELD"]})

    def write(self) -> tuple[str, dict[str, Any]]:
        expected = {":expected": self.draw.randrange(1, 4)}
        put: dict[str, Any] = {"TableName": "ledger", "Item": self.item()}
        condition = self.draw.choice(("", "attribute_not_exists(pk)", "revision = :expected"))
        put |= {"ConditionExpression": condition} if condition else {}
        put |= {"ExpressionAttributeValues": item(expected)} if ":" in condition else {}
        update = {
            "TableName": "ledger", "Key": item(self.key()), "UpdateExpression": "SET expires_at = :at, work_at = :work",
            "ConditionExpression": "attribute_exists(pk) AND revision = :expected",
            "ExpressionAttributeValues": item({":at": 7, ":work": f"{self.draw.randrange(30):02}", **expected}),
        }  # fmt: skip
        return self.draw.choice((
            ("put_item", put), ("update_item", update), ("transact_write_items", {"TransactItems": [{"Put": put}]}),
            ("delete_item", {"TableName": "ledger", "Key": item(self.key())}),
        ))  # fmt: skip

    def read(self) -> tuple[str, dict[str, Any]]:
        index, (partition, sort) = self.draw.choice(list(INDEXES.items()))
        condition = self.draw.choice(("", f" AND {sort} <= :end", " AND #sort BETWEEN :start AND :end"))
        first, last = sorted((self.draw.randrange(30), self.draw.randrange(30)))
        values = {":shard": self.draw.choice("AB"), ":start": f"{first:02}", ":end": f"{last:02}"}
        query = {
            "TableName": "ledger", "IndexName": index, "KeyConditionExpression": f"{partition} = :shard{condition}",
            "ExpressionAttributeValues": item({name: value for name, value in values.items()
                                               if name == ":shard" or name in condition}),
            "ScanIndexForward": self.draw.random() < 0.7, "Limit": self.draw.choice((1, 2, 5, 100)),
        }  # fmt: skip
        if "#sort" in condition:
            query["ExpressionAttributeNames"] = {"#sort": sort}
        keys = list({tuple(self.key().values()) for _ in range(5)})
        batch = {
            "RequestItems": {"ledger": {"Keys": [item(dict(zip(("pk", "sk"), key, strict=True))) for key in keys]}}
        }
        of_one = {
            "TableName": "ledger", "KeyConditionExpression": "pk = :pk AND begins_with(sk, :beginning)",
            "ExpressionAttributeValues": item({":pk": self.key()["pk"], ":beginning": "PART#"}),
        }  # fmt: skip
        return self.draw.choice((
            ("query", query), ("query", of_one), ("batch_get_item", batch),
            ("get_item", {"TableName": "ledger", "Key": item(self.key())}),
        ))  # fmt: skip


def pages(table: Table, query: dict[str, Any]) -> list[Any]:
    return list(table.get_paginator("query").paginate(**query))


@pytest.mark.parametrize("seed", range(4))
def test_the_table_on_disk_answers_every_call_as_the_one_in_memory(disk_table: DiskTable, seed: int) -> None:
    drawing, memory = Drawing(seed), Table()
    answers = 0
    for _ in range(STEPS):
        operation, how = drawing.write() if drawing.draw.random() < 0.5 else drawing.read()
        expected: Any
        found: Any
        if operation == "query":
            expected, found = pages(memory, how), pages(disk_table, how)
        else:
            expected, found = (answered(getattr(table, operation), **how) for table in (memory, disk_table))
        if operation == "batch_get_item":
            for each in (expected, found):
                each["Responses"]["ledger"].sort(key=lambda one: (one["pk"]["S"], one["sk"]["S"]))
        assert found == expected, (operation, how)
        answers += bool(found)
    assert answers > STEPS / 3


def test_a_page_of_a_query_ends_at_a_megabyte_on_disk_and_in_memory(disk_table: DiskTable) -> None:
    for table in (Table(), disk_table):
        for number in range(30):
            table.put_item(TableName="ledger", Item=item({"pk": "P", "sk": f"{number:02}", "body": b"\0" * 100_000}))
        query = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": item({":pk": "P"})}
        found = pages(table, query)
        assert [page["Count"] for page in found] == [11, 11, 8]
        assert [one["sk"]["S"] for page in found for one in page["Items"]] == [f"{number:02}" for number in range(30)]


def test_loaded_items_are_found_and_changes_are_undone_unless_they_are_saved(tmp_path: Path) -> None:
    table = DiskTable(tmp_path / "table.sqlite")
    table.load([item({"pk": "P", "sk": f"{number}", "work_shard": "A", "work_at": f"{number}"}) for number in range(5)])
    table.put_item(TableName="ledger", Item=item({"pk": "P", "sk": "new"}))
    table.close()
    again = DiskTable(tmp_path / "table.sqlite")
    assert again.get_item(Key=item({"pk": "P", "sk": "new"})) == {}
    query: dict[str, Any] = {
        "KeyConditionExpression": "work_shard = :shard",
        "ExpressionAttributeValues": item({":shard": "A"}),
    }
    assert again.query(IndexName="by_work", **query)["Count"] == 5
    again.close()


def objects(bucket: Bucket | DiskBucket, prefix: str, after: str) -> Iterator[tuple[Any, ...]]:
    """What a bucket lists of its objects."""
    for page in bucket.get_paginator("list_objects_v2").paginate(Bucket="-", Prefix=prefix, StartAfter=after):
        yield from ((one["Key"], one["LastModified"], one["Size"]) for one in page.get("Contents", ()))


@pytest.mark.parametrize("seed", range(3))
def test_the_bucket_on_disk_answers_as_the_one_in_memory(tmp_path: Path, seed: int) -> None:
    draw, clock = random.Random(seed), Clock(NOON)
    memory, disk = Bucket(clock), DiskBucket(tmp_path / "bucket.sqlite")
    for _ in range(400):
        clock.advance(timedelta(seconds=5))
        disk.at = clock.time
        key, content = (
            f"{draw.choice(('a/', 'b/'))}{draw.randrange(40):02}",
            draw.randbytes(draw.choice((0, 9, 40_000))),
        )
        part = {
            "Range": f"bytes={(first := draw.choice((0, 5, 16_384, 20_000)))}-{draw.choice(('', str(first + 17_000)))}"
        }
        options = draw.choice(({}, part))
        if draw.random() < 0.5:
            for bucket in (memory, disk):
                bucket.put_object(Bucket="-", Key=key, Body=content)
        read = [answered(bucket.get_object, Bucket="-", Key=key, **options) for bucket in (memory, disk)]
        assert [found if isinstance(found, str) else found["Body"].read() for found in read[:1]] == [
            found if isinstance(found, str) else found["Body"].read() for found in read[1:]
        ]
        listed = [list(objects(bucket, "a/", f"a/{key[-2:]}")) for bucket in (memory, disk)]
        assert listed[0] == listed[1]
    disk.close()
