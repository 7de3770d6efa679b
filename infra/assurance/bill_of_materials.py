"""Write the bill of materials of the shipped packages, in CycloneDX 1.6.

`python -m infra.assurance.bill_of_materials FILE`. The same lock gives the same bytes: there is no time and no serial
number; a release may add them.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.assurance.components import Component, installed
from infra.assurance.licences import is_agreed, spdx

PRODUCT = "gpconnect-messaging"


def bill(components: Sequence[Component], *, version: str) -> dict[str, Any]:
    """Return the bill of materials of a version of the product."""
    names = {component.name for component in components}
    needed = {name for component in components for name in component.needs}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": PRODUCT,
                "name": PRODUCT,
                "version": version,
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": [_entry(component) for component in components],
        "dependencies": [
            {
                "ref": PRODUCT,
                "dependsOn": [_reference(component) for component in components if component.name not in needed],
            },
            *(
                {
                    "ref": _reference(component),
                    "dependsOn": [
                        _reference(other) for other in components if other.name in set(component.needs) & names
                    ],
                }
                for component in components
            ),
        ],
    }


def _entry(component: Component) -> dict[str, Any]:
    expression = spdx(component)
    return {
        "type": "library",
        "bom-ref": _reference(component),
        "name": component.name,
        "version": component.version,
        "purl": _reference(component),
        "licenses": [
            {"expression": expression} if is_agreed(expression) else {"license": {"name": expression}},
        ],
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{component.name}/{component.version}/",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in component.hashes],
            }
        ],
    }


def _reference(component: Component) -> str:
    return f"pkg:pypi/{component.name}@{component.version}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the bill of materials of the layer's packages."""
    from infra.constructs.layers import LIBRARY, LOCK, dependencies_folder

    parser = argparse.ArgumentParser(prog="python -m infra.assurance.bill_of_materials", description=__doc__)
    parser.add_argument("file", type=Path, help="file to write")
    file = parser.parse_args(arguments).file
    source = LIBRARY / "python" / "gpconnect_messaging" / "__init__.py"
    [line] = [line for line in source.read_text(encoding="utf-8").splitlines() if line.startswith("__version__")]
    components = installed(dependencies_folder(LOCK) / "python", LOCK.read_text(encoding="utf-8"))
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(bill(components, version=line.split('"')[1]), indent=2)
    file.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
