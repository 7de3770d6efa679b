"""Reference pages from tables and sources: response codes, notices, metrics, what `make` can do."""

import ast
import re

from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES, Verdict
from gpconnect_messaging.ledger.lifecycle import NoticeKind, Status
from gpconnect_messaging.notices import write
from infra.assurance.tools import PROJECT
from infra.documentation.tables import code, page, table

_MEANINGS = {
    "MessageSTATUS": "messages that the function brought into the status, such as `MessageSent`",
    "PdsNotAuthorised": "PDS does not accept the application, after its secret was read afresh",
    "PdsUnanswered": "PDS gave no answer about a patient; the request is held and PDS asked again",
    "NotAuthorised": "MESH does not accept a mailbox's credentials, or they cannot be used",
    "CertificateDaysLeft": "how long the mailbox's client certificate is good for",
    "OldestUntoldNotice": "how long the oldest notice has waited that could not be published; 0 is measured, too",
    "Imbalance": "requests and messages of a day that are not accounted for; 0 is measured, too",
    "RequestsNAME": "the daily balance: `RequestsReceived`, `RequestsSettled`, `RequestsOpen`",
    "NAME": "what a poll or a sweep found and did, each count above 0 by its name",
}
_NAME = {"Message": "MessageSTATUS", "Requests": "RequestsNAME", "": "NAME"}


class UndescribedMetricError(Exception):
    """A function gives a metric of which the reference says nothing: describe it in `_MEANINGS`."""


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


def notices_page() -> str:
    """Every kind of notice, in the words in which it is told."""
    rows = []
    for kind in NoticeKind:
        subject, body = write(kind, {})
        what, _, rest = body.partition("\n\nWhat to do:\n")
        rows.append((code(kind), subject.partition(": ")[2], what, rest.partition("\n\n")[0]))
    return page(
        "Notices, word for word",
        "`gpconnect_messaging/notices.py`",
        "What a person is told, once for each failure. [Watching](../watching.md) says who is told and what becomes of "
        "a notice that nobody takes on. Each ends with what is known (ids, statuses, codes, never a patient).",
        table(("kind", "subject", "what happened", "what to do"), rows),
    )


def metrics_page() -> str:
    """Every metric of our own, from the functions' sources.

    Raises UndescribedMetricError.
    """
    rows = []
    for function in ("builder", "sender", "poller"):
        source = (PROJECT / "functions" / function / "handler.py").read_text(encoding="utf-8")
        dimension = "`service`, `mailbox`" if "single_metric" in source else "`service`"
        for call, names, unit in _metrics(source):
            for name in names:
                if name not in _MEANINGS:
                    raise UndescribedMetricError(name)
                of = dimension if call == "single_metric" else "`service`"
                rows.append((code(name), function, unit.lower(), of, _MEANINGS[name]))
    return page(
        "Metrics",
        "the functions' sources",
        "In CloudWatch under the namespace `GPConnectMessaging`; `service` is the function. None has a dimension that "
        "could name a patient. `STATUS` is one of the statuses of [Lifecycle](../lifecycle.md) "
        f"({len(Status)}), written together: `MessageNotRequired`.",
        table(("metric", "from", "unit", "dimensions", "what it counts"), dict.fromkeys(rows)),
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


def _metrics(source: str) -> list[tuple[str, list[str], str]]:
    """Find the calls that give a metric: which call, the names that it can give, and the unit."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            call = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            given = {each.arg: each.value for each in node.keywords}
            if call in ("add_metric", "single_metric") and isinstance(unit := given.get("unit"), ast.Attribute):
                found.append((call, _names(given["name"]), unit.attr))
    return found


def _names(node: ast.expr) -> list[str]:
    if isinstance(node, ast.IfExp):
        return [*_names(node.body), *_names(node.orelse)]
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    first = node.values[0] if isinstance(node, ast.JoinedStr) else None
    return [_NAME[str(first.value) if isinstance(first, ast.Constant) else ""]]
