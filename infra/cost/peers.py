"""Costs of other published designs, for comparison. Only the transport is compared.

NHS England's serverless MESH client, `NHSDigital/terraform-aws-mesh-client`, is two Standard state machines. The
calculation counts the states that one run enters, from the published definitions
(`module/stepfunctions_send_message.tf` and `module/stepfunctions_get_messages.tf`, commit
d4ea6c5c48e424c08f1ba725eee387cc5604fe39), and the functions that the states invoke. It leaves out duration, logs
(every event, with data) and storage, which favours that design. That client moves files: it composes and checks no
message, keeps no ledger, and matches no acknowledgement.
"""

from dataclasses import dataclass

from infra.cost.bill import HOURS_A_MONTH, MINUTES_A_MONTH, Quantities, add_quantities
from infra.cost.usage import Message

SEND_STATES = (
    "Check send parameters", "Failed?", "Send message chunk", "Completed sending?", "Release Lock", "Success",
)  # fmt: skip
"""States of sending one message in one chunk."""
SEND_FUNCTIONS = 3
FETCH_STATES = ("Fetch message chunk", "Is this the last chunk?", "File complete")
"""States of fetching one message."""
FETCH_FUNCTIONS = 1
POLL_STATES = ("Poll for messages", "Failed?", "Poll complete release lock", "Poll complete")
"""States of a poll that finds nothing; a poll with a result enters two more."""
POLL_FUNCTIONS = 2
ACKNOWLEDGEMENTS = 2
"""Acknowledgements of one message."""


@dataclass(frozen=True)
class Peer:
    """Another design: the quantities of one delivered message, and of a month without messages."""

    name: str
    message: Quantities
    month: Quantities


STATE_MACHINES = Peer(
    name="NHS England's serverless MESH client (two Standard state machines)",
    message=add_quantities(
        {"state_transition": len(SEND_STATES), "lambda_request": SEND_FUNCTIONS},
        {
            "state_transition": ACKNOWLEDGEMENTS * len(FETCH_STATES),
            "lambda_request": ACKNOWLEDGEMENTS * FETCH_FUNCTIONS,
        },
    ),
    month={
        "state_transition": MINUTES_A_MONTH / 5 * len(POLL_STATES),
        "lambda_request": MINUTES_A_MONTH / 5 * POLL_FUNCTIONS,
    },
)

CONTAINER = Peer(
    name="a container that polls all day (two Fargate tasks of 0.25 vCPU and 0.5 GB)",
    message={},
    month={"fargate_vcpu_hour": 2 * 0.25 * HOURS_A_MONTH, "fargate_gb_hour": 2 * 0.5 * HOURS_A_MONTH},
)

PEERS = (STATE_MACHINES, CONTAINER)


def our_orchestration(message: Message) -> Quantities:
    """Return the quantities of this design's transport: the queues between the steps, and the runs."""
    runs = {name: measured.runs for name, measured in message.use.runs.items()}
    calls = [call for counts in message.use.calls.values() for call in counts.items()]
    sent = sum(count for action, count in calls if action.startswith("sqs:SendMessage"))
    requests = 1 + sent + 2 * (runs.get("builder", 0) + runs.get("sender", 0))
    return {
        "lambda_request": sum(runs.values()),
        "sqs_request": requests,
        "sqs_fair_request": requests,
        "eventbridge_event": 2,
    }
