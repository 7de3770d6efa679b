"""Reference pages from models: the request, the configuration of an environment, the functions' variables."""

import ast
import inspect
import json
import textwrap
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from enum import StrEnum
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from gpconnect_messaging.mailboxes.settings import RULES, MailboxSettings
from gpconnect_messaging.requests import fields as request_fields
from gpconnect_messaging.requests.times import DATE_PATTERN, TIME_PATTERN
from gpconnect_messaging.settings import BuilderSettings, PollerSettings, SenderSettings
from gpconnect_messaging.usecases import OPTIONAL_FIELDS, USE_CASES
from infra import configuration
from infra.documentation.request_schema import request_schema
from infra.documentation.tables import code, page, table

Json = dict[str, Any]


def request_page() -> str:
    """Return the page of every field of a request, from the JSON Schema of the models."""
    schema: Json = json.loads(request_schema())
    parts = [_model(name, model) for name, model in _in_reading_order(schema["$defs"])]
    return page(
        "Request, field by field",
        "the models in `gpconnect_messaging/requests`",
        "[Requests](../requests.md) explains what a request is and what becomes of it; the schema for programs is "
        "[`events/request.schema.json`](../../events/request.schema.json).",
        "## Use cases",
        table(
            ("use case", "specification", "needs", "may have", "without a primary document"),
            (
                (
                    code(name),
                    ", ".join(use_case.versions),
                    _listed(use_case.needs),
                    _listed(set(use_case.takes) - set(use_case.needs)),
                    "rendered from the notes" if use_case.rendered else "refused",
                )
                for name, use_case in USE_CASES.items()
            ),
        ),
        f"Of {_listed(OPTIONAL_FIELDS)} a request has only those of the use case. No text is empty, and "
        "`null` in a field that is not required is the same as leaving it out.",
        *parts,
    )


def configuration_page() -> str:
    """Return the page of every field of an environment's file, from the models that check it."""
    groups = [
        value
        for value in vars(configuration).values()
        if inspect.isclass(value) and issubclass(value, configuration.Settings) and value is not configuration.Settings
    ]
    groups.sort(key=lambda group: (group is not configuration.Configuration, inspect.getsourcelines(group)[1]))
    mailbox_page = _section(MailboxSettings, [_mailbox_setting(field) for field in fields(MailboxSettings)])
    return page(
        "Configuration, field by field",
        "`infra/configuration.py` and `gpconnect_messaging/mailboxes/settings.py`",
        "An environment is one file in `infra/environments`; [Deploy](../deploy.md) says how to use them. A wrong "
        "value stops the synthesis; the error names the field.",
        *(_group(group) for group in groups),
        mailbox_page,
    )


def environment_page() -> str:
    """Return the page of every environment variable of the functions, from the settings classes."""
    functions = {"builder": BuilderSettings, "sender": SenderSettings, "poller": PollerSettings}
    known: dict[str, dict[str, Field[Any]]] = {}
    for function, settings in functions.items():
        for field in fields(settings):
            known.setdefault(field.name.upper(), {})[function] = field
    rows = [
        (
            code(name),
            *("yes" if function in uses and uses[function].default is MISSING else "may" if function in uses else ""
              for function in functions),
            _default(next(iter(uses.values()))),
        )
        for name, uses in sorted(known.items())
    ]  # fmt: skip
    return page(
        "Variables of the functions",
        "`gpconnect_messaging/settings.py`",
        "The stack sets them from the [configuration](configuration.md), never a person. A missing or wrong variable "
        "stops the function as it starts, and the error names it. No variable holds a credential or names a patient.",
        table(("variable", *functions, "if it is not set"), rows),
        "`yes`: the function does not start without it. `may`: it has a default.",
    )


def _in_reading_order(models: Json) -> list[tuple[str, Json]]:
    """Sort the models: the request first, then the others by first reference."""
    order: list[str] = []
    waiting = ["Request", "Withdrawal"]
    while waiting:
        name = waiting.pop(0)
        if name not in order:
            order.append(name)
            waiting += [other for other in _referred(models[name].get("properties", {})) if other not in order]
    return [(name, models[name]) for name in order if "properties" in models[name]]


