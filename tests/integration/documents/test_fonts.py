from infra.bold_font import BOLD, FONTS, bold_font


def test_the_bold_font_is_the_one_that_the_package_of_the_variable_one_gives() -> None:
    assert BOLD.read_bytes() == bold_font(), "run `make font`"


def test_the_fonts_licence_lies_beside_it() -> None:
    licence = (FONTS / "OFL.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert "Reserved Font Name" not in licence.partition("PREAMBLE")[0]
