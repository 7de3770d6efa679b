"""The NHSMESH authorization token (MESH API description, "MESH Authorization header").

MESH accepts a token once. A retry, the next page and the next chunk are new requests and need new tokens. Every token
has a random nonce instead of a counter, so threads, forked processes and restored snapshots never repeat a token.
"""

import hmac
import uuid
from datetime import UTC, datetime
from hashlib import sha256

SCHEME = "NHSMESH"


def authorization(
    mailbox: str, password: str, shared_key: str, *, at: datetime, nonce: str | None = None, nonce_count: int = 0
) -> str:
    """Return a value of the Authorization header: `NHSMESH mailbox:nonce:count:yyyyMMddHHmm:hmac`.

    `at` needs a time zone. `nonce` is fresh unless given. Raises ValueError for a time without a zone.
    """
    if at.tzinfo is None:
        raise ValueError("the time of a MESH token needs a time zone")
    nonce = nonce or str(uuid.uuid4())
    timestamp = at.astimezone(UTC).strftime("%Y%m%d%H%M")
    signed = f"{mailbox}:{nonce}:{nonce_count}:{password}:{timestamp}"
    signature = hmac.new(shared_key.encode(), signed.encode(), sha256).hexdigest()
    return f"{SCHEME} {mailbox}:{nonce}:{nonce_count}:{timestamp}:{signature}"
