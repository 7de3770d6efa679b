"""The Send Document use cases: the words, codes and rules of each, as data."""

from gpconnect_messaging.requests.models import UseCase as RequestedUseCase
from gpconnect_messaging.usecases.consultation_report import CONSULTATION_REPORT
from gpconnect_messaging.usecases.definition import UseCase

USE_CASES: dict[RequestedUseCase, UseCase] = {RequestedUseCase.CONSULTATION_REPORT: CONSULTATION_REPORT}

__all__ = ["CONSULTATION_REPORT", "USE_CASES", "UseCase"]
