"""Sends messages through a MESH that fails at a rate, and compares what the ledger says with what MESH has.

The product's own steps, ledger and MESH client against the local MESH; DynamoDB, S3 and the clock are in memory, so
that the waits of days pass at once. A receiving practice answers every message, and a copy with 20007.

    python -m tests.performance.soak_mesh [--messages 1000] [--rate 0.2] [--seeds 1 2 3]

Exit status 1 where a message was lost, was called sent and was not, or has a copy that the ledger does not know of.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.mesh import MeshClient, MeshError, NotFound
from tests.local_mesh import PRACTICE, SENDER, LocalMesh, ProductOnMesh, answer, local_mesh

ENDED = {Status.DELIVERED, Status.REFUSED}
ROUNDS = 100
AT_ONCE = 8


@dataclass
class Outcome:
    """What a soak found."""

    messages: int
    statuses: Counter[str]
    requests: int = 0
    faults: int = 0
    copies: int = 0
    """Copies at MESH beyond the first of each message."""
    in_chunks: int = 0
    tracked: int = 0
    rounds: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        found = ", ".join(f"{count} {status}" for status, count in sorted(self.statuses.items()))
        return (
            f"{self.messages} messages ({self.in_chunks} in chunks), {self.faults} faults in {self.requests} requests: "
            f"{found}; {self.copies} known copies, {self.tracked} answers found by tracking, {self.rounds} rounds, "
            f"{self.seconds:.0f} s; " + ("; ".join(self.wrong[:10]) or "nothing lost, nothing untrue")
        )


def answer_all(practice: MeshClient, answered: set[str]) -> None:
    """Collect what came to the practice, and answer it: a second copy with 20007."""
    for mesh_message_id in practice.inbox():
        try:
            message = practice.download(mesh_message_id)
        except NotFound:
            continue
        name = message.file_name.removesuffix(".xml")
        codes = ("20007",) if name in answered else ("20013", "30001")
        answered.add(name)
        answer(practice, name, *codes)
        practice.acknowledge(mesh_message_id)


def soak(mesh: LocalMesh, *, messages: int, rate: float, seed: int) -> Outcome:
    """Run one soak on an emptied MESH."""
    begun = time.monotonic()
    mesh.control("POST", "reset")
    mesh.control("PUT", "behaviour", {"smallest_middle_chunk_bytes": 0, "keep_content": False})
    product = ProductOnMesh(mesh.url)
    ids = [product.build(30_000 if number % 5 == 0 else 2_000) for number in range(messages)]
    plan = {"rate": rate, "seed": seed, "mailbox": SENDER, "stall_seconds": 0.05, "retry_after_seconds": 0}
    mesh.control("PUT", "faults", plan)
    answered: set[str] = set()
    still = set(ids)
    rounds = 0
    with mesh.client(PRACTICE) as practice, ThreadPoolExecutor(AT_ONCE) as pool:
        for rounds in range(1, ROUNDS + 1):
            list(pool.map(product.send, product.queue.take()))
            # A practice that looks in twice an hour: late enough that lost answers lead to second uploads.
            if rounds % 6 == 0:
                answer_all(practice, answered)
            with suppress(MeshError):
                product.polls(SENDER)
            still = {each for each in still if (found := product.ledger.find(each)) and found.status not in ENDED}
            if not still:
                break
            product.clock.advance(timedelta(minutes=5))
            product.sweep.run()
    mesh.control("DELETE", "faults")
    outcome = compare(mesh, product, ids)
    product.connections.close()
    outcome.rounds, outcome.seconds = rounds, time.monotonic() - begun
    return outcome


def compare(mesh: LocalMesh, product: ProductOnMesh, ids: list[str]) -> Outcome:
    """Hold what the ledger says against what MESH has."""
    there: Counter[str] = Counter()
    for stored in mesh.messages(**{"from": SENDER}):
        if stored["status"] in ("accepted", "acknowledged"):
            there[dict(stored["headers"])["mex-filename"].removesuffix(".xml")] += 1
    requests = mesh.requests()
    outcome = Outcome(
        messages=len(ids), statuses=Counter(), requests=len(requests), faults=sum(bool(r["fault"]) for r in requests)
    )
    for message_id in ids:
        record = product.ledger.find(message_id)
        if record is None:
            outcome.wrong.append(f"{message_id} is not in the ledger")
            continue
        history, copies = record.history, there[message_id]
        outcome.statuses[record.status] += 1
        outcome.copies += max(0, copies - 1)
        outcome.in_chunks += bool(history.of(EventType.CHUNK_ACCEPTED))
        outcome.tracked += bool(history.of(EventType.UPLOAD_TRACKED))
        if record.status not in ENDED:
            outcome.wrong.append(f"{message_id} is lost: it stayed {record.status}")
        if history.mesh_message_ids and not copies:
            outcome.wrong.append(f"{message_id} is called {record.status}, and MESH has none")
        if copies > history.possible_copies:
            outcome.wrong.append(f"MESH has {copies} of {message_id}, the ledger knows of {history.possible_copies}")
        if record.status is Status.REFUSED and not any(message_id in told for told in product.topic.published):
            outcome.wrong.append(f"{message_id} was refused, and nobody was told")
    return outcome


def main() -> int:
    """Run one soak per seed, and say what it found."""
    parser = argparse.ArgumentParser(prog="make soak-mesh", description="Send through a MESH that fails at a rate.")
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=0.2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--json", action="store_true", help="print the outcomes as JSON")
    arguments = parser.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory() as folder, local_mesh(Path(folder)) as mesh:
        for seed in arguments.seeds:
            outcomes.append(soak(mesh, messages=arguments.messages, rate=arguments.rate, seed=seed))
            if not arguments.json:
                print(f"seed {seed}: {outcomes[-1]}", flush=True)
    if arguments.json:
        print(json.dumps([vars(outcome) for outcome in outcomes], indent=2))
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
