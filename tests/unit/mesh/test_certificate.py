"""When a certificate ends, against what openssl says of the same certificate."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gpconnect_messaging.mesh import MailboxCredentials
from gpconnect_messaging.mesh.certificate import expiry

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")


def made(folder: Path, days: int) -> str:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    command = [openssl, "req", "-x509", *NEW_KEY, "-nodes", "-subj", "/CN=test", "-days", str(days)]
    subprocess.run([*command, "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True)
    return (folder / "cert").read_text(encoding="ascii")


@pytest.mark.parametrize("days", [1, 30, 15_000])  # the last is beyond 2050, where the form of the time changes
def test_the_end_of_a_certificate_is_read(days: int, tmp_path: Path) -> None:
    pem = made(tmp_path, days)
    ends = datetime.now(UTC) + timedelta(days=days)
    assert abs(expiry(f"some words before\n{pem}") - ends) < timedelta(minutes=5)
    credentials = MailboxCredentials(
        mailbox="Y90001OT001", password="p", shared_key="k", client_certificate=pem, client_key="key"
    )
    assert credentials.certificate_expires == expiry(pem)


@pytest.mark.parametrize(
    "text", ["", "-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "x"]
)
def test_what_is_no_certificate_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^the certificate cannot be read$"):
        expiry(text)


def test_a_mailbox_without_a_certificate_has_no_end_of_it() -> None:
    assert MailboxCredentials(mailbox="Y90001OT001", password="p", shared_key="k").certificate_expires is None
