"""Measures what building and checking a message cost, against base64 alone (the least that any builder must do).

Figures are those of a warm function. Time is CPU time, the least of several runs, the kinds of work turn by turn in
one process; memory is the growth of a fresh process's greatest resident size above what it held when warm.

    python -m tests.performance.bench [--json]

Exit status 1 where a budget is exceeded.
"""

import argparse
import binascii
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SIZES = {"50 kB": 50_000, "1 MB": 1_000_000, "5 MB": 5_000_000, "20 MB": 20_000_000}
SMALL, LARGE = "50 kB", "20 MB"
CHUNK = 192 * 1024
RUNS = 15
# What the product promises (CPU milliseconds a message; ratio to base64 alone; MiB above base64 alone).
SMALL_MILLISECONDS, LARGE_RATIO, LARGE_MEMORY = 5.0, 1.5, 15.0
# The conformance checks of a message, whatever its documents' sizes (CPU milliseconds).
CHECK_MILLISECONDS = 2.0
# Opening a document of 100 kB in a warm process (CPU milliseconds of both processes), and one of 20 MB (MiB by which
# both grow): once its size at most, and never twice.
GATE_MILLISECONDS, GATE_MEMORY = 15.0, 30.0
REPORT_MILLISECONDS = 30.0
"""For two rendered pages."""
REQUEST_MILLISECONDS = 100.0
"""For reading a megabyte of JSON, each name once and each number as it is written."""


def _chunks(document: Path) -> Iterator[bytes]:
    with document.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _base64_alone(document: Path) -> Callable[[int], None]:
    def run(out: int) -> None:
        for chunk in _chunks(document):
            os.write(out, binascii.b2a_base64(chunk, newline=False))

    return run


def _build(document: Path) -> Callable[[int], None]:
    from gpconnect_messaging.itk3.compose import compose, envelope
    from tests.examples import a_message

    size = document.stat().st_size
    request = a_message()

    def run(out: int) -> None:
        message = type(request)(
            request=request.request, mailbox=request.mailbox, identifiers=request.identifiers, version=1,
            created_at=request.created_at,
        )  # fmt: skip
        envelope(message)
        for piece in compose(message, [size]).stream(lambda _index: _chunks(document)):
            os.write(out, piece)

    return run


def _check(document: Path) -> Callable[[int], None]:
    from gpconnect_messaging.conformance import broken_requirements
    from gpconnect_messaging.itk3.compose import compose, envelope
    from tests.examples import a_message

    message = a_message()
    composed, address = compose(message, [document.stat().st_size]), envelope(message)

    def run(_out: int) -> None:
        broken_requirements(composed, address, message.specification.version)

    return run


WORK = {"base64": _base64_alone, "build": _build, "check": _check}


def _time(document: Path) -> dict[str, float]:
    """Time all kinds of work in one process, turn by turn, so that the machine's moods fall on both alike."""
    work = {kind: make(document) for kind, make in WORK.items()}
    times: dict[str, list[float]] = {kind: [] for kind in work}
    with Path(os.devnull).open("wb") as null:
        for _ in range(RUNS):
            for kind, run in work.items():
                started = time.process_time()
                run(null.fileno())
                times[kind].append(time.process_time() - started)
    return {kind: min(each) * 1000 for kind, each in times.items()}


def time_report() -> float:
    """Time a report of two full pages, warm; CPU milliseconds, the least of several runs; the slower design."""
    from gpconnect_messaging.documents.report import ReportRenderer
    from gpconnect_messaging.specification import ReportDesign
    from tests.examples import a_request

    text = "Three days of sore throat and fever. Eating and drinking, and sleeping through the night. " * 4
    sections = [{"title": f"Section {number}", "text": text} for number in range(12)]
    request = a_request("rendered-report", consultation__sections=sections)
    renderers = [ReportRenderer(design) for design in ReportDesign]
    times: list[list[float]] = [[] for _ in renderers]
    for _ in range(RUNS):
        for renderer, taken in zip(renderers, times, strict=True):
            started = time.process_time()
            report = renderer.render(request, 1, lambda _key: b"")
            taken.append(time.process_time() - started)
            if b"/Count 2 " not in report.replace(b"\n", b" "):
                raise RuntimeError("the report of this measurement no longer has two pages")
    return max(map(min, times)) * 1000


def time_request() -> tuple[float, float]:
    """Time the reading of a megabyte of JSON: CPU milliseconds, and as a multiple of the standard library's."""
    from gpconnect_messaging.json_reading import read_json

    note = {"title": "History", "text": "Three days of sore throat – and fever. " * 12, "size": 1.5}
    raw = json.dumps([note] * 2_000).encode()[:-2] + b"}]"
    readers: list[Callable[[], Any]] = [
        lambda: read_json(raw, largest=len(raw), deepest=40),
        lambda: json.loads(raw),
    ]
    times: list[list[float]] = [[] for _ in readers]
    for _ in range(RUNS):
        for read, taken in zip(readers, times, strict=True):
            started = time.process_time()
            read()
            taken.append(time.process_time() - started)
    own, library = map(min, times)
    megabytes = len(raw) / 1_000_000
    return own * 1000 / megabytes, own / library


