"""What the gate costs a document: CPU time of both processes, and the memory that they grow by."""

import io
import time
from collections.abc import Iterator
from pathlib import Path

from reportlab.pdfgen.canvas import Canvas

from gpconnect_messaging.documents.gate import DocumentGate
from gpconnect_messaging.documents.gate.opener import Opener

CHUNK = 192 * 1024
RUNS = 15


def a_letter(size: int) -> bytes:
    """Write a PDF of about `size` bytes: pages of text, as a clinical system prints them."""
    target = io.BytesIO()
    canvas = Canvas(target, pageCompression=0, invariant=1)
    written = 0
    while written < size:
        for line in range(60):
            text = f"{line}: three days of sore throat and fever, eating and drinking, sleeping through the night"
            canvas.drawString(50, 800 - 12 * line, text)
            written += len(text) + 60
        canvas.bookmarkPage(str(written))
        canvas.addOutlineEntry(f"Page {written}", str(written))
        canvas.linkURL("https://www.nhs.uk", (50, 50, 90, 60))
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def a_scan(size: int) -> bytes:
    """Write a PDF of one page around a picture of `size` bytes."""
    start = b"%PDF-1.7\n"
    parts = [
        b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n",
        b"2 0 obj\n<< /Type /Pages /Count 1 /Kids [3 0 R] >>\nendobj\n",
        b"3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /XObject << /A 4 0 R >> >> >>\n"
        b"endobj\n",
        b"4 0 obj\n<< /Type /XObject /Subtype /Image /Width 1 /Height %d /BitsPerComponent 8 /ColorSpace /DeviceGray "
        b"/Length %d >>\nstream\n%b\nendstream\nendobj\n" % (size, size, b"\x7f" * size),
    ]
    places, content = [], start
    for part in parts:
        places.append(len(content))
        content += part
    rows = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 5\n0000000000 65535 f \n%btrailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return content + end % (rows, len(content))


def measure_gate(small: Path, large: Path) -> dict[str, float]:
    """Open a small document again and again and a large one once, by a warm process.

    CPU milliseconds, the least of several runs; MiB by which the greatest resident sizes of both processes grow.
    """
    opener = Opener()
    gate = DocumentGate(opener=opener)

    def opened(file: Path) -> None:
        if refusal := gate.examine("application/pdf", _chunks(file)).refusal:
            raise RuntimeError(f"the document of this measurement {refusal}")

    opened(small)
    assert opener._worker is not None
    worker = Path(f"/proc/{opener._worker._process.pid}")
    times = []
    for _ in range(RUNS):
        started = time.process_time() + _cpu(worker)
        opened(small)
        times.append(time.process_time() + _cpu(worker) - started)
    before = [_memory(process, "VmRSS") for process in (Path("/proc/self"), worker)]
    opened(large)
    after = [_memory(process, "VmHWM") for process in (Path("/proc/self"), worker)]
    opener.close()
    grown = sum(max(0.0, high - low) for high, low in zip(after, before, strict=True))
    return {"gate_milliseconds": min(times) * 1000, "gate_mebibytes": grown}


def _chunks(document: Path) -> Iterator[bytes]:
    with document.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _cpu(process: Path) -> float:
    return int((process / "schedstat").read_text().split()[0]) / 1e9


def _memory(process: Path, name: str) -> float:
    (line,) = (line for line in (process / "status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024
