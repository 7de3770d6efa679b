"""Whatever a sender writes: no crash, no overlap, no lost text. The oracle reads the file back."""

import json
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gpconnect_messaging.documents.report import ReportRenderer
from gpconnect_messaging.documents.report_designs import DESIGNS
from gpconnect_messaging.documents.text_shaping import clean
from gpconnect_messaging.requests.models import Request, parse_request
from gpconnect_messaging.specification import ReportDesign
from gpconnect_messaging.visible import visible
from tests.examples import request_data
from tests.unit.documents.page_reading import notes_of, overlaps, pieces, squeezed, text_of

# Letters of the languages that patients' names are written in, and what senders' systems leave between them.
LETTERS = (
    "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789 .,:;-()[]/%&<>\\'\"\t\n\r"
    "ŵŷâêîŴŶąćęłńóśźżĄĆĘŁ"
    " ёжщ αβγ אבג سلاممريضابتثجحخ 中文患者咳嗽 कखग 😀👍🏽❤️ \u200b\u202e\u2066\xad\xa0\u3000\x7f\x85\u0301"
)
RENDERERS = {design: ReportRenderer(design) for design in ReportDesign}


def _worded(text: str) -> bool:
    return bool(visible(text)) and bool(squeezed(clean(text)))


def words(most: int) -> st.SearchStrategy[str]:
    """Texts that a request may hold."""
    anything = st.characters(
        exclude_categories=["Cs"], exclude_characters=[chr(c) for c in range(32)] + ["\ufffe", "\uffff"]
    )
    return st.text(st.one_of(st.sampled_from(LETTERS), anything), min_size=1, max_size=most).filter(_worded)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """Requests without a document, whose words are anything."""
    data = request_data("rendered-report")
    data["patient"]["name"] = {"family": draw(words(100)), "given": draw(st.lists(words(100), min_size=1, max_size=3))}
    data["patient"]["address"] = {"lines": draw(st.lists(words(60), min_size=1, max_size=40))}
    data["practitioner"]["role"] = draw(words(200))
    data["organisation"]["branch"] = draw(words(255))
    sections = st.fixed_dictionaries(
        {
            "title": words(120),
            "text": words(800),
            "items": st.lists(st.fixed_dictionaries({"term": words(100), "code": st.just("386661006")}), max_size=2),
            "results": st.lists(st.fixed_dictionaries({"test": words(20), "value": words(20)}), max_size=3),
        }
    )
    data["consultation"]["sections"] = draw(st.lists(sections, min_size=1, max_size=6))
    return data


@given(requests(), st.sampled_from(ReportDesign))
# Without shrinking: every step renders a report, and the first example is enough.
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
def test_no_text_is_lost_and_nothing_overlaps(data: dict[str, Any], design: ReportDesign) -> None:
    request = parse_request(json.dumps(data).encode())
    pdf = RENDERERS[design].render(request, 1, lambda _key: b"")
    found = pieces(pdf)
    assert overlaps(found) == []
    text = text_of(pdf) + notes_of(found, DESIGNS[design].continuation.text_x)
    for words_given in _given(request):
        # Never normalised once white space is out: that would put the mark of one word on the letter of another.
        assert squeezed(clean(words_given)) in text


def _given(request: Request) -> list[str]:
    patient = request.patient
    fields = [patient.name.family.upper(), *patient.name.given, *(patient.address.lines if patient.address else ())]
    assert request.practitioner is not None
    fields += [request.practitioner.role or "", request.organisation.branch or ""]
    for section in request.consultation.sections:
        fields += [section.text or "", *(item.term for item in section.items)]
        fields += [cell for result in section.results for cell in (result.test, result.value)]
    return fields
