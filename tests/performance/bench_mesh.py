"""Measures our MESH client against the official one and raw httpx, in the same run, and the memory of long messages.

The other side is `counterpart`, which does as little as possible, so that what is compared is the clients. Times are
wall-clock, of the best of several rounds in which the clients take turns; memory is the growth of a fresh process's
greatest resident size above what it held when warm. `plain` is without compression; `gzip` is each
client's own compression, and raw httpx with zlib at our level.

    python -m tests.performance.bench_mesh [--json]

Exit status 1 where a budget is exceeded.
"""

import argparse
import base64
import hashlib
import json
import os
import random
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from gpconnect_messaging.mesh import MailboxCredentials, MeshClient, Outgoing
from gpconnect_messaging.mesh.chunking import Chunking
from gpconnect_messaging.mesh.compression import LEVEL, compressed
from tests.performance.counterpart import BLOCK

ROOT = Path(__file__).parents[2]
SIZES = {"10 kB": (10_000, 40), "1 MB": (1_000_000, 16), "5 MB": (5_000_000, 8)}
"""Length of a message, and how many are sent in a round."""
LONG = {"200 MB": 200, "1 GB": 1024}
"""Length of a long message in MiB."""
ROUNDS = 5
AT_ONCE = 8
# What the product promises: speed as a multiple of raw httpx's, times of the official client's, MiB above idle.
HTTPX_SPEED, OFFICIAL_GZIP_SPEED, LONG_MEMORY = 0.9, 2.0, 64.0

Send = Callable[[bytes], object]
CREDENTIALS = MailboxCredentials(mailbox="Y90001OT001", password="password", shared_key="shared-key")
OUTGOING = Outgoing(to="A20047OT001", workflow_id="GPCONNECT_SEND_DOCUMENT", local_id="Y90001", file_name="m.xml")


@contextmanager
def counterpart() -> Iterator[str]:
    """Start the other side, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.performance.counterpart"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().split()[1]}"
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


def _ours(url: str, level: int | None) -> list[Send]:
    client = MeshClient(url, CREDENTIALS, compression_level=level)
    return [lambda body: client.send(OUTGOING, body)] * AT_ONCE


def _httpx(url: str, *, gzip: bool) -> list[Send]:
    client = httpx.Client(timeout=60)
    headers = {"Mex-To": OUTGOING.to, "Mex-WorkflowID": OUTGOING.workflow_id, "Authorization": "NHSMESH x"}

    def send(body: bytes) -> None:
        if gzip:
            compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)
            body = compressor.compress(body) + compressor.flush()
        client.post(f"{url}/messageexchange/Y90001OT001/outbox", content=body, headers=headers).raise_for_status()

    return [send] * AT_ONCE


def _official(url: str, *, gzip: bool) -> list[Send]:
    import mesh_client

    # One for each thread: its session is not made to be shared.
    clients = [
        mesh_client.MeshClient(url, "Y90001OT001", "password", shared_key=b"shared-key", verify=False)
        for _ in range(AT_ONCE)
    ]

    def sender(client: Any) -> Send:
        return lambda body: client.send_message(
            "A20047OT001", body, workflow_id=OUTGOING.workflow_id, local_id="Y90001", compress=gzip
        )

    return [sender(client) for client in clients]


def _round(senders: list[Send], body: bytes, count: int, at_once: int) -> float:
    """Send `count` messages over `at_once` threads; return the seconds that one took."""

    def work(each: int) -> None:
        for _ in range(count // at_once):
            senders[each](body)

    begun = time.perf_counter()
    if at_once == 1:
        work(0)
    else:
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(work, range(at_once)))
    return (time.perf_counter() - begun) / count


def compare_speed(url: str) -> list[dict[str, Any]]:
    """Send with every client, at every size, one after another and eight at once."""
    clients = {
        "plain": {"ours": _ours(url, None), "httpx": _httpx(url, gzip=False), "official": _official(url, gzip=False)},
        "gzip": {"ours": _ours(url, LEVEL), "httpx": _httpx(url, gzip=True), "official": _official(url, gzip=True)},
    }
    rows = []
    for name, (size, count) in SIZES.items():
        body = _message(size)
        for kind, senders in clients.items():
            for at_once in (1, AT_ONCE):
                best = dict.fromkeys(senders, float("inf"))
                server, sent = _server_seconds(url), 0
                for number in range(ROUNDS + 1):
                    for client, each in senders.items():
                        seconds = _round(each, body, count, at_once)
                        sent += count
                        if number:  # the first round opens the connections
                            best[client] = min(best[client], seconds)
                rows.append(
                    {
                        "message": name, "kind": kind, "at_once": at_once,
                        **{f"{client}_milliseconds": seconds * 1000 for client, seconds in best.items()},
                        "server_cpu_milliseconds": (_server_seconds(url) - server) / sent * 1000,
                    }
                )  # fmt: skip
        print(f"measured {name}", file=sys.stderr)
    return rows


def compare_sizes() -> dict[str, float]:
    """The compressed length as a share of the message's, at our level and at the official client's."""
    body = _message(5_000_000)
    return {f"level {level}": compressed(body, level=level)[1] / len(body) for level in (LEVEL, 9)}


def _server_seconds(url: str) -> float:
    return float(httpx.get(f"{url}/seconds").text)


def _s3(url: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3", endpoint_url=url, region_name="eu-west-2", aws_access_key_id="k", aws_secret_access_key="s",
        config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
    )  # fmt: skip


class _Connections:
    """What `Upload` needs of the mailbox's connections."""

    def __init__(self, client: MeshClient) -> None:
        self._client = client

    def authorised(self, _mailbox: str, act: Callable[[MeshClient], Any]) -> Any:
        return act(self._client)


