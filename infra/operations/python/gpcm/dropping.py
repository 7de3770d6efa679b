"""Drop a request as a sending organisation does: the documents first, then `request.json` beside them."""

import json
import mimetypes
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gpcm.clients import Clients
from gpconnect_messaging.derived_ids import Identifiers
from gpconnect_messaging.drop_keys import is_request


class RequestMissingError(Exception):
    """A folder holds no request."""


@dataclass(frozen=True)
class Dropped:
    """A request in the drop bucket."""

    name: str
    request_id: str
    key: str
    at: datetime


def request_of(folder: Path) -> Path | None:
    """Return the request file in a folder. None if it is deeper, or if there are several."""
    requests = [file for file in folder.rglob("*") if file.is_file() and is_request(file.name)]
    return requests[0] if [file.parent for file in requests] == [folder] else None


def drop_folder(
    session: Clients,
    bucket: str,
    folder: Path,
    changes: Mapping[str, Any] | None = None,
    *,
    identifiers: Identifiers,
    into: str = "local",
) -> Dropped:
    """Drop the request of a folder: `request.json`, and all other files.

    `changes` replace top-level fields of the request.

    Raises:
        RequestMissingError: the folder has no `request.json`, or subfolders have more.

    """
    request = request_of(folder)
    if request is None:
        raise RequestMissingError(f"{folder} has not exactly one request.json")
    body = request.read_bytes()
    if changes:
        body = json.dumps({**json.loads(body), **changes}).encode()
    documents = {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file != request
    }
    return drop(session, bucket, body, documents, identifiers=identifiers, name=folder.name, into=into)


def drop(
    session: Clients,
    bucket: str,
    request: bytes,
    documents: Mapping[str, bytes],
    *,
    identifiers: Identifiers,
    name: str = "request",
    into: str = "local",
) -> Dropped:
    """Drop a request (the bytes of `request.json`) and the documents (by path relative to it).

    The request gets a new folder inside the bucket's folder `into`; `identifiers` derive the request's id as the
    builder does.
    """
    store = session.client("s3")
    folder = f"{into}/{uuid.uuid4()}"
    for path, content in documents.items():
        content_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
        store.put_object(Bucket=bucket, Key=f"{folder}/{path}", Body=content, ContentType=content_type)
    key = f"{folder}/request.json"
    at = datetime.now(UTC)
    stored = store.put_object(Bucket=bucket, Key=key, Body=request, ContentType="application/json")
    request_id = identifiers.dropped_request_id(bucket, key, stored["VersionId"])
    return Dropped(name, str(request_id), key, at)
