"""Structured information of a request: models of the common kinds, or ready FHIR resources."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gpconnect_messaging.code_systems import UNITS, is_code_of
from gpconnect_messaging.requests.fields import Concept, DropKey, Identifier, Measured, Part, Shape, ShortText, Text
from gpconnect_messaging.requests.times import Day, Time

ObservationCategory = Literal[
    "social-history", "vital-signs", "imaging", "laboratory", "procedure", "survey", "exam", "therapy"
]

_UNIT_RULE = "a UCUM code such as mm[Hg], mmol/L or {score}, in at most 50 printable ASCII characters"


def _unit(code: str) -> str:
    if not is_code_of(UNITS, code):
        raise ValueError(f"must be {_UNIT_RULE}; leave it out if the unit has none")
    return code


class Quantity(Part):
    """A measured amount in a UCUM unit."""

    value: Measured = Field(description="sent with the digits as written, at most 18, of them 8 after the point")
    unit: ShortText = Field(description="the unit as read, such as kg")
    code: Annotated[str, Shape("[!-~]{1,50}", _UNIT_RULE), AfterValidator(_unit)] | None = Field(
        default=None, description="the unit's UCUM code, if it has one, such as mm[Hg]: at most 50 characters of ASCII"
    )


class Value(Part):
    """A value of exactly one kind."""

    text: Text | None = None
    boolean: bool | None = None
    day: Day | None = None
    concept: Concept | None = None
    quantity: Quantity | None = None

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> Self:
        if len(self.model_fields_set) != 1 or self.given is None:
            raise ValueError("must be exactly one of text, boolean, day, concept, quantity")
        return self

    @property
    def given(self) -> str | bool | date | Concept | Quantity | None:
        """The value itself, of any kind."""
        kinds = (self.text, self.boolean, self.day, self.concept, self.quantity)
        return next((value for value in kinds if value is not None), None)


class ObservationComponent(Part):
    """One of a pair of results, such as the systolic part of a blood pressure (GPCM-SD-OC-054)."""

    code: Concept
    value: Value


class Observation(Part):
    """Something observed and coded, as the patient entered it (GPCM-SD-OC-047 … 054)."""

    code: Concept
    status: Literal["preliminary", "final"] = Field(
        default="preliminary", description="preliminary: not checked by a clinician"
    )
    category: ObservationCategory | None = None
    issued: Time = Field(description="when it was recorded")
    value: Value | None = None
    components: list[ObservationComponent] = Field(default_factory=list)

    @model_validator(mode="after")
    def _values_are_results(self) -> Self:
        # FHIR STU3: Observation.value[x] takes no date, Observation.component.value[x] no boolean either.
        if self.value is not None and self.value.day is not None:
            raise ValueError("value.day is for answers: an observation holds text, boolean, concept or quantity")
        values = [component.value for component in self.components]
        if any(value.day is not None or value.boolean is not None for value in values):
            raise ValueError("components: each holds text, concept or quantity")
        if self.value is not None:  # FHIR STU3, obs-7
            for index, component in enumerate(self.components):
                if component.code.code == self.code.code:
                    rule = "is the observation's own code, which has a value: leave the component out"
                    raise ValueError(f"components[{index}].code: {rule}")
        return self


class Question(Part):
    """A question with the patient's answers, or a group of questions."""

    link_id: Identifier = Field(description="the questionnaire's own id of the question")
    text: Text = Field(description="the question as it was asked")
    answers: list[Value] = Field(default_factory=list)
    questions: list["Question"] = Field(default_factory=list)


class QuestionnaireAnswers(Part):
    """A completed questionnaire, in full (GPCM-SD-OC-063 … 070)."""

    authored: Time | None = Field(default=None, description="when it was completed")
    questions: Annotated[list[Question], Field(min_length=1)]


class SuppliedResource(Part):
    """A ready FHIR STU3 resource, in a file of the drop or written out here as text.

    Its references name other supplied resources as `Type/id`, and the message's own parts as `Patient/patient`,
    `Practitioner/practitioner`, `Practitioner/other-1` (the first of the others), `Organization/organisation`,
    `RelatedPerson/related-person`, `Device/device`, `Location/location`, `Encounter/encounter`, and `Binary/key` for
    the document with that key.
    """

    content_type: Literal["application/fhir+json", "application/fhir+xml"]
    key: DropKey | None = None
    content: Text | None = Field(default=None, description="the resource itself, as JSON or XML text")
    confidential: bool = Field(default=False, description="true: the patient wants it kept back, and it is not sent")

    @model_validator(mode="after")
    def _in_one_place(self) -> Self:
        if (self.key is None) == (self.content is None):
            raise ValueError("must have either a key or content")
        return self
