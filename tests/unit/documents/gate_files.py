"""Small documents for the gate: complete ones, and damaged or hostile ones."""

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image
from pypdf import PdfReader, PdfWriter


def a_pdf(
    *, pages: int = 1, catalog: str = "", page: str = "", objects: Sequence[str] = (), trailer: str = ""
) -> bytes:
    """Write a PDF by hand; `objects` are numbered from 10, the other parts go into the dictionaries of their names."""
    kids = " ".join(f"{100 + number} 0 R" for number in range(pages))
    numbered = {
        1: f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        2: f"<< /Type /Pages /Count {pages} /Kids [{kids}] >>",
        **{10 + index: body for index, body in enumerate(objects)},
        **{100 + index: f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {page} >>" for index in range(pages)},
    }
    content, offsets = b"%PDF-1.7\n", {}
    for number, body in numbered.items():
        offsets[number] = len(content)
        content += f"{number} 0 obj\n{body}\nendobj\n".encode()
    size, start = max(numbered) + 1, len(content)
    rows = [
        f"{offsets[number]:010} 00000 n \n" if number in offsets else "0000000000 65535 f \n" for number in range(size)
    ]
    end = (
        f"xref\n0 {size}\n{''.join(rows)}trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n"
    )
    return content + end.encode()


def encrypted(*, user: str, owner: str = "the owner's", algorithm: str = "AES-256") -> bytes:
    """Encrypt a PDF of one page."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(a_pdf())))
    writer.encrypt(user, owner, algorithm=algorithm)
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def picture(kind: str, mode: str = "RGB", size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    """Draw a picture that does not compress to nothing."""
    noise = Image.effect_noise(size, 90).convert(mode)
    made = io.BytesIO()
    noise.save(made, kind, **options)
    return made.getvalue()
