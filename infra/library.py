"""What the infrastructure shares with the product's library: mailbox settings, identifiers, keys and queue names.

The library is deployed as a layer, not installed, so this module adds the folder to the path.
"""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("gpconnect_messaging") is None:
    sys.path.append(str(Path(__file__).resolve().parents[1] / "layers" / "messaging" / "python"))

from gpconnect_messaging.drop_keys import EVENT_PATTERN, JSONATA_CONDITION, RECEIVED, REQUEST_FILE
from gpconnect_messaging.identifiers import OWN_MAILBOX_ID_RULE, is_mailbox_id
from gpconnect_messaging.mailboxes.senders import queue_name
from gpconnect_messaging.mailboxes.settings import RULES, MailboxSettings, MailboxSettingsError, Release
from gpconnect_messaging.scan_results import SCAN_TAG, VALIDATION_OBJECT, ScanResult
from gpconnect_messaging.specification import PageSize, Version
from gpconnect_messaging.specification.birth_date import BirthDateFormat

__all__ = [
    "EVENT_PATTERN",
    "JSONATA_CONDITION",
    "OWN_MAILBOX_ID_RULE",
    "RECEIVED",
    "REQUEST_FILE",
    "RULES",
    "SCAN_TAG",
    "VALIDATION_OBJECT",
    "BirthDateFormat",
    "MailboxSettings",
    "MailboxSettingsError",
    "PageSize",
    "Release",
    "ScanResult",
    "Version",
    "is_mailbox_id",
    "queue_name",
]
