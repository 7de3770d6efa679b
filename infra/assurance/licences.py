"""Refuse packages without an agreed licence: `python -m infra.assurance.licences`.

It checks the shipped packages, and those for building and testing. An agreed licence allows use and distribution of the
product without opening its source. The weak copyleft licences (LGPL, MPL) are met by shipping packages unchanged.
"""

import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from infra.assurance.components import Component, installed

AGREED = frozenset(
    {
        *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "LGPL-2.1-or-later", "MIT", "MIT-0", "MIT-CMU"),
        *("MPL-2.0", "OFL-1.1", "PSF-2.0", "Unlicense"),
    }
)
"""SPDX identifiers."""

SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-2.1-or-later",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    # pypdfium2's own licence and PDFium's. PDFium's dependencies (BUILD_LICENSES in the package) are all permissive.
    "BSD-3-Clause, Apache-2.0, dependency licenses": "BSD-3-Clause AND Apache-2.0",
}
"""SPDX identifiers of licences that older packages state in words."""


def spdx(component: Component) -> str:
    """Return a package's licence as an SPDX expression; unknown words stay."""
    return " AND ".join(dict.fromkeys(SPDX.get(words, words) for words in component.licences))


def is_agreed(expression: str) -> bool:
    """Return whether an alternative of an expression has agreed licences only."""
    alternatives = expression.replace("(", "").replace(")", "").split(" OR ")
    return any(all(licence in AGREED for licence in alternative.split(" AND ")) for alternative in alternatives)


def refused(components: Iterable[Component]) -> list[str]:
    """Return a line for every package without an agreed licence."""
    return [
        f"{component.name} {component.version}: {spdx(component)}"
        for component in components
        if not is_agreed(spdx(component))
    ]


def main() -> int:
    """Check all packages; return 0 if all licences are agreed."""
    from infra.constructs.layers import LOCK, dependencies_folder

    shipped = installed(dependencies_folder(LOCK) / "python")
    building = installed(Path(sysconfig.get_path("purelib")))
    lines = refused([*shipped, *building])
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    if not lines:
        sys.stdout.write(f"{len(shipped)} shipped and {len(building)} building packages have agreed licences.\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
