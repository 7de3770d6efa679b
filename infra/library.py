"""Names that the infrastructure shares with the product's library: request keys, queue names, scan results.

The library is deployed as a layer, not installed, so this module adds the folder to the path.
"""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("gpconnect_messaging") is None:
    sys.path.append(str(Path(__file__).resolve().parents[1] / "layers" / "messaging" / "python"))

from gpconnect_messaging.requests.drop_keys import EVENT_PATTERN, JSONATA_CONDITION, RECEIVED, REQUEST_FILE
from gpconnect_messaging.requests.senders import queue_name
from gpconnect_messaging.scan_results import SCAN_TAG, VALIDATION_OBJECT, ScanResult

__all__ = [
    "EVENT_PATTERN",
    "JSONATA_CONDITION",
    "RECEIVED",
    "REQUEST_FILE",
    "SCAN_TAG",
    "VALIDATION_OBJECT",
    "ScanResult",
    "queue_name",
]
