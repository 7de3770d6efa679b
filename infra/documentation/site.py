"""The documentation as a site in .build/docs: `make docs`.

Pages are docs/**/*.md and the checkout's own README, CHANGELOG, CONTRIBUTING and SECURITY. The build rewrites their
links to pages of the site. It copies a linked file that is not a page, and turns a link to a folder into plain words. A
link to nothing stops the build, as does the site generator's own check. The finished site loads nothing from another
machine.
"""

import os
import re
import shutil
import sys
from pathlib import Path, PurePosixPath

from infra.assurance.tools import PROJECT, run_locked
from infra.documentation.scripts import SCRIPTS

HERE = Path(__file__).parent
WORK = PROJECT / ".build" / "documentation"
SITE = PROJECT / ".build" / "docs"

ROOT_PAGES = {"README.md": "index.md"} | {
    name: f"project/{name}" for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
}
"""Pages from outside docs/, with their paths in the site."""

_DECISIONS = re.compile(r"^ +# decisions:.*$", re.MULTILINE)
_FENCE = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


class BrokenLinkError(Exception):
    """A page links to a file that does not exist: correct the page."""


def pages() -> dict[str, str]:
    """Map paths of pages in the checkout to paths in the site."""
    own = sorted((PROJECT / "docs").rglob("*.md"))
    return ROOT_PAGES | {
        path.relative_to(PROJECT).as_posix(): path.relative_to(PROJECT / "docs").as_posix() for path in own
    }


def navigation() -> str:
    """Return the site's configuration, with every decision in the navigation."""
    records = sorted(
        (path for path in pages().values() if path.startswith("adr/")), key=lambda path: (path != "adr/README.md", path)
    )
    listed = "\n".join(f'    "{path}",' for path in records)
    return _DECISIONS.sub(listed, (HERE / "zensical.toml").read_text(encoding="utf-8"))


def for_the_site(page: str, text: str, files: set[str]) -> str:
    """Rewrite a page's links for the site; add other linked files to `files`.

    Raises BrokenLinkError.
    """

    def follow(link: re.Match[str]) -> str:
        picture, words, target = link.groups()
        path, hash_sign, heading = target.partition("#")
        if not path or re.match(r"[a-z][a-z0-9+.-]*:", path):
            return link[0]
        there = os.path.normpath(PurePosixPath(page).parent / path)
        if not (PROJECT / there).exists() or there.startswith(".."):
            raise BrokenLinkError(f"{page} links to {target}, which does not exist")
        if (PROJECT / there).is_dir():
            return words
        if there not in paths:
            files.add(there)
        to = paths.get(there, f"files/{there}")
        relative = os.path.relpath(to, PurePosixPath(paths[page]).parent)
        return f"{picture}[{words}]({relative}{hash_sign}{heading})"

    paths = pages()
    parts = _FENCE.split(text)
    return "".join(part if part.startswith("```") else _LINK.sub(follow, part) for part in parts)


def stage(folder: Path) -> None:
    """Write the site's sources into a folder. Raises BrokenLinkError; NotThePackageError."""
    shutil.rmtree(folder, ignore_errors=True)
    files: set[str] = set()
    for page, path in pages().items():
        text = for_the_site(page, (PROJECT / page).read_text(encoding="utf-8"), files)
        _write(folder / "pages" / path, text)
    for file in sorted(files):
        _write(folder / "pages" / "files" / file, (PROJECT / file).read_bytes())
    _write(folder / "zensical.toml", navigation())
    shutil.copytree(HERE / "overrides", folder / "overrides", ignore=shutil.ignore_patterns("*.css"))
    _write(folder / "pages" / "assets" / "site.css", (HERE / "overrides" / "site.css").read_bytes())
    for script in SCRIPTS:
        script.put_into(folder / "pages" / "assets", WORK / "packages")


def build() -> Path:
    """Build the site; return the folder.

    Raises BrokenLinkError; ToolFailedError, which names the page and the fault.
    """
    work = WORK / "work"
    stage(work)
    run_locked(PROJECT / "docs" / "requirements.txt", "zensical", "build", "--strict", "-f", work / "zensical.toml")
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.copytree(work / "site", SITE)
    return SITE


def _write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


if __name__ == "__main__":
    try:
        print(f"The documentation: {build() / 'index.html'}")  # noqa: T201 - what the command is for
    except BrokenLinkError as error:
        sys.exit(str(error))
