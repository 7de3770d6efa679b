"""Environment variables for a deployer's own report files: a logo, and further fonts."""

from collections.abc import Mapping
from pathlib import Path

from gpconnect_messaging.documents.report_files import added_fonts, logo_file

_LOGOS = ("logo.png", "logo.jpg")
_FONTS = "*.ttf"


def report_environment(function: Path) -> Mapping[str, str]:
    """Return the variables for files in the `report` folder of the function's code, relative to it.

    Raises ReportFileError where the builder would refuse a file.
    """
    folder = function / "report"
    logo = next((name for name in _LOGOS if (folder / name).is_file()), None)
    if logo:
        logo_file(folder / logo)
    fonts = [path.name for path in added_fonts(sorted(folder.glob(_FONTS)))]
    return {
        **({"REPORT_LOGO": f"report/{logo}"} if logo else {}),
        **({"REPORT_FONTS": ":".join(f"report/{name}" for name in fonts)} if fonts else {}),
    }
