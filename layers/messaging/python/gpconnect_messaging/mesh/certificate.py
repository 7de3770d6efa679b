"""Reads a client certificate's expiry from PEM text with the standard library alone.

The functions carry no cryptography package, and Python's own reader takes certificates of authorities only. Source:
RFC 5280, section 4.1 (the order of the certificate's fields).
"""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _EXPLICIT_VERSION = 0x30, 0x17, 0x18, 0xA0


def expiry(pem: str) -> datetime:
    """Return when the first certificate ends, in UTC. Raises ValueError, without the PEM, for any other text."""
    try:
        end = pem.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)
        der = ssl.PEM_cert_to_DER_cert(pem[pem.index(ssl.PEM_HEADER) : end])
        (_, certificate), *_ = _elements(der)
        (_, signed), *_ = _elements(certificate)
        fields = [element for element in _elements(signed) if element[0] != _EXPLICIT_VERSION]
        tag, validity = fields[3]  # after serial number, signature algorithm and issuer
        _, (kind, text) = _elements(validity)
    except (ValueError, IndexError):
        raise ValueError("the certificate cannot be read") from None
    if tag != _SEQUENCE or kind not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("the certificate has no validity period")
    return datetime.strptime(text.decode("ascii"), "%y%m%d%H%M%SZ" if kind == _UTC_TIME else "%Y%m%d%H%M%SZ").replace(
        tzinfo=UTC
    )


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the elements of a DER sequence: tag and content."""
    at = 0
    while at < len(der):
        tag, length, start = der[at], der[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, start = int.from_bytes(der[start : start + size]), start + size
        if start + length > len(der):
            raise ValueError("shorter than it says")
        yield tag, der[start : start + length]
        at = start + length
