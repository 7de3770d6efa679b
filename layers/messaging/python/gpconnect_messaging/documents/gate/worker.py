"""The worker process: opens documents one by one for the parent process, which may kill it at any time.

It receives JSON with an open file, and answers with a line of JSON. All readers are imported before it reports that it
is ready. It exits when the parent closes the socket.
"""

import json
import logging
import resource
import socket
import sys
from dataclasses import asdict
from typing import IO, Any

from gpconnect_messaging.documents.gate import limits, pdf, pictures, rtf, text
from gpconnect_messaging.documents.gate.findings import Findings, RefusedError
from gpconnect_messaging.documents.gate.other_formats import refuse_other_formats


def examine(media_type: str, charset: str | None, file: IO[bytes]) -> Findings:
    """Open a document. Raises RefusedError."""
    refuse_other_formats(media_type, file)
    match media_type:
        case "application/pdf":
            return pdf.examine(file)
        case "text/plain":
            return text.examine(file.read(), charset)
        case "text/rtf":
            return rtf.examine(file.read())
    return pictures.examine(media_type, file)


def _answer(question: dict[str, Any], document: int) -> dict[str, Any]:
    with open(document, "rb") as file:
        try:
            return asdict(examine(question["media_type"], question["charset"], file))
        except RefusedError as refused:
            return {"refusal": str(refused)}
        except MemoryError:
            return {"refusal": limits.TOO_LARGE}


def _limit(resource_id: int, amount: int) -> None:
    hard = resource.getrlimit(resource_id)[1]
    resource.setrlimit(resource_id, (amount if hard == resource.RLIM_INFINITY else min(amount, hard), hard))


def main() -> None:
    """Answer until the parent closes the connection."""
    logging.lastResort = None
    connection = socket.socket(fileno=int(sys.argv[1]))
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_DATA, limits.DATA_BYTES)
    connection.sendall(b"ready\n")
    while True:
        question, documents, _, _ = socket.recv_fds(connection, 65536, 1)
        if not question:
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + limits.CPU_SECONDS)
        connection.sendall(json.dumps(_answer(json.loads(question), documents[0])).encode() + b"\n")


if __name__ == "__main__":
    main()
