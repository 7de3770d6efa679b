"""Measures our MESH client against the official one and raw httpx, in the same run, and the memory of long messages.

The other side is `counterpart`, which does as little as possible, so that what is compared is the clients; it speaks
TLS as MESH does. Raw httpx is one `post` of the same headers, with a token that was made beforehand, and the same body.

Sending is measured twice: wall-clock time, and the processor time of the client's process. The clients take turns in
short rounds, and what counts is the first decile of a client's rounds: those in which the machine did little else. On
a busy machine only the processor times can be compared; a promise of speed is broken where both break it. `plain` is
without compression; `gzip` is each client's own, and for raw httpx ours. Compression alone is processor time, of the
best of several runs. Memory is the growth of a fresh process's greatest resident size above what it held when warm.

    python -m tests.performance.bench_mesh [--json] [--report]

Exit status 1 where a budget is exceeded, unless `--report` is given.
"""

import argparse
import base64
import hashlib
import io
import json
import os
import random
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
from mesh_client import MeshClient as OfficialClient
from mesh_client.io_helpers import GzipCompressStream

from gpconnect_messaging.compression import LEVEL, compressed
from gpconnect_messaging.mesh import MailboxCredentials, MeshClient, OutboundMessage
from gpconnect_messaging.mesh.authorization import authorization
from gpconnect_messaging.mesh.chunking import Chunking
from gpconnect_messaging.mesh.client import ACCEPT, CLIENT_VERSION
from infra.local import certificate
from tests.performance.counterpart import BLOCK
from tests.performance.messages import messages

ROOT = Path(__file__).parents[2]
SIZES = {"10 kB": (10_000, 8), "1 MB": (1_000_000, 2), "5 MB": (5_000_000, 1)}
"""Length of a message, and how many each thread sends in a round."""
LONG = {"200 MB": 200, "1 GB": 1024}
"""Length of a long message in MiB."""
ROUNDS = 30
AT_ONCE = 8
# What the product promises: speed as a multiple of raw httpx's and, compressed, of the official client's; compression
# alone as a multiple of the official client's, and length as a multiple of its; MiB above idle.
HTTPX_SPEED, OFFICIAL_GZIP_SPEED, COMPRESSION_SPEED, COMPRESSED_LENGTH, LONG_MEMORY = 0.9, 2.0, 4.0, 1.3, 64.0
# The official client answers for a short message's compression with what surrounds it.
OFFICIAL_GZIP_SIZES = ("1 MB", "5 MB")

Send = Callable[[bytes], object]
MAILBOX = "Y90001OT001"
OUTGOING = OutboundMessage(
    to="A20047OT001", workflow_id="GPCONNECT_SEND_DOCUMENT", local_id="Y90001", file_name="m.xml"
)


@dataclass(frozen=True)
class Counterpart:
    """The other side, and the file of its certificate."""

    url: str
    certificate: Path

    @property
    def credentials(self) -> MailboxCredentials:
        """What our client needs for it."""
        return MailboxCredentials(
            mailbox=MAILBOX,
            password="password",
            shared_key="shared-key",
            ca_certificate=self.certificate.read_text(encoding="ascii"),
        )

    def http(self) -> httpx.Client:
        """Make a plain client that trusts it."""
        return httpx.Client(timeout=60, verify=ssl.create_default_context(cafile=self.certificate))


