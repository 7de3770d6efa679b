"""Messages as they really are: composed by the library around the kinds of documents that senders attach.

The words and pictures are made up, from a fixed seed.
"""

import io
import random
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from gpconnect_messaging.itk3.compose import compose
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.requests.models import parse_request
from tests.identifiers import IDENTIFIERS

_SAMPLE = Path(__file__).parents[2] / "events" / "requests" / "consultation-report-2.0" / "request.json"
_WORDS = """
attended with pain since morning no previous cardiac disease examination normal blood pressure pulse regular advised
to return if symptoms worsen prescribed daily follow up general practice within seven days allergic penicillin asthma
reviewed medication discussed safety net telephone mother history of the chest left arm
"""


def messages() -> dict[str, bytes]:
    """One message for each kind of document."""
    numbers = random.Random(1)
    return {
        "short report": _message_with(_text_pdf(numbers, 1, compressed=True)),
        "plain text": _message_with(_text(numbers, 60_000).encode()),
        "text as PDF": _message_with(_text_pdf(numbers, 400, compressed=True)),
        "PDF not compressed": _message_with(_text_pdf(numbers, 150, compressed=False)),
        "scanned pages": _message_with(_scan(numbers, 8)),
    }


def _message_with(document: bytes) -> bytes:
    message = Message(
        identifiers=IDENTIFIERS,
        request=parse_request(_SAMPLE.read_bytes()),
        mailbox=MailboxSettings(mailbox="Y90001OT001", ods_code="Y90001"),
        version=1,
        created_at=datetime(2026, 11, 20, 21, 30, tzinfo=UTC),
    )
    return b"".join(compose(message, [len(document)]).stream(lambda _index: [document]))


def _text(numbers: random.Random, length: int) -> str:
    lines = (
        " ".join(numbers.choices(_WORDS.split(), k=12)).capitalize() + f" {numbers.randint(1, 200)} mmHg.\n"
        for _ in range(length // 90 + 1)
    )
    return "".join(lines)[:length]


def _text_pdf(numbers: random.Random, pages: int, *, compressed: bool) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file, pageCompression=int(compressed), invariant=1)
    for _ in range(pages):
        text = canvas.beginText(40, 800)
        text.textLines(_text(numbers, 4500))
        canvas.drawText(text)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def _scan(numbers: random.Random, pages: int) -> bytes:
    """Pages of an A4 scanner at 150 dots an inch: paper's noise, letters, JPEG."""
    file = io.BytesIO()
    canvas = Canvas(file, invariant=1)
    for _ in range(pages):
        paper = Image.frombytes("L", (1240, 1754), bytes(numbers.choices(range(225, 256), k=1240 * 1754)))
        draw = ImageDraw.Draw(paper)
        for row, line in enumerate(_text(numbers, 4000).splitlines()):
            draw.text((80, 80 + row * 26), line, fill=20)
        picture = io.BytesIO()
        paper.filter(ImageFilter.GaussianBlur(0.7)).save(picture, "JPEG", quality=70)
        picture.seek(0)
        canvas.drawImage(ImageReader(picture), 0, 0, 595, 842)
        canvas.showPage()
    canvas.save()
    return file.getvalue()
