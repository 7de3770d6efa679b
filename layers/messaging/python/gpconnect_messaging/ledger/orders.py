"""An operator's orders to resubmit a kept request, recorded before they take effect.

Anyone who may write to the intake queue could ask for a resubmission there: only an order in the ledger allows it.
"""

from gpconnect_messaging.ledger.actions import action_item
from gpconnect_messaging.ledger.records import AuditEvent, Order, Origin
from gpconnect_messaging.ledger.table import Item, LedgerTable, text, time


class OrderBook(LedgerTable):
    """The orders of operators."""

    def record(self, order: Order, event: AuditEvent) -> bool:
        """Record an order with its audit event, both or neither; False where it was given before."""
        item = {
            "pk": f"REQUEST#{order.request_id}",
            "sk": "ORDER",
            "of": order.of,
            **origin_item(order.origin),
            **self._expiry(event.at),
        }
        return self._write(
            [self._put(item, "attribute_not_exists(pk)"), self._put(action_item(event) | self._expiry(event.at))]
        )


def origin_item(origin: Origin) -> Item:
    """Write an origin as attributes of an item."""
    arrived = {"arrived": text(origin.arrived)} if origin.arrived else {}
    way = {"dropped": True} if origin.dropped else {"queue_of": origin.queue_of} if origin.queue_of else {}
    return {"folder": origin.folder, "document_versions": list(origin.document_versions), **arrived, **way}


def read_origin(item: Item) -> Origin | None:
    """Read the attributes that `origin_item` wrote; None from an item without them."""
    if "folder" not in item:
        return None
    return Origin(
        folder=item["folder"],
        document_versions=tuple(item["document_versions"]),
        arrived=time(item["arrived"]) if "arrived" in item else None,
        dropped=item.get("dropped", False),
        queue_of=item.get("queue_of", ""),
    )


def as_order(request_id: str, item: Item) -> Order | None:
    """Read an order's item."""
    origin = read_origin(item)
    return Order(request_id=request_id, of=item["of"], origin=origin) if origin else None
