"""Which objects of the drop bucket are requests: one rule for EventBridge, the backfill and the daily balance."""

REQUEST_FILE = "request.json"
"""The name of a request's object, in any letter case: at the root of the bucket, or behind a slash."""

EVENT_PATTERN = ({"equals-ignore-case": REQUEST_FILE}, {"suffix": {"equals-ignore-case": f"/{REQUEST_FILE}"}})
"""The rule as EventBridge takes it. Source: Amazon EventBridge User Guide, "Comparison operators"."""

JSONATA_CONDITION = f"$lowercase($split($states.input.Key, '/')[-1]) = '{REQUEST_FILE}'"
"""The rule as a state machine takes it, of the key of a listed object."""


def is_request(key: str) -> bool:
    """Say whether an object's key is a request's."""
    return key.rpartition("/")[2].lower() == REQUEST_FILE
