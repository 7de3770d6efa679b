"""Reference pages from tables and sources: response codes, notifications, what `make` can do."""

import re

from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES, Verdict
from gpconnect_messaging.ledger.lifecycle import NotificationType
from gpconnect_messaging.notifications import write
from infra.assurance.tools import PROJECT
from infra.documentation.tables import code, page, table


def response_codes_page() -> str:
    """Every response code, and whether it is good news."""
    return page(
        "Response codes",
        "`gpconnect_messaging/itk3/response_codes.py`",
        "What a practice's system can answer (ITK3). The table decides whether a code is good news; severity and text "
        "never do. A code that is not here is kept, counts for nothing, and is told to a person.",
        table(
            ("code", "acknowledgement", "counts as", "meaning"),
            (
                (code(each.code), each.level, each.verdict, each.meaning)
                for each in RESPONSE_CODES.values()
            ),
        ),
        "`DELIVERED` needs `20013` and a positive business code. A negative code of either kind is `REJECTED`, and "
        f"nothing follows it. {sum(each.verdict is Verdict.POSITIVE for each in RESPONSE_CODES.values())} of "
        f"{len(RESPONSE_CODES)} codes are positive.",
    )  # fmt: skip


def notifications_page() -> str:
    """Every kind of notification, in the words in which it is told."""
    rows = []
    for kind in NotificationType:
        subject, body = write(kind, {})
        what, _, rest = body.partition("\n\nWhat to do:\n")
        rows.append((code(kind), subject.partition(": ")[2], what, rest.partition("\n\n")[0]))
    return page(
        "Notifications, word for word",
        "`gpconnect_messaging/notifications.py`",
        "What a person is told, once for each failure. [Watching](../watching.md) says who is told and what becomes of "
        "a notification that nobody takes on. Each ends with what is known (ids, statuses, codes, never a patient).",
        table(("kind", "subject", "what happened", "what to do"), rows),
    )


def make_page() -> str:
    """Every word that `make` knows, as it says itself."""
    text = (PROJECT / "Makefile").read_text(encoding="utf-8")
    rows = [(code(f"make {name}"), says) for name, says in re.findall(r"^([a-z-]+):.*?## (.*)$", text, re.MULTILINE)]
    return page(
        "What `make` can do",
        "the Makefile",
        "Each word makes the development environment in `.venv` first, if it is not there yet.",
        table(("command", "what it does"), rows),
    )
