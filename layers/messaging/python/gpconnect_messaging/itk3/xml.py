"""FHIR XML (STU3) from validated models, with gaps for content that must not pass through a model.

The library's own XML dump looks every field's type up anew and takes several times as long; this writer plans each
class once. A test holds the two against each other, element by element.
"""

import base64
import datetime as dt
import decimal
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from fhir.resources.STU3.fhirresourcemodel import FHIRResourceModel
from fhir_core.fhirabstractmodel import FHIRAbstractModel
from lxml import etree

_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
)
_PROLOGUE = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = ' xmlns="http://hl7.org/fhir"'

Gap = TypeVar("Gap")


def to_xml(resource: FHIRResourceModel, gaps: Mapping[str, Gap] | None = None) -> list[bytes | Gap]:
    """Write a resource as UTF-8 XML, cut where a Binary's content is to be spliced in.

    `gaps` maps the id of each such Binary to the object that marks its place; the model holds any content there. The
    answer is text and marks in order: without gaps, one piece of bytes.
    """
    pieces: list[str | tuple[Gap]] = [_PROLOGUE]
    _write_resource(resource, pieces, gaps or {}, _NAMESPACE)
    joined: list[bytes | Gap] = []
    text: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            text.append(piece)
        else:
            joined += ["".join(text).encode(), piece[0]]
            text.clear()
    joined.append("".join(text).encode())
    return joined


@cache
def _plan(kind: type[FHIRAbstractModel]) -> dict[str, tuple[int, str]]:
    """Give each attribute of a class, and its primitive extension's, a place in schema order and an element name."""
    attributes = kind.get_alias_mapping()
    plan: dict[str, tuple[int, str]] = {}
    for place, name in enumerate(kind.elements_sequence()):
        plan[attributes[name]] = plan[f"{attributes[name]}__ext"] = (place, name)
    return plan


def _present(model: FHIRAbstractModel) -> list[tuple[str, Any, Any]]:
    """List the elements that a model really has, in schema order: name, value, primitive extension."""
    plan, values = _plan(type(model)), model.__dict__
    found: dict[tuple[int, str], list[Any]] = {}
    # A class has up to ninety attributes and a resource sets a few: only those that were set are visited.
    for attribute in model.model_fields_set:
        if attribute in plan and values[attribute] is not None:
            found.setdefault(plan[attribute], [None, None])[attribute.endswith("__ext")] = values[attribute]
    return [(name, *found[place, name]) for place, name in sorted(found)]


def _write_resource(
    resource: FHIRAbstractModel, pieces: list[str | tuple[Gap]], gaps: Mapping[str, Gap], namespace: str = ""
) -> None:
    name = resource.get_resource_type()
    pieces.append(f"<{name}{namespace}>")
    gap = gaps.get(resource.__dict__["id"]) if name == "Binary" else None
    for element, value, extension in _present(resource):
        if gap is not None and element == "content":
            pieces += ['<content value="', (gap,), '"/>']
        else:
            _write(element, value, extension, pieces, gaps)
    pieces.append(f"</{name}>")


def _write(element: str, value: Any, extension: Any, pieces: list[str | tuple[Gap]], gaps: Mapping[str, Gap]) -> None:
    if value is None and extension is None:
        return
    if isinstance(value, list) or isinstance(extension, list):
        for each, its_extension in _paired(value, extension):
            _write(element, each, its_extension, pieces, gaps)
    elif isinstance(value, FHIRAbstractModel):
        if value.has_resource_base():
            pieces.append(f"<{element}>")
            _write_resource(value, pieces, gaps)
            pieces.append(f"</{element}>")
        else:
            _write_complex(element, value, pieces, gaps)
    elif element == "div":
        pieces.append(etree.tostring(etree.fromstring(value), encoding="unicode"))
    else:
        text = "" if value is None else f' value="{_primitive(value).translate(_ATTRIBUTE)}"'
        if extension is None:
            pieces.append(f"<{element}{text}/>")
        else:
            identifier = f' id="{extension.id.translate(_ATTRIBUTE)}"' if extension.id else ""
            pieces.append(f"<{element}{identifier}{text}>")
            _write("extension", extension.extension, None, pieces, gaps)
            pieces.append(f"</{element}>")


def _write_complex(
    element: str, value: FHIRAbstractModel, pieces: list[str | tuple[Gap]], gaps: Mapping[str, Gap]
) -> None:
    as_attributes = ("id", "url") if value.get_resource_type() == "Extension" else ("id",)
    present = _present(value)
    attributes = "".join(
        f' {name}="{text.translate(_ATTRIBUTE)}"' for name, text, _ in present if name in as_attributes
    )
    pieces.append(f"<{element}{attributes}>")
    for name, each, extension in present:
        if name not in as_attributes:
            _write(name, each, extension, pieces, gaps)
    pieces.append(f"</{element}>")


def _paired(values: Sequence[Any] | None, extensions: Sequence[Any] | None) -> list[tuple[Any, Any]]:
    length = max(len(values or ()), len(extensions or ()))
    padded_values = [*(values or ()), *[None] * length][:length]
    padded_extensions = [*(extensions or ()), *[None] * length][:length]
    return list(zip(padded_values, padded_extensions, strict=True))


def _primitive(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    return str(value)
