"""Names that the local run takes from the product's library: request keys and ids, and response codes."""

import infra.library  # noqa: F401 - puts the library on the path
from gpconnect_messaging.derivation import read_identifiers
from gpconnect_messaging.derived_ids import Identifiers
from gpconnect_messaging.drop_keys import is_request
from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES, Level, level_of

__all__ = ["RESPONSE_CODES", "Identifiers", "Level", "is_request", "level_of", "read_identifiers"]