@contextmanager
def counterpart() -> Iterator[Counterpart]:
    """Start the other side, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("certificate.pem", "key.pem")]
        certificate.make(*files, now=datetime.now(UTC))
        command = [sys.executable, "-m", "tests.performance.counterpart", *map(str, files)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            yield Counterpart(f"https://127.0.0.1:{process.stdout.readline().split()[1]}", files[0])
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()


def _message(size: int) -> bytes:
    """A message as it goes out: base64 of a PDF, half of it text."""
    numbers = random.Random(size)
    words = " ".join(numbers.choice(("0 0 m", "BT", "ET", "/F1 9 Tf", "(patient)", "re f")) for _ in range(size // 8))
    half = size * 3 // 8
    return b"<Binary>" + base64.b64encode(numbers.randbytes(half) + words.encode()[:half])[: size - 17] + b"</Binary>"


def _ours(other: Counterpart, level: int | None) -> list[Send]:
    client = MeshClient(other.url, other.credentials, compression_level=level)
    return [lambda body: client.send(OUTGOING, body)] * AT_ONCE


def _httpx(other: Counterpart, *, gzip: bool) -> list[Send]:
    client, url = other.http(), f"{other.url}/messageexchange/{MAILBOX}/outbox"
    headers = {
        "Accept": ACCEPT,
        "Accept-Encoding": "identity",
        "User-Agent": CLIENT_VERSION,
        "Authorization": authorization(MAILBOX, "password", "shared-key", at=datetime.now(UTC)),
        "Mex-From": MAILBOX,
        "Mex-To": OUTGOING.to,
        "Mex-WorkflowID": OUTGOING.workflow_id,
        "Mex-LocalID": OUTGOING.local_id,
        "Mex-FileName": OUTGOING.file_name,
        "Mex-Chunk-Range": "1:1",
        "Content-Type": OUTGOING.content_type,
        **({"Content-Encoding": "gzip"} if gzip else {}),
    }

    def send(body: bytes) -> None:
        client.post(url, content=compressed(body) if gzip else body, headers=headers).raise_for_status()

    return [send] * AT_ONCE


def _official(other: Counterpart, *, gzip: bool) -> list[Send]:
    # One for each thread: its session is not made to be shared.
    clients = [
        OfficialClient(other.url, MAILBOX, "password", shared_key=b"shared-key", verify=str(other.certificate))
        for _ in range(AT_ONCE)
    ]

    def sender(client: Any) -> Send:
        return lambda body: client.send_message(
            OUTGOING.to, body, workflow_id=OUTGOING.workflow_id, local_id=OUTGOING.local_id,
            filename=OUTGOING.file_name, content_type=OUTGOING.content_type, compress=gzip,
        )  # fmt: skip

    return [sender(client) for client in clients]


def _round(pool: ThreadPoolExecutor, senders: list[Send], body: bytes, count: int, at_once: int) -> tuple[float, float]:
    """Send `count` messages with each of so many threads; return one message's seconds, and the processor's."""

    def work(send: Send) -> None:
        for _ in range(count):
            send(body)

    begun, busy = time.perf_counter(), time.process_time()
    if at_once == 1:
        work(senders[0])
    else:
        list(pool.map(work, senders))
    messages_sent = count * at_once
    return (time.perf_counter() - begun) / messages_sent, (time.process_time() - busy) / messages_sent


def compare_speed(other: Counterpart, rounds: int) -> list[dict[str, Any]]:
    """Send with every client, at every size, one after another and eight at once."""
    kinds = {
        kind: {"ours": _ours(other, level), "httpx": _httpx(other, gzip=gzip), "official": _official(other, gzip=gzip)}
        for kind, level, gzip in (("plain", None, False), ("gzip", LEVEL, True))
    }
    rows = []
    with other.http() as control:
        for name, (size, count) in SIZES.items():
            body = _message(size)
            for kind, clients in kinds.items():
                for at_once in (1, AT_ONCE):
                    figures = _take_turns(other, control, clients, body, count, at_once, rounds)
                    rows.append({"message": name, "kind": kind, "at_once": at_once, **figures})
            print(f"measured {name}", file=sys.stderr)
    return rows


def _take_turns(
    other: Counterpart,
    control: httpx.Client,
    clients: dict[str, list[Send]],
    body: bytes,
    count: int,
    at_once: int,
    rounds: int,
) -> dict[str, Any]:
    times: dict[str, list[tuple[float, float]]] = {client: [] for client in clients}
    turns = list(clients)
    served = 0.0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(rounds + 1):
            # Who comes after whom changes, and ours before httpx as often as after it.
            turns = turns[1:] + turns[:1] if number % 2 else turns[::-1]
            for client in turns:
                taken = _round(pool, clients[client], body, count, at_once)
                if number:  # the first round opens the connections
                    times[client].append(taken)
            if not number:
                served = float(control.get(f"{other.url}/seconds").text)
    served = float(control.get(f"{other.url}/seconds").text) - served
    wall, processor = (
        {client: quantiles([each[which] for each in rows], n=10)[0] * 1000 for client, rows in times.items()}
        for which in (0, 1)
    )
    return {
        "wall": wall,
        "processor": processor,
        "times_httpx": [each["httpx"] / each["ours"] for each in (wall, processor)],
        "times_official": [each["official"] / each["ours"] for each in (wall, processor)],
        "server": served * 1000 / (rounds * len(clients) * count * at_once),
    }


def compare_compression() -> list[dict[str, Any]]:
    """Compress a message of each kind as we do and as the official client does."""
    ways: dict[str, Callable[[bytes], bytes]] = {
        "ours": compressed,
        "official": lambda body: bytes(GzipCompressStream(io.BytesIO(body)).read()),
    }
    rows = []
    for name, body in messages().items():
        seconds, lengths = dict.fromkeys(ways, float("inf")), dict.fromkeys(ways, 0)
        for _ in range(7):
            for way, compress in ways.items():
                begun = time.thread_time()
                lengths[way] = len(compress(body))
                seconds[way] = min(seconds[way], time.thread_time() - begun)
        rows.append(
            {
                "message": name,
                "bytes": len(body),
                **{f"{way}_milliseconds": each * 1000 for way, each in seconds.items()},
                **{f"{way}_share": each / len(body) for way, each in lengths.items()},
            }
        )
    return rows


def _s3(other: Counterpart) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3", endpoint_url=other.url, verify=str(other.certificate), region_name="eu-west-2",
        aws_access_key_id="k", aws_secret_access_key="s",
        config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
    )  # fmt: skip


class _Connections:
    """What `Upload` needs of the mailbox's connections."""

    def __init__(self, client: MeshClient) -> None:
        self._client = client

    def authorised(self, _mailbox: str, act: Callable[[MeshClient], Any]) -> Any:
        return act(self._client)


