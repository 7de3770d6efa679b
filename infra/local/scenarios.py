"""The demonstration's requests, where each must end, and the command that sends them."""

from dataclasses import dataclass

COMMAND = "python -m infra.local.demo"


@dataclass(frozen=True)
class Scenario:
    """A sample request, and where it must end."""

    name: str
    status: str
    why: str


SCENARIOS: tuple[Scenario, ...] = (
    # First, because it takes longest: the waits of the local environment must pass.
    Scenario("nobody-answers", "OVERDUE", "the practice collects it and never answers"),
    Scenario("consultation-report-2.0", "DELIVERED", "a report in the current version of the specification"),
    Scenario("consultation-report-1.5", "DELIVERED", "a report in the version before"),
    Scenario("patient-not-known", "REJECTED", "the practice answers that it does not know the patient (30002)"),
    Scenario("unknown-nhs-number", "UNDELIVERED", "MESH cannot find the patient's practice and reports so"),
    Scenario("invalid", "INVALID", "the request breaks rules: it is refused, field by field"),
)
