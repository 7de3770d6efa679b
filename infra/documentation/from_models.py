"""Reference pages from models: the request, the configuration of an environment, the functions' variables."""

import ast
import inspect
import json
import textwrap
from dataclasses import MISSING, Field, fields
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from gpconnect_messaging.requests import fields as request_fields
from gpconnect_messaging.requests.schema import request_schema
from gpconnect_messaging.requests.times import DATE_PATTERN, TIME_PATTERN
from gpconnect_messaging.settings import BuilderSettings, PollerSettings, SenderSettings
from gpconnect_messaging.usecases import OPTIONAL_FIELDS, USE_CASES
from infra import configuration
from infra.documentation.tables import code, page, table

Json = dict[str, Any]


def request_page() -> str:
    """Every field of a request, from the JSON Schema that its models give."""
    schema: Json = json.loads(request_schema())
    parts = [_model(name, model) for name, model in _in_reading_order(schema["$defs"])]
    return page(
        "Request, field by field",
        "the models in `gpconnect_messaging/requests`",
        "[Requests](../requests.md) explains what a request is and what becomes of it; the schema for programs is "
        "[`events/request.schema.json`](../../events/request.schema.json).",
        "## What a use case takes and needs",
        table(
            ("use case", "needs", "may have", "without a primary document"),
            (
                (
                    code(name),
                    _listed(each.needs),
                    _listed(set(each.takes) - set(each.needs)),
                    "rendered from the notes" if each.rendered else "refused",
                )
                for name, each in USE_CASES.items()
            ),
        ),
        f"Of {_listed(OPTIONAL_FIELDS)} a request has only what its use case takes. No text is empty, and "
        "`null` in a field that is not required is the same as leaving it out.",
        *parts,
    )


def configuration_page() -> str:
    """Every field of an environment's file, from the models that check it."""
    groups = [
        each
        for each in vars(configuration).values()
        if inspect.isclass(each) and issubclass(each, configuration.Settings) and each is not configuration.Settings
    ]
    groups.sort(key=lambda each: (each is not configuration.Configuration, inspect.getsourcelines(each)[1]))
    return page(
        "Configuration, field by field",
        "`infra/configuration.py`",
        "An environment is one file in `infra/environments`; [Deploy](../deploy.md) says how to use them. A wrong "
        "value stops the synthesis and names its field.",
        *(_group(each) for each in groups),
    )


def environment_page() -> str:
    """Every environment variable of the functions, from the values that they are read into."""
    functions = {"builder": BuilderSettings, "sender": SenderSettings, "poller": PollerSettings}
    known: dict[str, dict[str, Field[Any]]] = {}
    for function, settings in functions.items():
        for each in fields(settings):
            known.setdefault(each.name.upper(), {})[function] = each
    rows = [
        (
            code(name),
            *("yes" if function in of and of[function].default is MISSING else "may" if function in of else ""
              for function in functions),
            _default(next(iter(of.values()))),
        )
        for name, of in sorted(known.items())
    ]  # fmt: skip
    return page(
        "Variables of the functions",
        "`gpconnect_messaging/settings.py`",
        "The stack sets them from the [configuration](configuration.md); nobody sets them by hand. A missing or wrong "
        "one stops the function as it starts, and the error names it. None is a credential or names a patient.",
        table(("variable", *functions, "if it is not set"), rows),
        "`yes`: the function does not start without it. `may`: it has a default.",
    )


def _in_reading_order(models: Json) -> list[tuple[str, Json]]:
    """The request first, and each model where it is first referred to."""
    order: list[str] = []
    waiting = ["Request", "Withdrawal"]
    while waiting:
        name = waiting.pop(0)
        if name not in order:
            order.append(name)
            found = [each for each in _referred(models[name].get("properties", {})) if each not in order]
            waiting += found
    return [(name, models[name]) for name in order if "properties" in models[name]]


def _referred(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [str(part["$ref"]).rpartition("/")[2]] if "$ref" in part else []
        return own + [name for each in part.values() for name in _referred(each)]
    return [name for each in part for name in _referred(each)] if isinstance(part, list) else []


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
        return " or ".join(_form(each) for each in about["anyOf"] if each.get("type") != "null")
    if "$ref" in about:
        name = str(about["$ref"]).rpartition("/")[2]
        choices = _ENUMERATIONS.get(name)
        return choices or f"[{name}](#{name.lower()})"
    if "const" in about:
        return code(about["const"])
    if "enum" in about:
        return ", ".join(code(each) for each in about["enum"])
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
"""What a text must look like, for forms that have a name; of others the field's description says it."""
_KINDS = {"string": "text", "boolean": "true or false", "integer": "whole number"}
_ENUMERATIONS = {
    name: ", ".join(code(each) for each in model["enum"])
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
        given = "required" if default is PydanticUndefined else "see below" if is_group else code(_shown(default))
        constraint = ", ".join(_constraint(each) for each in field.metadata if _constraint(each))
        rows.append(
            (code(name), _annotation(field.annotation), given, _sentences(documented.get(name, ""), constraint))
        )
    about = _first_paragraph(inspect.getdoc(settings) or "")
    return f"## {settings.__name__}\n\n{about}\n\n{table(('field', 'form', 'default', 'what it is'), rows)}"


def _documented(settings: type) -> dict[str, str]:
    """What is written below each field, as far as anything is."""
    parsed = ast.parse(textwrap.dedent(inspect.getsource(settings)))
    body = [node for each in parsed.body if isinstance(each, ast.ClassDef) for node in each.body]
    found = {}
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            found[field.target.id] = str(ast.literal_eval(below.value))
    return found


def _annotation(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(code(_shown(each)) for each in get_args(kind))
    if kind is None or kind is type(None):
        return "none"
    if get_origin(kind) is tuple:
        return f"any number of {_annotation(get_args(kind)[0])}"
    if get_args(kind) and get_origin(kind) is not None and not hasattr(kind, "__metadata__"):
        return " or ".join(dict.fromkeys(_annotation(each) for each in get_args(kind)))
    if hasattr(kind, "__metadata__"):
        return _annotation(get_args(kind)[0])
    if inspect.isclass(kind) and issubclass(kind, configuration.Settings):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return {"str": "text", "int": "whole number", "bool": "true or false"}[kind.__name__]


def _constraint(each: Any) -> str:
    bounds = (("ge", "at least {}"), ("gt", "above {}"), ("le", "at most {}"), ("pattern", "`{}`"))
    found = [words.format(getattr(each, key)) for key, words in bounds if getattr(each, key, None) is not None]
    return ", ".join(found)


def _default(field: Field[Any]) -> str:
    if field.default is MISSING:
        return "the function does not start"
    return code(field.default) if field.default != "" else "off"


def _shown(value: Any) -> str:
    return repr(value).replace("'", '"')


def _listed(names: Any) -> str:
    return ", ".join(code(each) for each in sorted(names)) or "-"


def _sentences(*parts: str) -> str:
    return "; ".join(" ".join(part.split()).rstrip(".") for part in parts if part)


def _first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())