def _upload(other: Counterpart, mebibytes: int) -> None:
    from gpconnect_messaging.steps.upload import Upload
    from gpconnect_messaging.storage import FIRST_PART, Outbox

    digest = hashlib.sha256()
    for _ in range(mebibytes):
        digest.update(BLOCK[FIRST_PART:] + BLOCK[:FIRST_PART])  # behind the envelope
    with MeshClient(other.url, other.credentials) as client:
        chunking = Chunking()
        Upload(
            outbox=Outbox(_s3(other), "outbox"), mesh=_Connections(client),  # type: ignore[arg-type]
            mailbox=MAILBOX, message_id="long", sha256=digest.hexdigest(), outgoing=OUTGOING,
            parts=chunking.parts(mebibytes * len(BLOCK)), smallest_chunk=chunking.smallest_chunk, begun=(),
            accepted=lambda _part, _id: None,
        ).run(lambda: True)  # fmt: skip


def _download(other: Counterpart, mebibytes: int) -> None:
    from gpconnect_messaging.storage import Evidence

    with MeshClient(other.url, other.credentials) as client:
        kept = Evidence(_s3(other), "evidence").receive(MAILBOX, str(mebibytes))
        kept.keep(client.download_into(str(mebibytes), kept, maximum_bytes=2_000_000_000))


def _grow(what: str, other: Counterpart, mebibytes: int) -> dict[str, float]:
    work = {"upload": _upload, "download": _download}[what]
    work(other, 1)
    before = _memory("VmRSS")
    begun = time.perf_counter()
    work(other, mebibytes)
    return {"mebibytes": max(0.0, _memory("VmHWM") - before), "seconds": time.perf_counter() - begun}


def _memory(name: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def compare_memory(other: Counterpart) -> list[dict[str, Any]]:
    """Send and receive long messages, each in a fresh process."""
    rows = []
    for name, mebibytes in LONG.items():
        for what in ("upload", "download"):
            given = [what, other.url, str(other.certificate), str(mebibytes)]
            command = [sys.executable, "-m", "tests.performance.bench_mesh", "--measure", *given]
            done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env=dict(os.environ))
            rows.append({"message": name, "what": what, **json.loads(done.stdout)})
            print(f"measured the {what} of {name}", file=sys.stderr)
    return rows


