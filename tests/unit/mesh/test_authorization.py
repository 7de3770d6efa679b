"""The NHSMESH token, against an implementation written from the description, and its uniqueness."""

import hashlib
import hmac
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpconnect_messaging.mesh.authorization import authorization

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
secrets = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=40)


def verified(token: str, password: str, shared_key: str) -> bool:
    """Check a token as MESH would: five parts after the scheme, and the signature over them and the password."""
    scheme, _, rest = token.partition(" ")
    mailbox, nonce, count, timestamp, signature = rest.split(":")
    signed = f"{mailbox}:{nonce}:{count}:{password}:{timestamp}".encode()
    expected = hmac.new(shared_key.encode(), signed, hashlib.sha256).hexdigest()
    return scheme == "NHSMESH" and count.isdigit() and signature == expected


def test_a_known_token_comes_out_as_described() -> None:
    token = authorization("X26HC006", "password", "BackBone", at=NOON, nonce="n", nonce_count=3)
    signature = hmac.new(b"BackBone", b"X26HC006:n:3:password:202603041200", hashlib.sha256).hexdigest()
    assert token == f"NHSMESH X26HC006:n:3:202603041200:{signature}"


@settings(deadline=None)
@given(password=secrets, shared_key=secrets, count=st.integers(min_value=0, max_value=10**9))
def test_any_password_and_key_give_a_token_that_verifies(password: str, shared_key: str, count: int) -> None:
    token = authorization("Y90001OT001", password, shared_key, at=NOON, nonce_count=count)
    assert verified(token, password, shared_key)
    assert password not in token or len(password) < 12  # shorter ones can stand in any token by chance


@settings(deadline=None)
@given(hours=st.integers(min_value=-23, max_value=23))
def test_the_timestamp_is_utc_wherever_the_clock_is(hours: int) -> None:
    at = NOON.astimezone(timezone(timedelta(hours=hours)))
    assert authorization("Y90001OT001", "p", "k", at=at).split(":")[3] == "202603041200"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        authorization("Y90001OT001", "p", "k", at=NOON.replace(tzinfo=None))


def test_forked_processes_do_not_repeat_each_other() -> None:
    program = """
import os, sys
from datetime import UTC, datetime
from gpconnect_messaging.mesh.authorization import authorization
at = datetime.now(UTC)
authorization("A", "p", "k", at=at)
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        tokens = [authorization("A", "p", "k", at=at) for _ in range(50)]
        os.write(1, ("\\n".join(tokens) + "\\n").encode())
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    tokens = done.stdout.split("\n")[:-1]
    assert len(tokens) == len(set(tokens)) == 200
