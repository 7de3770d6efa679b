"""Items have the values that boto3 would write and read."""

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.ledger.table import item, plain

VALUES: dict[str, Any] = {
    "text": "ä", "status": Status.HELD, "empty": "", "yes": True, "no": False, "nothing": None, "number": -17,
    "large": 2**100, "decimal": Decimal("1.50"), "list": ["a", 1, [None], {"in": "it"}], "pair": ("a", 1),
    "map": {"a": {"b": [True]}, "c": {}}, "bytes": b"\x00\xff",
}  # fmt: skip


def test_values_are_written_as_by_boto3() -> None:
    assert item(VALUES) == {name: TypeSerializer().serialize(value) for name, value in VALUES.items()}


def test_values_are_read_as_by_boto3() -> None:
    written = item(VALUES)
    assert plain(written) == {name: TypeDeserializer().deserialize(value) for name, value in written.items()}
    assert plain(written) == VALUES | {"pair": ["a", 1]}


@pytest.mark.parametrize("value", [1.5, {"a", "b"}, object()])
def test_other_types_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=f"no {type(value).__name__}$"):
        item({"name": value})


@pytest.mark.parametrize("kind", ["SS", "BS"])
def test_other_types_are_not_read(kind: str) -> None:
    with pytest.raises(KeyError, match=kind):
        plain({"name": {kind: ["a"]}})