def broken_budgets(
    speed: list[dict[str, Any]], compression: list[dict[str, Any]], memory: list[dict[str, Any]]
) -> list[str]:
    """Name the promises that the figures break."""
    broken = []
    for row in speed:
        where = f"{row['message']} {row['kind']}, {row['at_once']} at once"
        least = OFFICIAL_GZIP_SPEED if row["kind"] == "gzip" and row["message"] in OFFICIAL_GZIP_SIZES else 1.0
        for other, limit in (("httpx", HTTPX_SPEED), ("official", least)):
            if max(row[f"times_{other}"]) < limit:
                found = " and ".join(f"{each:.2f}" for each in row[f"times_{other}"])
                broken.append(f"{where}: {found} times the speed of {other}, less than {limit}")
    for row in compression:
        speed_up = row["official_milliseconds"] / row["ours_milliseconds"]
        longer = row["ours_share"] / row["official_share"]
        if speed_up < COMPRESSION_SPEED:
            broken.append(f"{row['message']}: compressed {speed_up:.1f} times as fast, less than {COMPRESSION_SPEED}")
        if longer > COMPRESSED_LENGTH:
            broken.append(f"{row['message']}: compressed to {longer:.2f} of the official client's length")
    return broken + [
        f"{row['what']} of {row['message']}: {row['mebibytes']:.0f} MiB above idle, more than {LONG_MEMORY:.0f}"
        for row in memory
        if row["mebibytes"] > LONG_MEMORY
    ]


def _tables(
    speed: list[dict[str, Any]], compression: list[dict[str, Any]], memory: list[dict[str, Any]], rounds: int
) -> str:
    lines = [
        f"Milliseconds a message, first decile of {rounds} rounds: wall clock, and the processor's in the client; then",
        "our speed as a multiple of theirs by both. `server` is the other side's processor time in each message",
        "",
        f"{'message':>8} {'kind':>6} {'at once':>8} {'ours':>15} {'httpx':>15} {'official':>15} {'server':>7} "
        f"{'x httpx':>11} {'x official':>11}",
    ]
    for row in speed:
        pairs = [
            f"{row['wall'][client]:>7.2f} {row['processor'][client]:>7.2f}" for client in ("ours", "httpx", "official")
        ]
        multiples = [
            f"{wall:>5.2f} {processor:>5.2f}" for wall, processor in (row["times_httpx"], row["times_official"])
        ]
        lines.append(
            f"{row['message']:>8} {row['kind']:>6} {row['at_once']:>8} {' '.join(pairs)} {row['server']:>7.2f} "
            + " ".join(multiples)
        )
    lines += [
        "",
        "Compression alone, processor milliseconds, and the length that is left as a share",
        "",
        f"{'message':>19} {'bytes':>9} {'ours':>9} {'official':>9} {'times':>6} {'ours':>7} {'official':>9}",
    ]
    lines += [
        f"{row['message']:>19} {row['bytes']:>9} {row['ours_milliseconds']:>9.2f} {row['official_milliseconds']:>9.2f} "
        f"{row['official_milliseconds'] / row['ours_milliseconds']:>6.1f} "
        f"{row['ours_share']:>7.3f} {row['official_share']:>9.3f}"
        for row in compression
    ]
    lines += ["", "Long messages between S3 and MESH, MiB above idle:", ""]
    lines += [
        f"{row['message']:>8} {row['what']:>9} {row['mebibytes']:>7.1f} MiB {row['seconds']:>7.1f} s" for row in memory
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and say whether the budgets hold."""
    parser = argparse.ArgumentParser(prog="make bench-mesh", description="Measure our MESH client against others.")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--report", action="store_true", help="end with 0 whatever the figures, as on a busy machine")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds of sending (default: {ROUNDS})")
    parser.add_argument("--measure", nargs=4, metavar=("WHAT", "URL", "CERTIFICATE", "MIB"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        what, url, trusted, mebibytes = arguments.measure
        print(json.dumps(_grow(what, Counterpart(url, Path(trusted)), int(mebibytes))))
        return 0
    with counterpart() as other:
        speed, memory = compare_speed(other, arguments.rounds), compare_memory(other)
    compression = compare_compression()
    broken = broken_budgets(speed, compression, memory)
    if arguments.json:
        found = {"speed": speed, "compression": compression, "memory": memory, "broken_budgets": broken}
        print(json.dumps(found, indent=2))
    else:
        print(_tables(speed, compression, memory, arguments.rounds), "", *(broken or ["All budgets hold."]), sep="\n")
    return 1 if broken and not arguments.report else 0


if __name__ == "__main__":
    sys.exit(main())
