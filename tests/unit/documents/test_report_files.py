"""The deployer's own logo and fonts."""

import io
import os
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from pypdf import PdfReader

from gpconnect_messaging import wiring
from gpconnect_messaging.documents.fonts import font_files
from gpconnect_messaging.documents.report import ReportRenderer
from gpconnect_messaging.documents.report_files import ReportFileError, added_fonts, logo_file
from gpconnect_messaging.settings import BuilderSettings
from gpconnect_messaging.specification import ReportDesign
from infra.constructs.report_files import report_environment
from tests.examples import a_request
from tests.unit.documents.page_reading import pieces, text_of
from tests.unit.documents.test_report import SAMPLE, picture
from tests.unit.test_settings import BUILDER

CHINESE = "患者咳嗽三天"


def square() -> object:
    pen = TTGlyphPen(None)
    for move, points in ((pen.moveTo, [(50, 0)]), (pen.lineTo, [(50, 800), (850, 800), (850, 0)])):
        for point in points:
            move(point)
    pen.closePath()
    return pen.glyph()


def a_font(folder: Path, name: str, letters: str, licence: int = 0) -> Path:
    """A minimal TrueType font in which every letter is a square."""
    names = [".notdef", *(f"uni{ord(letter):04X}" for letter in letters)]
    builder = FontBuilder(1000)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): f"uni{ord(letter):04X}" for letter in letters})
    builder.setupGlyf({name: square() for name in names})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (900, 50)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": name, "styleName": "Regular", "psName": f"{name}-Regular"})
    builder.setupOS2(fsType=licence)
    builder.setupPost()
    file = folder / f"{name}.ttf"
    builder.save(file)
    return file


def test_an_added_font_is_embedded_covers_its_letters_and_gives_them_back(tmp_path: Path) -> None:
    fonts = added_fonts([a_font(tmp_path, "Squares", CHINESE)])
    request = a_request(SAMPLE, consultation__sections=[{"title": CHINESE, "text": f"Seen today: {CHINESE}."}])
    pdf = ReportRenderer(ReportDesign.SUMMARY, fonts=fonts).render(request, 1, lambda _key: b"")
    chinese = [piece for piece in pieces(pdf) if CHINESE in piece.drawn]
    assert len(chinese) == 2
    assert {piece.font for piece in chinese} == {"Squares-Regular"}
    assert all(piece.width == pytest.approx(0.9 * len(CHINESE) * piece.size, rel=0.01) for piece in chinese)
    assert f"Seentoday:{CHINESE}." in text_of(pdf)
    assert CHINESE in "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    resources = PdfReader(io.BytesIO(pdf)).pages[0]["/Resources"]["/Font"].values()  # type: ignore[index]
    (added,) = [font.get_object() for font in resources if "Squares" in str(font.get_object()["/BaseFont"])]
    assert "/FontFile2" in added["/FontDescriptor"]


def test_our_own_fonts_come_first_and_can_be_used_as_added_ones_too() -> None:
    ours = font_files("bold")
    assert added_fonts(ours) == tuple(ours)
    assert font_files("bold", [Path("more.ttf")]) == [*ours, Path("more.ttf")]


def test_a_font_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path) -> None:
    good = a_font(tmp_path, "Good", "A").read_bytes()
    directory = tmp_path / "other"
    directory.mkdir()
    for content, reason in (
        (b"", "not a TrueType font"),
        (b"OTTO" + good[4:], "CFF outlines"),
        (b"ttcf" + good[4:], "collection"),
        (good[:9], "not a whole font"),
        (good[:-40], "not a whole font"),
        (good.replace(b"glyf", b"glyx", 1), "not a whole font"),
    ):
        file = directory / "bad.ttf"
        file.write_bytes(content)
        with pytest.raises(ReportFileError, match=rf"bad\.ttf .*{reason}"):
            added_fonts([file])
    with pytest.raises(ReportFileError, match=r"Closed\.ttf may not be embedded"):
        added_fonts([a_font(tmp_path, "Closed", "A", licence=2)])
    with pytest.raises(ReportFileError, match="same file name"):
        added_fonts([tmp_path / "Good.ttf", a_font(directory, "Good", "B")])
    with pytest.raises(ReportFileError, match=r"none\.ttf cannot be read"):
        added_fonts([tmp_path / "none.ttf"])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_logo_is_a_whole_image(tmp_path: Path, kind: str) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(picture(kind=kind))
    assert logo_file(logo) == logo
    for content in (b"", b"<svg/>", picture(kind=kind)[:-20], picture(kind=kind) + os.urandom(1_000_000)):
        logo.write_bytes(content)
        with pytest.raises(ReportFileError, match=r"^logo\.png "):
            logo_file(logo)
    with pytest.raises(ReportFileError, match=r"^absent\.png cannot be read"):
        logo_file(tmp_path / "absent.png")


@pytest.mark.parametrize("variable", ["REPORT_LOGO", "REPORT_FONTS"])
def test_the_builder_does_not_start_with_a_file_that_it_cannot_use(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "file.ttf").write_bytes(b"neither")
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path))
    with pytest.raises(ReportFileError, match=r"^file\.ttf is not"):
        wiring.builder(BuilderSettings.from_environment({**BUILDER, variable: "report/file.ttf"}))


def test_the_deployment_names_the_files_that_lie_beside_the_builder(tmp_path: Path) -> None:
    assert report_environment(tmp_path) == {}
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "logo.png").write_bytes(picture(kind="PNG"))
    for name in ("b", "a"):
        a_font(folder, name, "A")
    (folder / "readme.txt").touch()
    assert report_environment(tmp_path) == {
        "REPORT_LOGO": "report/logo.png",
        "REPORT_FONTS": "report/a.ttf:report/b.ttf",
    }


@pytest.mark.parametrize("name", ["logo.jpg", "font.ttf"])
def test_the_synthesis_refuses_a_file_that_the_builder_would_refuse(name: str, tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / name).write_bytes(b"neither")
    with pytest.raises(ReportFileError, match=f"^{name} is not"):
        report_environment(tmp_path)
