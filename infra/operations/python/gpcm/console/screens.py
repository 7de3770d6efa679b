"""Renders the pages from templates: the filters, the times, and the values that all pages have."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from gpcm.console.message_cache import MessageCache
from gpcm.console.security import operator_of
from gpcm.messages import ORDER, mood
from gpcm.wording import period
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.stated_times import uk_local

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HOUR = timedelta(hours=1)


def moment(when: datetime) -> str:
    """Write a time in UK local time with the zone: `22 Nov 2026, 14:05:10 GMT`."""
    local = uk_local(when)
    zone = "GMT" if local == when.astimezone(UTC) else "BST"
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}, {local:%H:%M:%S} {zone}"


def from_uk(written: str) -> datetime:
    """Read `2026-11-22T14:05`, or a date alone, as UK local time. Raises ValueError.

    In autumn, when an hour repeats, the first is meant.
    """
    naive = datetime.fromisoformat(written)
    if naive.tzinfo is not None:
        raise ValueError("a UK local time has no zone")
    local = naive.replace(tzinfo=UTC)
    return local - _HOUR if uk_local(local - _HOUR) == local else local


def to_uk(when: datetime) -> str:
    """Write a time as `from_uk` reads it, to the minute."""
    return f"{uk_local(when):%Y-%m-%dT%H:%M}"


def midnight(now: datetime) -> datetime:
    """Return the start of the day in the UK."""
    local = uk_local(now)
    return from_uk(f"{local:%Y-%m-%d}")


def status_name(status: Status) -> str:
    """Write a status to be read: `Tell practice`."""
    return status.value.replace("_", " ").capitalize()


@cache
def _templates() -> Environment:
    """Load and compile the templates. Values are escaped, and a missing value is an error."""
    templates = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = hashlib.sha256((STATIC / "console.css").read_bytes()).hexdigest()[:12]
    templates.globals["stylesheet"] = f"/static/console.css?{style}"
    templates.filters |= {
        "moment": moment,
        "period": period,
        "mood": mood,
        "status_name": status_name,
        "number": lambda number: f"{number:,}",
        "css": lambda words: str(words).replace(" ", "-"),
        "slug": lambda words: re.sub(r"[^A-Za-z0-9]+", "-", str(words)).strip("-"),
        "sentence": lambda words: f"{words[:1].upper()}{words[1:]}".rstrip(".") + ".",
        "plain": lambda words: f"{words[:1].upper()}{words[1:]}".replace("-", " "),
        "ordered": lambda statuses: sorted(statuses, key=ORDER.index),
        "merged": lambda attributes, more: {**attributes, **more},
    }
    return templates


class Screens:
    """Renders pages."""

    def __init__(self, environment: str, cache: MessageCache) -> None:
        """`environment` is the environment's name, as the pages show it."""
        self._cache = cache
        self._environment = environment

    def page(self, request: Request, template: str, *, code: int = 200, **values: Any) -> HTMLResponse:
        """Render a page, for a signed-in operator or for the sign-in."""
        signed_in = "operator" in request.scope.get("state", {})
        problems: Mapping[str, str] = values.pop("errors", None) or {}
        common = {
            "request": request,
            "environment": self._environment,
            "operator": operator_of(request) if signed_in else None,
            "view": self._cache.view() if signed_in else None,
            "base": request.scope.get("root_path", ""),
            "section": "",
            "done": "",
            "errors": problems,
            "failed": bool(problems),
        }
        html = _templates().get_template(template).render(**(common | values))
        return HTMLResponse(html, status_code=code)
