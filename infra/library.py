"""What the infrastructure reads from our own library: which dropped objects are requests, a queue's name, scan results.

The library is deployed as a layer, not installed: its folder goes on the path here.
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
