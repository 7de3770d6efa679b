"""Start the local PDS: `python -m infra.local.pds --secret FILE`, in the MESH sandbox's environment.

It makes a key pair, registers the public key, and writes the application's secret to the file in the form of the AWS
secret; only the owner can read it. Prints `ready http://127.0.0.1:PORT`, and ends with status 0 on SIGTERM.
"""

import argparse
import json
import socket
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from infra.local.pds import people
from infra.local.pds.server import application
from infra.local.pds.service import LocalPds

APPLICATION, KEY_ID = "local-run-application", "local-1"


def main() -> None:
    """Parse the arguments and serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.pds", description="A local PDS on 127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--people", type=Path, default=people.DEFAULT_PEOPLE, help="file of the known people")
    parser.add_argument("--secret", type=Path, required=True, help="file to write the application's secret to")
    parser.add_argument(
        "--per-second", type=int, default=5, help="allowed requests a second, as in the real service (0: no limit)"
    )
    options = parser.parse_args()
    port = options.port or _free_port()
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    options.secret.touch(mode=0o600)
    options.secret.write_text(json.dumps({"application_key": APPLICATION, "key_id": KEY_ID, "private_key": pem}))
    service = LocalPds.of(
        people.read(options.people),
        application_key=APPLICATION,
        url=f"http://127.0.0.1:{port}",
        keys={KEY_ID: key.public_key()},
        per_second=options.per_second or None,
    )
    from infra.local.mesh.server import serve  # it needs the sandbox's packages

    serve(application(service), port, dated=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