def _grow(kind: str, document: Path) -> dict[str, float]:
    """See how far memory grows from what a warm process holds, in MiB."""
    with tempfile.NamedTemporaryFile() as small, Path(os.devnull).open("wb") as null:
        small.write(bytes(1000))
        small.flush()
        WORK[kind](Path(small.name))(null.fileno())
        before = _memory("VmRSS")
        WORK[kind](document)(null.fileno())
    return {kind: max(0.0, _memory("VmHWM") - before)}


def _memory(name: str) -> float:
    # Not getrusage: its maximum is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def _in_fresh_process(what: str, document: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.performance.bench", "--measure", what, str(document)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'layers' / 'messaging' / 'python'}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def compare() -> list[dict[str, Any]]:
    """Measure both at every size."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, size in SIZES.items():
            document = Path(folder) / "document"
            document.write_bytes(b"%PDF-1.7\n" + os.urandom(size - 9))
            times = _in_fresh_process("time", document)
            memory = _in_fresh_process("base64", document) | _in_fresh_process("build", document)
            rows.append(
                {
                    "document": name,
                    "base64_milliseconds": times["base64"],
                    "build_milliseconds": times["build"],
                    "check_milliseconds": times["check"],
                    "time_ratio": times["build"] / times["base64"],
                    "base64_mebibytes": memory["base64"],
                    "build_mebibytes": memory["build"],
                    "more_mebibytes": memory["build"] - memory["base64"],
                }
            )
            print(f"measured {name}", file=sys.stderr)
    return rows


def open_documents() -> dict[str, float]:
    """Measure the gate in a fresh process."""
    from tests.performance.opened_documents import a_letter, a_scan

    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        small.write_bytes(a_letter(100_000))
        large.write_bytes(a_scan(20_000_000))
        return _in_fresh_process("gate", Path(folder))


def broken_budgets(rows: list[dict[str, Any]], report: float, gate: dict[str, float], request: float) -> list[str]:
    """Name the promises that the figures break; `report` and `request` are times in milliseconds."""
    by_size = {row["document"]: row for row in rows}
    small, large = by_size[SMALL], by_size[LARGE]
    checks = [
        (small["build_milliseconds"], SMALL_MILLISECONDS, f"{SMALL}: CPU milliseconds a message"),
        (large["time_ratio"], LARGE_RATIO, f"{LARGE}: time as a multiple of base64 alone"),
        *((row["check_milliseconds"], CHECK_MILLISECONDS, f"{row['document']}: ms for the checks") for row in rows),
        (large["more_mebibytes"], LARGE_MEMORY, f"{LARGE}: MiB above base64 alone"),
        (report, REPORT_MILLISECONDS, "rendered report of two pages: CPU milliseconds"),
        (request, REQUEST_MILLISECONDS, "reading a megabyte of JSON: CPU milliseconds"),
        (gate["gate_milliseconds"], GATE_MILLISECONDS, "opening a PDF of 100 kB: CPU milliseconds"),
        (gate["gate_mebibytes"], GATE_MEMORY, "opening a PDF of 20 MB: MiB"),
    ]
    return [f"{what}: {found:.2f}, more than {limit}" for found, limit, what in checks if found > limit]


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "Building a message against base64 alone (CPU time, least of "
        f"{RUNS} warm runs; memory: growth of the greatest resident size)",
        "",
        f"{'document':>9} {'base64':>10} {'build':>10} {'ratio':>7} {'checks':>10} "
        f"{'base64':>10} {'build':>10} {'more':>10}",
    ]
    lines += [
        f"{row['document']:>9} {row['base64_milliseconds']:>7.2f} ms {row['build_milliseconds']:>7.2f} ms "
        f"{row['time_ratio']:>6.2f}x {row['check_milliseconds']:>7.2f} ms "
        f"{row['base64_mebibytes']:>6.1f} MiB {row['build_mebibytes']:>6.1f} MiB "
        f"{row['more_mebibytes']:>6.1f} MiB"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and say whether the budgets hold."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure building a message against base64 alone.")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--report", action="store_true", help="end with 0 whatever the figures, as on a busy machine")
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        what, document = arguments.measure[0], Path(arguments.measure[1])
        if what == "gate":
            from tests.performance.opened_documents import measure_gate

            print(json.dumps(measure_gate(document / "small", document / "large")))
        else:
            print(json.dumps(_time(document) if what == "time" else _grow(what, document)))
        return 0
    rows = compare()
    report = time_report()
    gate = open_documents()
    request, multiple = time_request()
    broken = broken_budgets(rows, report, gate, request)
    if arguments.json:
        times = {"report_milliseconds": report, "request_milliseconds": request, "request_ratio": multiple}
        print(json.dumps({"rows": rows, **times, **gate, "broken_budgets": broken}, indent=2))
    else:
        print(
            _table(rows),
            "",
            f"Rendering a report of two pages: {report:.1f} ms",
            f"Reading a megabyte of JSON: {request:.1f} ms, {multiple:.1f} times json.loads",
            f"Opening a PDF of 100 kB: {gate['gate_milliseconds']:.1f} ms",
            f"Opening a PDF of 20 MB: {gate['gate_mebibytes']:.1f} MiB",
            "",
            *(broken or ["All budgets hold."]),
            sep="\n",
        )
    return 1 if broken and not arguments.report else 0


if __name__ == "__main__":
    sys.exit(main())
