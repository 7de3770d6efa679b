"""The Send Document use cases, with their words, codes and rules, as data."""

from gpconnect_messaging.specification import UseCase
from gpconnect_messaging.usecases.consultation_report import CONSULTATION_REPORT
from gpconnect_messaging.usecases.definition import OPTIONAL_FIELDS, Code, RecipientType, UseCaseDefinition
from gpconnect_messaging.usecases.generic_document import GENERIC_DOCUMENT
from gpconnect_messaging.usecases.online_consultation import ONLINE_CONSULTATION

USE_CASES: dict[UseCase, UseCaseDefinition] = {
    use_case.name: use_case for use_case in (CONSULTATION_REPORT, ONLINE_CONSULTATION, GENERIC_DOCUMENT)
}

__all__ = ["OPTIONAL_FIELDS", "USE_CASES", "Code", "RecipientType", "UseCaseDefinition"]
