"""Credentials: what their repr shows, what is refused, and the certificate's short stay on disk."""

import contextlib
import shutil
import socket
import ssl
import stat
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from gpconnect_messaging.mesh import Authentication, MailboxCredentials, MeshClient, OutboundMessage

SECRET = "swordfish"


def credentials(**changes: Any) -> MailboxCredentials:
    return MailboxCredentials(**({"mailbox": "Y90001OT001", "password": SECRET, "shared_key": SECRET} | changes))


def test_the_repr_shows_the_mailbox_and_no_secret() -> None:
    shown = repr(credentials(client_certificate=SECRET, client_key=SECRET, ca_certificate=SECRET))
    assert shown == "MailboxCredentials(mailbox='Y90001OT001')"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"mailbox": "y90001ot001"}, "mailbox id"),
        ({"mailbox": "Y9/../X"}, "mailbox id"),
        ({"mailbox": ""}, "mailbox id"),
        ({"password": ""}, "password"),
        ({"shared_key": ""}, "shared_key"),
        ({"client_certificate": "x"}, "client_key"),
        ({"client_key": "x"}, "client_certificate"),
    ],
)
def test_what_mesh_could_not_accept_is_refused_by_the_name_of_the_field(changes: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named) as raised:
        credentials(**changes)
    assert SECRET not in str(raised.value)


def test_the_two_secrets_join_and_empty_certificates_mean_none() -> None:
    joined = MailboxCredentials.from_secrets(
        "Y90001OT001", {"password": "p", "client_certificate": "", "client_key": None}, {"shared_key": "k"}
    )
    assert (joined.password, joined.shared_key, joined.client_certificate, joined.ca_certificate) == (
        "p",
        "k",
        None,
        None,
    )


@pytest.mark.parametrize("mailbox_secret", [{}, {"password": 7}, {"password": ["swordfish"]}])
def test_a_secret_without_a_usable_password_is_refused(mailbox_secret: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="password") as raised:
        MailboxCredentials.from_secrets("Y90001OT001", mailbox_secret, {"shared_key": "k"})
    assert SECRET not in str(raised.value)


def test_a_connection_verifies_its_server_and_speaks_tls_1_2_or_better() -> None:
    context = credentials().tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ca_certificate": "swordfish, not PEM"}, "ca_certificate"),
        ({"client_certificate": "swordfish", "client_key": "swordfish"}, "client certificate"),
    ],
)
def test_unusable_pem_is_refused_without_repeating_it_and_leaves_nothing_on_disk(
    changes: dict[str, str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ValueError, match=named) as raised:
        credentials(**changes).tls_context()
    assert SECRET not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["http://msg.intspineservices.nhs.uk", "ftp://127.0.0.1", "msg.intspineservices.nhs.uk"]
)
def test_mesh_is_not_spoken_to_in_the_clear_except_on_this_machine(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        MeshClient(url, credentials())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate for 127.0.0.1 that serves as authority, server and client."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    folder = tmp_path_factory.mktemp("authority")
    subprocess.run(
        [
            *(
                openssl,
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return folder


def test_mutual_tls_works_and_the_key_is_on_disk_for_us_alone_and_only_while_it_loads(
    authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = (authority / "certificate.pem").read_text(), (authority / "key.pem").read_text()
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=certificate)
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.load_cert_chain(authority / "certificate.pem", authority / "key.pem")
    subjects: list[object] = []

    def answer(listener: socket.socket) -> None:
        with listener.accept()[0] as raw, server_context.wrap_socket(raw, server_side=True) as connection:
            subjects.append((connection.getpeercert() or {}).get("subject"))
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    modes: list[int] = []
    load = ssl.SSLContext.load_cert_chain

    def watched(context: ssl.SSLContext, path: str, *rest: Any, **named: Any) -> None:
        modes.append(stat.S_IMODE(Path(path).stat().st_mode))
        load(context, path, *rest, **named)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    ours = credentials(client_certificate=certificate, client_key=key, ca_certificate=certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,), daemon=True)
        thread.start()
        with MeshClient(f"https://127.0.0.1:{listener.getsockname()[1]}", ours) as mesh:
            mesh.handshake()
        thread.join(timeout=5)
    assert subjects == [((("commonName", "127.0.0.1"),),)]
    assert modes == [0o600]
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_refuses_our_certificate_is_authentication_and_not_uncertain(authority: Path) -> None:
    certificate = (authority / "certificate.pem").read_text()
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=certificate)
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.load_cert_chain(authority / "certificate.pem", authority / "key.pem")

    def refuse(listener: socket.socket) -> None:
        for _ in range(2):
            with listener.accept()[0] as raw:
                copy = raw.dup()
                with copy, contextlib.suppress(OSError):
                    try:
                        server_context.wrap_socket(raw, server_side=True)
                    except ssl.SSLError:
                        # Read to the end, or the system's reset could overtake the alert.
                        copy.shutdown(socket.SHUT_WR)
                        while copy.recv(65_536):
                            pass

    ours = credentials(ca_certificate=certificate)
    outgoing = OutboundMessage(to="A20047OT001", workflow_id="GPCONNECT_SEND_DOCUMENT")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=(listener,), daemon=True)
        thread.start()
        with MeshClient(f"https://127.0.0.1:{listener.getsockname()[1]}", ours) as mesh:
            with pytest.raises(Authentication, match="certificate"):
                mesh.send(outgoing, b"<Bundle/>")
            with pytest.raises(Authentication, match="certificate"):
                mesh.handshake()
        thread.join(timeout=5)
