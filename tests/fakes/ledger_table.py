"""The ledger's table as deployed, for engines that no template is deployed on."""

from typing import Any

KEYS = ("pk", "sk")
INDEXES = {
    "by_work": ("work_shard", "work_at"),
    "by_attention": ("attention_shard", "attention_at"),
    "by_time": ("time_shard", "at"),
}
"""Each secondary index's partition and sort attributes."""
SHOWN = {
    "by_work": ("statuses", "mailbox", "notify_at", "untold_since"),
    "by_attention": ("statuses", "mailbox"),
    "by_time": ("encounter_key", "mailbox"),
}
"""The other attributes that an index shows, beside the table's keys."""


def create_ledger_table(client: Any, name: str) -> None:
    """Make the on-demand table with the indexes; `client` is boto3's for DynamoDB."""
    attributes = sorted({*KEYS, *(attribute for keys in INDEXES.values() for attribute in keys)})
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=_schema(KEYS),
        AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": "S"} for attribute in attributes],
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": _schema(keys),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(SHOWN[index])},
            }
            for index, keys in INDEXES.items()
        ],
    )


def _schema(keys: tuple[str, str]) -> list[dict[str, str]]:
    return [{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=True)]
