"""Validates the values of MESH's request headers.

Header values are ASCII here. The caller folds accented names to ASCII (routing, the subject's rules): dropping or
replacing letters at this level could change whom a message is for.
"""

from collections.abc import Iterator, Mapping

# Longest value that MESH accepts per header, in characters (MESH API description, "Send message").
LONGEST = {
    "Mex-To": 100,
    "Mex-WorkflowID": 300,
    "Mex-Subject": 500,
    "Mex-LocalID": 300,
    "Mex-FileName": 300,
    "Mex-Chunk-Range": 20,
    "Mex-Content-Checksum": 100,
}
REQUIRED = ("Mex-To", "Mex-WorkflowID")


def checked(headers: Mapping[str, str | None]) -> dict[str, str]:
    """Return the headers that have a value, checked.

    Raises ValueError naming the header, never the value: those of `Mex-To` and `Mex-Subject` identify a patient.
    """
    for name in REQUIRED:
        if name in headers and not headers[name]:
            raise ValueError(f"header {name} is empty")
    return dict(_checked(headers))


def _checked(headers: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        if not value:
            continue
        if not value.isascii():
            raise ValueError(f"header {name} has characters outside ASCII")
        if not value.isprintable():
            raise ValueError(f"header {name} has control characters")
        if value != value.strip():
            raise ValueError(f"header {name} has spaces at an end")
        longest = LONGEST.get(name, 500)
        if len(value) > longest:
            raise ValueError(f"header {name} is longer than {longest} characters")
        yield name, value
