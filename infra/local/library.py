"""What the local run reads from our own library: how a request is named, and what a response code means.

The library is deployed as a layer, not installed: its folder goes on the path here.
"""

import importlib.util
import sys

from infra.local.environments import ROOT

if importlib.util.find_spec("gpconnect_messaging") is None:
    sys.path.append(str(ROOT / "layers" / "messaging" / "python"))

from gpconnect_messaging.derivation import read_identifiers
from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES, Level, level_of
from gpconnect_messaging.requests.identity import Identifiers

__all__ = ["RESPONSE_CODES", "Identifiers", "Level", "level_of", "read_identifiers"]
