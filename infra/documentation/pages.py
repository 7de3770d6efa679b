"""Pages of docs/ that are written from the code. A test fails if a page and the code differ."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.assurance.tools import PROJECT
from infra.documentation.from_code import make_page, notifications_page, response_codes_page
from infra.documentation.from_commands import commands_page
from infra.documentation.from_lifecycle import lifecycle_page
from infra.documentation.from_models import configuration_page, environment_page, request_page
from infra.documentation.from_requirements import conditions_page, conformance_page
from infra.documentation.from_resend_policy import resend_page
from infra.documentation.from_template import alarms_page, stores_page

FROM_CODE: dict[str, Callable[[], str]] = {
    "reference/request.md": request_page,
    "reference/configuration.md": configuration_page,
    "reference/environment.md": environment_page,
    "reference/response-codes.md": response_codes_page,
    "reference/notifications.md": notifications_page,
    "reference/commands.md": commands_page,
    "reference/make.md": make_page,
    "conformance.md": conformance_page,
    "safety/conditions.md": conditions_page,
    "lifecycle.md": lifecycle_page,
    "resend.md": resend_page,
}
FROM_TEMPLATE: dict[str, Callable[[Any], str]] = {
    "reference/alarms.md": alarms_page,
    "reference/stores.md": stores_page,
}
"""Pages that are written from production's template."""


def published(name: str) -> Path:
    """Return the path of a page."""
    return PROJECT / "docs" / name
