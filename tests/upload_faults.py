"""Faults of the local MESH for the uploads of one message, whatever else shares the run."""

from collections.abc import Mapping
from typing import Any

import httpx

from infra.local.run import LocalRun


def fail_upload(run: LocalRun, request: Mapping[str, Any], fault: str, *, version: int = 1, **settings: Any) -> None:
    """Have the upload of the message that this request will become meet a fault. `settings` as in `QueuedFault`."""
    encounter = run.identifiers.of_encounter(request["mailbox"], request["encounter"])
    queued = {"fault": fault, "kind": "send", "file_name": f"{encounter.message_id(version)}.xml", **settings}
    httpx.post(f"{run.mesh_url}/control/faults/next", json=queued, timeout=10).raise_for_status()
