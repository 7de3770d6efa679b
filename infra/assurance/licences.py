"""Refuse packages whose licence nobody agreed to: `python -m infra.assurance.licences`.

Looked at are the packages that are shipped, and those that only build and test. An agreed licence is one that lets the
product be used and passed on without opening its source; the weak copyleft ones (LGPL, MPL) are met by shipping these
packages as they are.
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
"""By SPDX's names."""

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
    # pypdfium2's own, and PDFium's. What PDFium is built with (BUILD_LICENSES in the package) is permissive throughout.
    "BSD-3-Clause, Apache-2.0, dependency licenses": "BSD-3-Clause AND Apache-2.0",
}
"""SPDX's name of what older packages say in words."""


def spdx(component: Component) -> str:
    """Give a package's licence as an SPDX expression, as far as its words are known."""
    return " AND ".join(dict.fromkeys(SPDX.get(words, words) for words in component.licences))


def is_agreed(expression: str) -> bool:
    """Tell whether one alternative of an expression has agreed licences only."""
    alternatives = expression.replace("(", "").replace(")", "").split(" OR ")
    return any(all(part in AGREED for part in each.split(" AND ")) for each in alternatives)


def refused(components: Iterable[Component]) -> list[str]:
    """Give a line for each package whose licence is not agreed."""
    return [
        f"{component.name} {component.version}: {spdx(component)}"
        for component in components
        if not is_agreed(spdx(component))
    ]


def main() -> int:
    """Look at everything; 0 when each licence is agreed."""
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
