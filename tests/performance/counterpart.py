"""The least that MESH and S3 can do, as a program: take any upload and drop it, serve any length of made-up content.

So what a measurement shows is the client's. `python -m tests.performance.counterpart CERTIFICATE KEY` speaks TLS with
these files, and prints `ready PORT`.
"""

import argparse
import base64
import json
import random
import socket
import ssl
import time
import zlib
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

BLOCK = base64.b64encode(random.Random(1).randbytes(786_432))
CHUNK_BLOCKS = 20
_BUCKET = '<?xml version="1.0"?><{0}><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId><ETag>"e"</ETag></{0}>'


@cache
def compressed_chunk(blocks: int) -> bytes:
    """So many MiB of the content, as one gzip stream."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join(compressor.compress(BLOCK) for _ in range(blocks)) + compressor.flush()


class Counterpart(BaseHTTPRequestHandler):
    """Answers as MESH under /messageexchange, and as S3 elsewhere."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 256 * 1024
    seconds = 0.0

    def handle_one_request(self) -> None:
        """Serve a request, and count the processor's time: waiting for it takes none."""
        begun = time.thread_time()
        super().handle_one_request()
        Counterpart.seconds += time.thread_time() - begun

    def handle_expect_100(self) -> bool:
        """Ask for the body at once: S3's client waits for that."""
        asked = super().handle_expect_100()
        self.wfile.flush()
        return asked

    def do_POST(self) -> None:
        """Take an upload, or begin or end one in parts."""
        self._drain()
        parts = urlsplit(self.path)
        if parts.path.startswith("/messageexchange"):
            self._answer(202, json.dumps({"message_id": "20260304120000000001_AB12CD"}).encode())
        else:
            kind = "InitiateMultipartUploadResult" if "uploads" in parts.query else "CompleteMultipartUploadResult"
            self._answer(200, _BUCKET.format(kind).encode())

    def do_PUT(self) -> None:
        """Take an object or a part of one."""
        self._drain()
        self._answer(200, b"", ETag='"e"')

    def do_GET(self) -> None:
        """Serve a message of as many MiB as its id says, or a range of an object."""
        parts = urlsplit(self.path)
        names = parts.path.strip("/").split("/")
        if parts.path == "/seconds":
            self._answer(200, str(Counterpart.seconds).encode())
        elif names[0] == "messageexchange":
            total = -(-int(names[3]) // CHUNK_BLOCKS)
            number = int(names[4]) if len(names) > 4 else 1
            self._answer(
                200 if number == total else 206,
                compressed_chunk(min(CHUNK_BLOCKS, int(names[3]))),
                **{"Content-Encoding": "gzip", "Mex-Chunk-Range": f"{number}:{total}", "Mex-MessageType": "DATA"},
            )
        else:
            self._object()

    def _object(self) -> None:
        first, last = (int(each) for each in self.headers["Range"].removeprefix("bytes=").split("-"))
        self.send_response(206)
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        while first <= last:
            start = first % len(BLOCK)
            piece = BLOCK[start : start + last + 1 - first]
            self.wfile.write(piece)
            first += len(piece)

    def _drain(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while length := int(self.rfile.readline().split(b";")[0], 16):
                self._skip(length + 2)
            self.rfile.readline()
        else:
            self._skip(int(self.headers.get("Content-Length", 0)))

    def _skip(self, length: int) -> None:
        while length > 0:
            length -= len(self.rfile.read(min(length, 256 * 1024)))

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Speaks TLS; each connection's handshake is made in its own thread."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Counterpart)
        self._context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        with self._context.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("certificate")
    parser.add_argument("key")
    arguments = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate, arguments.key)
    server = Server(context)
    print(f"ready {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