def _referred(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [str(part["$ref"]).rpartition("/")[2]] if "$ref" in part else []
        return own + [name for child in part.values() for name in _referred(child)]
    return [name for child in part for name in _referred(child)] if isinstance(part, list) else []


def _model(name: str, model: Json) -> str:
    required = set(model.get("required", ()))
    rows = [
        (
            code(field),
            _form(about),
            "yes" if field in required else "",
            _sentences(about.get("description", ""), _default_of(about)),
        )
        for field, about in model["properties"].items()
    ]
    heading = f"## {name}\n\n{_first_paragraph(model.get('description', ''))}"
    return f"{heading}\n\n{table(('field', 'form', 'required', 'what it is'), rows)}"


def _form(about: Json) -> str:
    if "anyOf" in about:
        return " or ".join(_form(choice) for choice in about["anyOf"] if choice.get("type") != "null")
    if "$ref" in about:
        name = str(about["$ref"]).rpartition("/")[2]
        choices = _ENUMERATIONS.get(name)
        return choices or f"[{name}](#{name.lower()})"
    if "const" in about:
        return code(about["const"])
    if "enum" in about:
        return ", ".join(code(value) for value in about["enum"])
    if about.get("type") == "array":
        most = f", at most {about['maxItems']}" if "maxItems" in about else ""
        return f"list of {_form(about['items'])}{most}"
    if named := _NAMED_FORMS.get(about.get("pattern", "")):
        return named
    kind = str(about.get("type", "anything"))
    bounds = [
        words.format(about[key])
        for key, words in (
            ("minLength", "at least {} characters"), ("maxLength", "at most {} characters"),
            ("exclusiveMinimum", "above {}"), ("minimum", "at least {}"), ("maximum", "at most {}"),
        )
        if key in about and (key, about[key]) != ("minLength", 1)
    ]  # fmt: skip
    return ", ".join([_KINDS.get(kind, kind), *bounds])


_NAMED_FORMS = {
    DATE_PATTERN: "date, `YYYY-MM-DD`",
    TIME_PATTERN: "time with offset, `YYYY-MM-DDThh:mm:ss+hh:mm`",
    **{
        f"^{shape.pattern}$": shape.rule
        for kind in vars(request_fields).values()
        for shape in getattr(kind, "__metadata__", ())
        if isinstance(shape, request_fields.Shape)
    },
}
"""The form in words, by pattern. A field with another pattern explains the form in the description."""
_KINDS = {"string": "text", "boolean": "true or false", "integer": "whole number"}
_ENUMERATIONS = {
    name: ", ".join(code(value) for value in model["enum"])
    for name, model in json.loads(request_schema())["$defs"].items()
    if "enum" in model
}


def _default_of(about: Json) -> str:
    default = about.get("default")
    return "" if default in (None, [], "") else f"default: {code(json.dumps(default))}"


def _group(settings: type[BaseModel]) -> str:
    documented = _documented(settings)
    rows = []
    for name, field in settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        is_group = isinstance(default, BaseModel)
        default_cell = (
            "required" if default is PydanticUndefined else "see below" if is_group else code(_shown(default))
        )
        constraint = ", ".join(_constraint(limit) for limit in field.metadata if _constraint(limit))
        rows.append(
            (code(name), _annotation(field.annotation), default_cell, _sentences(documented.get(name, ""), constraint))
        )
    return _section(settings, rows)


def _mailbox_setting(field: Field[Any]) -> tuple[str, str, str, str]:
    default = "required" if field.default is MISSING else code(_shown(_plain(field.default)))
    form = RULES[field.name].words.removeprefix("must be ")
    return code(field.name), form, default, _sentences(_documented(MailboxSettings).get(field.name, ""))


def _section(settings: type, rows: Sequence[tuple[str, ...]]) -> str:
    about = _first_paragraph(inspect.getdoc(settings) or "")
    return f"## {settings.__name__}\n\n{about}\n\n{table(('field', 'form', 'default', 'what it is'), rows)}"


def _documented(settings: type) -> dict[str, str]:
    """Return the docstring below a field, by field name; a field without one is left out."""
    parsed = ast.parse(textwrap.dedent(inspect.getsource(settings)))
    body = [node for definition in parsed.body if isinstance(definition, ast.ClassDef) for node in definition.body]
    docstrings = {}
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            docstrings[field.target.id] = str(ast.literal_eval(below.value))
    return docstrings


def _annotation(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(code(_shown(choice)) for choice in get_args(kind))
    if kind is None or kind is type(None):
        return "none"
    if get_origin(kind) is tuple:
        return f"any number of {_annotation(get_args(kind)[0])}"
    if get_args(kind) and get_origin(kind) is not None and not hasattr(kind, "__metadata__"):
        return " or ".join(dict.fromkeys(_annotation(choice) for choice in get_args(kind)))
    if hasattr(kind, "__metadata__"):
        return _annotation(get_args(kind)[0])
    if inspect.isclass(kind) and issubclass(kind, configuration.Settings | MailboxSettings):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return {"str": "text", "int": "whole number", "bool": "true or false"}[kind.__name__]


def _constraint(limit: Any) -> str:
    bounds = (("ge", "at least {}"), ("gt", "above {}"), ("le", "at most {}"), ("pattern", "`{}`"))
    values = ((words, getattr(limit, key, None)) for key, words in bounds)
    return ", ".join(words.format(value) for words, value in values if value is not None)


def _default(field: Field[Any]) -> str:
    if field.default is MISSING:
        return "the function does not start"
    return code(field.default) if field.default != "" else "off"


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, StrEnum) else value


def _shown(value: Any) -> str:
    return repr(value).replace("'", '"')


def _listed(names: Any) -> str:
    return ", ".join(code(name) for name in sorted(names)) or "-"


def _sentences(*parts: str) -> str:
    return "; ".join(" ".join(part.split()).rstrip(".") for part in parts if part)


def _first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())
