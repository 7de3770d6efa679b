"""Reference pages from tables and sources: response codes, notifications, `make` targets."""

import re

from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES, Verdict
from gpconnect_messaging.ledger.stored_names import NotificationType
from gpconnect_messaging.notifications import write
from infra.assurance.tools import PROJECT
from infra.documentation.tables import code, page, table


def response_codes_page() -> str:
    """Return the page of all response codes, with the verdict on them."""
    return page(
        "Response codes",
        "`gpconnect_messaging/itk3/response_codes.py`",
        "Codes that a practice's system can respond with (ITK3). The table alone decides whether a code is positive, "
        "never severity or text. An unknown code is kept and does not count; a person is notified.",
        table(
            ("code", "acknowledgement", "counts as", "meaning"),
            (
                (code(response_code.code), response_code.level, response_code.verdict, response_code.meaning)
                for response_code in RESPONSE_CODES.values()
            ),
        ),
        "`DELIVERED` needs `20013` and a positive business code. A negative code of either kind is `REJECTED`, and "
        f"nothing follows it. {sum(row.verdict is Verdict.POSITIVE for row in RESPONSE_CODES.values())} of "
        f"{len(RESPONSE_CODES)} codes are positive.",
    )  # fmt: skip


def notifications_page() -> str:
    """Return the page of all kinds of notification, word for word."""
    rows = []
    for kind in NotificationType:
        subject, body = write(kind, {})
        happened, _, rest = body.partition("\n\nWhat to do:\n")
        rows.append((code(kind), subject.partition(": ")[2], happened, rest.partition("\n\n")[0]))
    return page(
        "Notifications, word for word",
        "`gpconnect_messaging/notifications.py`",
        "A notification is sent once for a failure. [Watching](../watching.md) names the recipients, and says when a "
        "notification escalates. A notification ends with ids, statuses and codes, and never names a patient.",
        table(("kind", "subject", "what happened", "what to do"), rows),
    )


def make_page() -> str:
    """Return the page of all `make` targets, with their help texts."""
    text = (PROJECT / "Makefile").read_text(encoding="utf-8")
    rows = [(code(f"make {name}"), about) for name, about in re.findall(r"^([a-z-]+):.*?## (.*)$", text, re.MULTILINE)]
    return page(
        "Make targets",
        "the Makefile",
        "Every target first makes the development environment in `.venv`, if it is missing. `make help` lists the "
        "everyday targets.",
        table(("command", "what it does"), rows),
    )
