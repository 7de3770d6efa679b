"""Refuse packages without an agreed licence, and write the bill of materials of the shipped packages (CycloneDX 1.6).

`python -m infra.assurance.packages FILE`. pip-licenses reads the licences of the shipped packages, and of those for
building and testing. An agreed licence allows use and distribution of the product without opening its source. The weak
copyleft licences (LGPL, MPL) are met by shipping packages unchanged. The same lock gives the same bytes.
"""

import json
import re
import sys
import sysconfig
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.utils import canonicalize_name, canonicalize_version

from gpconnect_messaging import __version__
from infra.assurance.tools import PROJECT, run
from infra.constructs.layers import LOCK, dependencies_folder

AGREED = frozenset(
    {
        *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "OFL-1.1"),
        *("PSF-2.0", "Unlicense"),
        # The words of packages without an SPDX expression.
        *("Apache 2.0", "Apache License 2.0", "Apache Software License", "BSD License", "ISC License (ISCL)"),
        *("GNU Library or Lesser General Public License (LGPL)", "MIT License", "MIT No Attribution License (MIT-0)"),
        *("Mozilla Public License 2.0 (MPL 2.0)", "Python Software Foundation License"),
    }
)

EXCEPTIONS = {
    # Its own licence and PDFium's. PDFium's dependencies (BUILD_LICENSES in the package) are all permissive.
    "pypdfium2": "BSD-3-Clause, Apache-2.0, dependency licenses",
}
"""Packages that name their licence in no usual form, with what they say."""

_VALIDATE = """
import pathlib, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

sys.exit(JsonStrictValidator(SchemaVersion.V1_6).validate_str(pathlib.Path(sys.argv[1]).read_text("utf-8")))
"""


class PackagesRefusedError(Exception):
    """Packages have no agreed licence, or their list is not that of the lock: remove or exchange them."""


@contextmanager
def environment(packages: Path) -> Iterator[Path]:
    """Yield the interpreter of a temporary environment that finds exactly the packages of a folder."""
    with TemporaryDirectory(dir=PROJECT / ".build") as folder:
        venv.create(folder, symlinks=True)
        site = Path(sysconfig.get_path("purelib", scheme="venv", vars={"base": folder}))
        (site / "packages.pth").write_text(f"{packages}\n", encoding="utf-8")
        yield Path(folder) / "bin" / "python"


def licences(interpreter: Path) -> list[dict[str, str]]:
    """Return the name, version and licence of every package that an interpreter finds."""
    listed: list[dict[str, str]] = json.loads(
        run("packages", "pip-licenses", "--python", interpreter, "--with-system", "--format", "json")
    )
    return listed


def agree(packages: Sequence[Mapping[str, str]]) -> None:
    """Raise PackagesRefusedError unless there are packages, and all of them have agreed licences."""
    refused = [
        f"{package['Name']} {package['Version']}: {package['License']}"
        for package in packages
        if not is_agreed(package["License"]) and package["License"] != EXCEPTIONS.get(package["Name"])
    ]
    if refused or not packages:
        raise PackagesRefusedError("\n".join(refused) or "no package was found")


def is_agreed(licence: str) -> bool:
    """Return whether an SPDX expression, or a list of licences in words, leaves a choice of agreed licences only."""
    return all(
        any({choice, choice.strip("()")} & AGREED for choice in part.split(" OR "))
        for part in re.split("; | AND ", licence)
    )


def bill(interpreter: Path, lock: Path) -> dict[str, Any]:
    """Return the bill of materials of an interpreter's packages, with the hashes that a lock allows.

    Raises:
        PackagesRefusedError: the packages are not those of the lock.
    """
    options = ("--pyproject", "pyproject.toml", "--output-reproducible", "--spec-version", "1.6", "--no-validate")
    return completed(
        json.loads(run("packages", "cyclonedx-py", "environment", *options, interpreter)),
        json.loads(run("packages", "cyclonedx-py", "requirements", *options, lock)),
    )


def completed(made: dict[str, Any], locked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the bill of an environment with the hashes from the bill of a lock; raise PackagesRefusedError."""
    references = {_key(entry): entry["externalReferences"] for entry in locked.get("components", ())}
    found = {_key(entry) for entry in made.get("components", ())}
    if found != references.keys() or not found:
        raise PackagesRefusedError(f"the packages are not those of the lock: {sorted(found ^ references.keys())}")
    made["metadata"]["component"]["version"] = __version__
    for entry in made["components"]:
        entry["externalReferences"] = [*entry.get("externalReferences", ()), *references[_key(entry)]]
        if "licenses" not in entry:
            entry["licenses"] = [{"license": {"name": EXCEPTIONS[entry["name"]]}}]
    return made


def _key(entry: Mapping[str, str]) -> tuple[str, str]:
    return canonicalize_name(entry["name"]), canonicalize_version(entry["version"])


def write(made: Mapping[str, Any], file: Path) -> None:
    """Write a bill of materials; raise ToolFailedError unless it is valid CycloneDX 1.6."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    run("packages", "python", "-c", _VALIDATE, file)


def main(file: Path) -> int:
    """Check all packages and write the bill of materials; return 0 if all licences are agreed."""
    try:
        with environment(dependencies_folder(LOCK) / "python") as interpreter:
            listed = licences(interpreter)
            building = licences(Path(sys.executable))
            agree(listed)
            agree(building)
            made = bill(interpreter, LOCK)
    except PackagesRefusedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    write(made, file)
    sys.stdout.write(f"{len(listed)} shipped and {len(building)} building packages have agreed licences.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
