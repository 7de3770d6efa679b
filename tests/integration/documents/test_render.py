"""The `render` command: a person's view of any ITK3 message."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from gpconnect_messaging.documents.page import View, page
from gpconnect_messaging.documents.reading import UnreadableMessageError, read_message
from gpconnect_messaging.documents.render import main
from gpconnect_messaging.itk3.compose import compose
from gpconnect_messaging.specification import Version
from tests.examples import ROOT, a_message, spec_file
from tests.unit.documents.test_report import picture

PDF = (ROOT / "events" / "requests" / "consultation-report-2.0" / "report.pdf").read_bytes()
PNG = picture(400, 300)
NOTE = b"Seen at 19:40 <script>alert(1)</script> & discharged."
CONTENTS = [PDF, PNG, NOTE]
DOCUMENTS = [
    {"key": "report.pdf", "content_type": "application/pdf", "title": "Consultation report", "primary": True},
    {"key": "wound.png", "content_type": "image/png", "title": "Photograph of a wound"},
    {"key": "note.txt", "content_type": "text/plain", "title": "<b>Nurse's note</b>"},
]
SCREENSHOTS = ROOT / ".build" / "reports"
MEDIA = "only a browser can show what a person sees; `apt-get install chromium` gives one"


def message(specification: Version = Version.V2_0) -> bytes:
    composed = compose(a_message(specification, documents=DOCUMENTS), map(len, CONTENTS))

    def read(index: int) -> Iterator[bytes]:
        yield CONTENTS[index]

    return b"".join(composed.stream(read))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "message.xml"
    file.write_bytes(message())
    return file


def test_the_administrative_view_names_the_parties_and_leaves_clinical_content_out() -> None:
    html = page(read_message(message()), View.ADMINISTRATIVE, {})
    for words in (
        "Mr Garth WRIGHT",
        "965 821 8865",
        "Riverside Out of Hours",
        "Y90001OT001",
        "Dr Ada Okafor",
        "image/png",
    ):
        assert words in html
    for clinical in ("Photograph", "wound", "Seen at", "discharged", "<img"):
        assert clinical not in html


def test_the_clinical_view_shows_sections_attachments_and_texts() -> None:
    html = page(read_message(message()), View.CLINICAL, {1: "document-2.png"})
    for words in ("Photograph of a wound", "Seen at 19:40", '<img src="document-2.png"', "Open document-2.png"):
        assert words in html


@pytest.mark.parametrize("view", list(View))
def test_nothing_that_a_message_says_becomes_markup(view: View) -> None:
    html = page(read_message(message()), view, {})
    assert "<script" not in html
    assert "<b>" not in html
    assert "default-src 'none'" in html


@pytest.mark.parametrize("version", list(Version))
def test_the_documents_are_extracted_as_they_were_sent(version: Version, tmp_path: Path) -> None:
    file = tmp_path / "message.xml"
    file.write_bytes(message(version))
    folder = tmp_path / "documents"
    assert main([str(file), "--view", "clinical", "--extract", str(folder), "--page", str(tmp_path / "page.html")]) == 0
    assert [(file.name, file.read_bytes()) for file in sorted(folder.iterdir())] == [
        ("document-1.pdf", PDF),
        ("document-2.png", PNG),
        ("document-3.txt", NOTE),
    ]
    assert all(file.stat().st_mode & 0o077 == 0 for file in [*folder.iterdir(), tmp_path / "page.html"])
    assert 'href="documents/document-1.pdf"' in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_documents_are_not_extracted_for_an_administrative_view(file: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(file), "--extract", str(tmp_path / "documents")])
    assert not (tmp_path / "documents").exists()


def test_the_page_is_printed_where_no_file_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(file)]) == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")


def test_a_browser_keeps_nothing_of_the_message_in_its_history() -> None:
    html = page(read_message(message()), View.CLINICAL, {})
    assert html.partition("<title>")[2].partition("</title>")[0] == "ITK3 message"


def test_a_program_reads_the_same_facts_as_json(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(file), "--json"]) == 0
    administrative = json.loads(capsys.readouterr().out)
    assert administrative["documents"][1] == {"content_type": "image/png", "size": len(PNG)}
    assert {"label": "NHS number", "value": "965 821 8865"} in administrative["groups"][0]["facts"]
    assert not any(words in json.dumps(administrative) for words in ("Photograph", "Seen at"))
    folder = tmp_path / "documents"
    assert main([str(file), "--json", "--view", "clinical", "--extract", str(folder)]) == 0
    clinical = json.loads(capsys.readouterr().out)
    assert clinical["documents"][1]["title"] == "Photograph of a wound"
    assert Path(clinical["documents"][1]["file"]).resolve() == folder / "document-2.png"


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "--extract FOLDER" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no xml",
        b"<a/>",
        b'<Bundle xmlns="http://hl7.org/fhir"/>',
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;',
        b'<!DOCTYPE Bundle [<!ENTITY b "c">]><Bundle xmlns="http://hl7.org/fhir"><entry><resource>'
        b'<MessageHeader><id value="&b;"/></MessageHeader></resource></entry></Bundle>',
    ],
)
def test_what_is_no_message_is_refused_in_a_sentence(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnreadableMessageError):
        read_message(content)
    (tmp_path / "file").write_bytes(content)
    assert main([str(tmp_path / "file")]) == 1
    assert "is not an ITK3 message" in capsys.readouterr().err
    assert main([str(tmp_path / "absent")]) == 1


@pytest.mark.parametrize(
    "name", ["consultation-report.xml", "oc-consultation-report.xml", "send-document-2.0.2-generic.xml"]
)
def test_published_messages_are_read(name: str) -> None:
    reading = read_message(spec_file(f"examples/{name}").read_bytes())
    assert {"Message", "Patient", "Organisation", "Document"} <= {group.heading for group in reading.groups}
    assert reading.documents


def test_published_responses_are_read() -> None:
    files = sorted(spec_file("itk-responses").iterdir())
    readings = [read_message(file.read_bytes()) for file in files]
    assert all({"Message", "Outcome"} <= {group.heading for group in reading.groups} for reading in readings)


@pytest.mark.parametrize("view", list(View))
@pytest.mark.parametrize(("name", "width", "height"), [("desk", 1280, 2700), ("phone", 400, 3600)])
def test_a_browser_shows_the_page_whole_at_desk_and_phone_width_and_readable_without_colour(
    name: str, width: int, height: int, view: View, file: Path, tmp_path: Path
) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip(MEDIA)
    target = tmp_path / "page.html"
    documents = ["--extract", str(tmp_path / "documents")] if view is View.CLINICAL else []
    assert main([str(file), "--view", view, *documents, "--page", str(target)]) == 0
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    shot = SCREENSHOTS / f"render-{view}-{name}.png"
    shot.unlink(missing_ok=True)
    command = [
        browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},{height}", f"--screenshot={shot}",
        target.as_uri(),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with Image.open(shot) as picture_of_page:
        image = picture_of_page.convert("RGB")
    assert image.width == width
    colours = {colour for _, colour in image.getcolors(1 << 24) or []}
    assert {(0, 94, 184), (65, 182, 230), (255, 255, 255)} <= colours
    # The sections keep a margin on both sides: nothing runs out of the window.
    middle = image.height // 2
    assert image.getpixel((2, middle)) == image.getpixel((width - 3, middle)) == (240, 244, 245)
    grey = image.convert("L")
    grey.save(SCREENSHOTS / f"render-{view}-{name}-grey.png")
    # Without colour, letters still stand out from their ground, in the header and in a section (WCAG 2.2, 1.4.3: 4.5).
    assert contrast(grey.crop((0, 0, width, 60))) >= 4.5
    assert contrast(grey.crop((20, 180, width - 20, 500))) >= 4.5


def contrast(grey: Image.Image) -> float:
    """The contrast of the darkest and lightest grey of a picture, as WCAG has it."""

    def luminance(value: float) -> float:
        part = value / 255
        return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)

    darkest, lightest = grey.getextrema()
    assert isinstance(darkest, int | float)
    assert isinstance(lightest, int | float)
    return (luminance(lightest) + 0.05) / (luminance(darkest) + 0.05)
