"""The Send Document use cases, with their words, codes and rules, as data."""

from gpconnect_messaging.requests.models import UseCase as RequestedUseCase
from gpconnect_messaging.usecases.consultation_report import CONSULTATION_REPORT
from gpconnect_messaging.usecases.definition import OPTIONAL_FIELDS, Code, RecipientType, UseCase
from gpconnect_messaging.usecases.generic_document import GENERIC_DOCUMENT
from gpconnect_messaging.usecases.online_consultation import ONLINE_CONSULTATION

USE_CASES: dict[RequestedUseCase, UseCase] = {
    RequestedUseCase.CONSULTATION_REPORT: CONSULTATION_REPORT,
    RequestedUseCase.ONLINE_CONSULTATION: ONLINE_CONSULTATION,
    RequestedUseCase.GENERIC_DOCUMENT: GENERIC_DOCUMENT,
}

__all__ = ["OPTIONAL_FIELDS", "USE_CASES", "Code", "RecipientType", "UseCase"]