def _upload(url: str, mebibytes: int) -> None:
    from gpconnect_messaging.steps.upload import Upload
    from gpconnect_messaging.storage import Outbox

    digest = hashlib.sha256()
    for _ in range(mebibytes):
        digest.update(BLOCK)
    with MeshClient(url, CREDENTIALS) as client:
        chunking = Chunking()
        Upload(
            outbox=Outbox(_s3(url), "outbox"), mesh=_Connections(client),  # type: ignore[arg-type]
            mailbox="Y90001OT001", message_id="long", sha256=digest.hexdigest(), outgoing=OUTGOING,
            parts=chunking.parts(mebibytes * len(BLOCK)), smallest_chunk=chunking.smallest_chunk, begun=(),
            accepted=lambda _part, _id: None,
        ).run(lambda: True)  # fmt: skip


def _download(url: str, mebibytes: int) -> None:
    from gpconnect_messaging.storage import Evidence

    with MeshClient(url, CREDENTIALS) as client:
        kept = Evidence(_s3(url), "evidence").receive("Y90001OT001", str(mebibytes))
        kept.keep(client.download_into(str(mebibytes), kept, maximum_bytes=2_000_000_000))


def _grow(what: str, url: str, mebibytes: int) -> dict[str, float]:
    work = {"upload": _upload, "download": _download}[what]
    work(url, 1)
    before = _memory("VmRSS")
    begun = time.perf_counter()
    work(url, mebibytes)
    return {"mebibytes": max(0.0, _memory("VmHWM") - before), "seconds": time.perf_counter() - begun}


def _memory(name: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def compare_memory(url: str) -> list[dict[str, Any]]:
    """Send and receive long messages, each in a fresh process."""
    rows = []
    for name, mebibytes in LONG.items():
        for what in ("upload", "download"):
            command = [sys.executable, "-m", "tests.performance.bench_mesh", "--measure", what, url, str(mebibytes)]
            done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env=dict(os.environ))
            rows.append({"message": name, "what": what, **json.loads(done.stdout)})
            print(f"measured the {what} of {name}", file=sys.stderr)
    return rows


def broken_budgets(speed: list[dict[str, Any]], memory: list[dict[str, Any]]) -> list[str]:
    """Name the promises that the figures break."""
    broken = []
    for row in speed:
        where = f"{row['message']} {row['kind']}, {row['at_once']} at once"
        ours, raw, official = (row[f"{client}_milliseconds"] for client in ("ours", "httpx", "official"))
        if raw / ours < HTTPX_SPEED:
            broken.append(f"{where}: {raw / ours:.2f} of raw httpx's speed, less than {HTTPX_SPEED}")
        if ours >= official:
            broken.append(f"{where}: slower than the official client ({ours:.2f} ms against {official:.2f} ms)")
        if row["kind"] == "gzip" and row["message"] == "5 MB" and official / ours < OFFICIAL_GZIP_SPEED:
            broken.append(f"{where}: only {official / ours:.1f} times as fast as the official client")
    return broken + [
        f"{row['what']} of {row['message']}: {row['mebibytes']:.0f} MiB above idle, more than {LONG_MEMORY:.0f}"
        for row in memory
        if row["mebibytes"] > LONG_MEMORY
    ]


def _tables(speed: list[dict[str, Any]], sizes: dict[str, float], memory: list[dict[str, Any]]) -> str:
    lines = [
        f"Milliseconds a message, best of {ROUNDS} rounds; the last column is the other side's processor time in it",
        "",
        f"{'message':>8} {'kind':>6} {'at once':>8} {'ours':>9} {'httpx':>9} {'official':>9} {'server':>8}",
    ]
    lines += [
        f"{row['message']:>8} {row['kind']:>6} {row['at_once']:>8} {row['ours_milliseconds']:>9.2f} "
        f"{row['httpx_milliseconds']:>9.2f} {row['official_milliseconds']:>9.2f} {row['server_cpu_milliseconds']:>8.2f}"
        for row in speed
    ]
    shares = ", ".join(f"{level}: {share:.3f}" for level, share in sizes.items())
    lines += ["", f"Compressed length as a share of 5 MB of base64: {shares}", "", "Long messages, MiB above idle:"]
    lines += [
        f"{row['message']:>8} {row['what']:>9} {row['mebibytes']:>7.1f} MiB {row['seconds']:>7.1f} s" for row in memory
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and say whether the budgets hold."""
    parser = argparse.ArgumentParser(prog="make bench-mesh", description="Measure our MESH client against others.")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--measure", nargs=3, metavar=("WHAT", "URL", "MIB"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        what, url, mebibytes = arguments.measure
        print(json.dumps(_grow(what, url, int(mebibytes))))
        return 0
    with counterpart() as url:
        speed, memory = compare_speed(url), compare_memory(url)
    sizes, broken = compare_sizes(), broken_budgets(speed, memory)
    if arguments.json:
        print(json.dumps({"speed": speed, "sizes": sizes, "memory": memory, "broken_budgets": broken}, indent=2))
    else:
        print(_tables(speed, sizes, memory), "", *(broken or ["All budgets hold."]), sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
