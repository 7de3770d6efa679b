"""The backfill's state machine: a switch per environment, a rate that it cannot exceed, and no right too many."""

import json
from typing import Any

from gpconnect_messaging.drop_keys import EVENT_PATTERN, JSONATA_CONDITION
from infra.configuration import Backfill
from tests.infra.templates import Template, referred


def definition(template: Template) -> dict[str, Any]:
    """The machine's definition, with the logical ids of what it refers to."""
    [machine] = template.of_type("StepFunctions::StateMachine").values()
    parts = machine["DefinitionString"]["Fn::Join"][1]
    found: dict[str, Any] = json.loads("".join(part if isinstance(part, str) else referred(part) for part in parts))
    return found


def test_an_environment_has_a_backfill_where_it_is_switched_on(fortified_prod: Template, prod: Template) -> None:
    assert "BackfillStateMachineArn" in fortified_prod.body["Outputs"]
    assert "states" not in json.dumps([resource["Type"] for resource in prod.body["Resources"].values()]).lower()
    assert "BackfillStateMachineArn" not in prod.body["Outputs"]


def test_no_more_requests_a_second_are_put_on_the_queue_than_configured(fortified_prod: Template) -> None:
    configured = fortified_prod.configuration.backfill
    assert configured == Backfill(requests_per_second=20)
    map_ = definition(fortified_prod)["States"]["EachObject"]
    assert map_["MaxConcurrency"] == configured.requests_per_second
    states = map_["ItemProcessor"]["States"]
    # A child lasts at least this second after the message, which limits the rate.
    assert states["PutOnIntakeQueue"]["Next"] == "KeepPace"
    assert states["KeepPace"] == {"Type": "Wait", "Seconds": 1, "Next": "Done"}


def test_what_is_put_on_the_intake_queue_is_what_s3_would_have_sent(fortified_prod: Template) -> None:
    [rule] = fortified_prod.of_type("Events::Rule").values()
    child = definition(fortified_prod)["States"]["EachObject"]["ItemProcessor"]["States"]
    put = child["PutOnIntakeQueue"]["Parameters"]
    event, pattern = put["MessageBody"], rule["EventPattern"]
    assert put["QueueUrl"] == fortified_prod.output("IntakeQueueUrl")
    assert ([event["source"]], [event["detail-type"]]) == (pattern["source"], pattern["detail-type"])
    assert event["detail"]["bucket"]["name"] == fortified_prod.output("DropBucketName")
    [choice] = child["IsRequest"]["Choices"]
    assert child["IsRequest"]["QueryLanguage"] == "JSONata"
    assert choice["Condition"] == f"{{% {JSONATA_CONDITION} %}}"
    assert pattern["detail"]["object"]["key"] == list(EVENT_PATTERN)


def test_keys_which_may_name_a_patient_are_in_no_log(fortified_prod: Template) -> None:
    [machine] = fortified_prod.of_type("StepFunctions::StateMachine").values()
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    map_ = definition(fortified_prod)["States"]["EachObject"]
    # Step Functions keeps the input of a standard child for 90 days, and of an express one nothing.
    assert map_["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}
    assert "Resource" not in map_["ResultWriter"]


def test_only_this_machine_takes_its_role_on(fortified_prod: Template) -> None:
    [machine] = fortified_prod.of_type("StepFunctions::StateMachine").values()
    [trust] = fortified_prod.of_type("IAM::Role")[referred(machine["RoleArn"])]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "states.amazonaws.com"}
    sources = json.dumps(trust["Condition"]["ArnEquals"]["aws:SourceArn"])
    assert f"stateMachine:{machine['StateMachineName']}" in sources
    assert "*" not in sources


def test_the_role_reads_requests_and_feeds_the_intake_and_does_nothing_else(fortified_prod: Template) -> None:
    [machine] = fortified_prod.of_type("StepFunctions::StateMachine").values()
    role, allowed = referred(machine["RoleArn"]), set()
    for policy in fortified_prod.of_type("IAM::Policy").values():
        if role in map(referred, policy["Roles"]):
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                through = statement.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService", "")
                allowed |= {(action, through.partition(".")[0]) for action in actions}
    traces = {action for action, _ in allowed if action.startswith(("xray:", "logs:"))}
    assert len(traces) == 12
    assert {(action, through) for action, through in allowed if action not in traces} == {
        ("s3:ListBucket", ""), ("s3:GetObject", ""), ("kms:Decrypt", "s3"),
        ("sqs:SendMessage", ""), ("kms:Decrypt", "sqs"), ("kms:GenerateDataKey", "sqs"),
        ("states:StartExecution", ""), ("states:DescribeExecution", ""), ("states:StopExecution", ""),
    }  # fmt: skip
