"""Removes confidential parts from a request, before the request is used.

Source: GPCM-SD-CS-008 … 010 and 023; user stories GPC-SD08 and GPC-SD11 (1.5): a confidential consultation is still
reported, without any content. 2.0 sends none (`requests.rules`).
"""

from gpconnect_messaging.identifiers import PROFESSIONAL_SYSTEMS
from gpconnect_messaging.requests.models import Author, Request, RequestedDocument
from gpconnect_messaging.usecases import USE_CASES


def redacted(request: Request) -> Request:
    """Return the request without confidential parts; unchanged if there are none.

    A confidential consultation keeps the patient, the time, the primary document, and the details of sender and
    clinician that the payload must name (GPCM-SD-CS-032 … 038). An image that only
    confidential sections show is not sent either.
    """
    if request.consultation.confidential:
        return _without_the_consultation(request)
    sections = request.consultation.sections
    shown = {key for section in sections if not section.confidential for key in section.images}
    hidden = {key for section in sections if section.confidential for key in section.images} - shown
    if not hidden:
        return request
    documents = [document for document in request.documents if document.primary or document.key not in hidden]
    return request.model_copy(update={"documents": documents})


def _without_the_consultation(request: Request) -> Request:
    left_out = ("sections", "follow_up_actions", "unsent_attachments")
    changes: dict[str, object] = {
        "other_practitioners": [],
        "consultation": request.consultation.model_copy(update={"type": None} | {name: [] for name in left_out}),
        "documents": [_retitled(request, request.primary)] if request.primary else [],
        "attention": None,
        "patient": request.patient.model_copy(update={"identifiers": []}),  # their systems can name a clinic
        "organisation": request.organisation.model_copy(update={"address": None, "email": None, "branch": None}),
    }
    if request.practitioner:
        numbers = dict.fromkeys(PROFESSIONAL_SYSTEMS.keys() - {"sds_user_id"})
        changes["practitioner"] = request.practitioner.model_copy(update={"role": None, "identifiers": []} | numbers)
    if Author.PRACTITIONER in request.authors:
        changes |= {"authors": [Author.PRACTITIONER], "related_person": None, "device": None}
    return request.model_copy(update=changes)


def _retitled(request: Request, primary: RequestedDocument) -> RequestedDocument:
    """Give the primary document the message's title, because the sender's title may reveal the content."""
    title = request.title or USE_CASES[request.use_case].title or primary.title
    return primary.model_copy(update={"title": title})
