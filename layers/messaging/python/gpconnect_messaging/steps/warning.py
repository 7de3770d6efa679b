"""The warning that a consultation was deleted after the report was sent, for the person who tells the practice.

The warning names the patient: it belongs in the evidence store, never in a notification or a log (GPCM-SD-CS-077).
"""

from collections.abc import Sequence

from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.quoting import ods_code
from gpconnect_messaging.requests.models import Practice, Request, Withdrawal

_NOT_KEPT = "not kept any longer: look the encounter up in your own records"


def warning(withdrawal: Withdrawal, request: Request | None, sent: Sequence[MessageRecord]) -> str:
    """Write the warning: patient name, NHS number, consultation date, registered practice, and the sent messages.

    `request` is the request of the newest of the `sent` messages; None where it is not kept any longer.
    """
    lines = {
        "Patient": request.patient.name.text if request else _NOT_KEPT,
        "NHS number": request.patient.nhs_number if request else _NOT_KEPT,
        "Date of the consultation": f"{request.consultation.start:%d %B %Y, %H:%M %Z}" if request else _NOT_KEPT,
        "Registered practice": _practice(_registered(request, sent), sent),
        "Encounter": withdrawal.encounter,
        "Messages": ", ".join(f"{record.message_id} (version {record.version}, {record.status})" for record in sent),
    }
    return "\n".join(
        [
            "This consultation was deleted after the report was sent. Tell the practice that it must not rely on it.",
            "",
            *(f"{name}: {value}" for name, value in lines.items()),
            "",
        ]
    )


def _registered(request: Request | None, sent: Sequence[MessageRecord]) -> Practice | None:
    """Return the practice that was known when the newest message was built: from PDS, if PDS was asked."""
    known = sent[0].history.registration
    if "ods_code" in known:
        return Practice(ods_code=known["ods_code"], name=known.get("name"))
    return request.registered_practice if request else None


def _practice(known: Practice | None, sent: Sequence[MessageRecord]) -> str:
    """Name the practice, if known, and the organisations that responded; else only MESH knows the recipient."""
    answered = sorted(
        {
            ods_code(event.details["from_organisation"]) or str(event.details["from_mailbox"])
            for record in sent
            for event in record.history.responses
        }
    )
    named = f"{known.name or 'name not given'}, ODS code {known.ods_code}" if known else "not given by the request"
    return f"{named}; answered by {', '.join(answered)}" if answered else f"{named}; no answer yet"
