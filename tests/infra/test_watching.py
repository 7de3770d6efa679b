"""Alarms, runbook and dashboard: the runbook describes every alarm, and every metric is emitted."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpconnect_messaging.steps.reconcile import DUE
from infra import environments
from infra.configuration import AlarmThresholds, MailboxSettings
from infra.cost import usage
from infra.local.measuring import resources
from tests.infra.templates import Properties, Template, referred, synthesize, with_changes
from tests.metrics import NAMESPACE, documented

RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "runbook.md"
DEAD_LETTER_QUEUES = ("IntakeDeadLetterQueueUrl", "SendDeadLetterQueueUrl", "InboxDeadLetterQueueUrl")

# AWS's documented metrics: "metrics and dimensions" in the services' user guides.
AWS = {
    "AWS/Lambda": ({"Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"}, {"FunctionName"}),
    "AWS/SQS": ({"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"}, {"QueueName"}),
    "AWS/Events": ({"FailedInvocations", "InvocationsFailedToBeSentToDlq", "ThrottledRules"}, {"RuleName"}),
    "AWS/SNS": ({"NumberOfMessagesPublished", "NumberOfNotificationsFailed"}, {"TopicName"}),
    "AWS/DynamoDB": (
        {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents"},
        {"TableName"},
    ),
}


def alarms(template: Template) -> list[Properties]:
    return list(template.of_type("CloudWatch::Alarm").values())


def of_one_metric(template: Template) -> list[Properties]:
    return [alarm for alarm in alarms(template) if "MetricName" in alarm]


def of_an_expression(template: Template) -> list[Properties]:
    return [alarm for alarm in alarms(template) if "Metrics" in alarm]


def sections() -> dict[str, str]:
    """The runbook's sections by anchor."""
    parts = re.split(r"^## (.+)$", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {
        heading.lower().replace(" ", "-"): body for heading, body in zip(parts[::2], parts[1::2], strict=True)
    }  # fmt: skip


def link(alarm: Properties) -> str:
    found = re.fullmatch(r".{80,} Runbook: (\S+)#([a-z-]+)", alarm["AlarmDescription"])
    assert found, f"says too little, or links to nothing: {alarm['AlarmDescription']}"
    return found[2]


# The runbook


@pytest.mark.parametrize("name", ["dev", "prod", "fortified"])
def test_every_alarm_has_its_section_of_the_runbook(name: str, templates: dict[str, Template]) -> None:
    template = templates[name]
    assert {link(alarm) for alarm in alarms(template)} <= set(sections())
    for alarm in alarms(template):
        page = template.configuration.alarms.runbook
        assert f"{page}#" in alarm["AlarmDescription"]
        assert len(alarm["AlarmDescription"]) <= 1024, "CloudWatch's limit"


@pytest.mark.parametrize("name", ["prod", "fortified"])
def test_every_section_of_the_runbook_has_its_alarm(name: str, templates: dict[str, Template]) -> None:
    assert {link(alarm) for alarm in alarms(templates[name])} == set(sections())


def test_every_section_says_what_it_means_for_a_patient_what_to_do_and_when_it_is_over() -> None:
    for heading, body in sections().items():
        said = re.findall(r"^\*\*([\w ]+):\*\*", body, flags=re.MULTILINE)
        assert " ".join(said).replace("Look at and do", "Look at Do") == "Means For a patient Look at Do Over", heading


def test_the_runbooks_own_links_lead_to_its_sections() -> None:
    linked = set(re.findall(r"\]\(#([a-z-]+)\)", RUNBOOK.read_text(encoding="utf-8")))
    assert linked
    assert linked <= set(sections())


def test_an_organisation_may_publish_the_runbook_elsewhere(tmp_path: Path) -> None:
    page = "https://example.org/gpconnect/runbook"
    template = synthesize(with_changes(environments.load("dev"), alarms=AlarmThresholds(runbook=page)), tmp_path)
    assert all(f"{page}#" in alarm["AlarmDescription"] for alarm in alarms(template))


# Alarms


def test_every_queue_that_nothing_reads_has_an_alarm(template: Template) -> None:
    dead = {name for name, queue in template.of_type("SQS::Queue").items() if "RedrivePolicy" not in queue}
    assert dead == {template.output(name) for name in DEAD_LETTER_QUEUES}
    watched = {
        referred(alarm["Dimensions"][0]["Value"])
        for alarm in of_one_metric(template)
        if alarm["MetricName"] == "ApproximateNumberOfMessagesVisible" and alarm["Threshold"] == 0
    }
    assert watched == dead


@pytest.mark.parametrize("queue", DEAD_LETTER_QUEUES[:2])
def test_dead_letters_ring_again_when_they_become_more_and_when_they_are_left(template: Template, queue: str) -> None:
    dead = template.output(queue)
    ours = [
        alarm
        for alarm in of_one_metric(template)
        if alarm["Namespace"] == "AWS/SQS" and referred(alarm["Dimensions"][0]["Value"]) == dead
    ]
    counts = {alarm["Threshold"] for alarm in ours if alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"}
    assert counts == {0, 9, 99}, "the first, the tenth and the hundredth"
    [left] = [alarm for alarm in ours if alarm["MetricName"] == "ApproximateAgeOfOldestMessage"]
    assert left["Threshold"] == template.configuration.alarms.dead_letter_age_hours * 3600
    [growing] = [
        alarm for alarm in of_an_expression(template) if dead in json.dumps(alarm["Metrics"])
    ]  # fmt: skip
    [expression, waiting] = growing["Metrics"]
    assert expression["Expression"] == f"DIFF({waiting['Id']})"
    assert waiting["MetricStat"]["Period"] == 3600
    assert (growing["Threshold"], growing["ComparisonOperator"]) == (0, "GreaterThanThreshold")


def test_the_rule_of_dropped_requests_has_alarms_of_its_failures_and_throttles(template: Template) -> None:
    [rule] = template.of_type("Events::Rule")
    watched = {
        alarm["MetricName"]: (alarm["Dimensions"], alarm["Threshold"])
        for alarm in of_one_metric(template)
        if alarm["Namespace"] == "AWS/Events"
    }
    dimension = [{"Name": "RuleName", "Value": {"Ref": rule}}]
    assert watched == dict.fromkeys(AWS["AWS/Events"][0], (dimension, 0))


def test_what_is_switched_off_rings_by_both_topics(template: Template) -> None:
    topics = {template.output(name) for name in ("NoticesTopicArn", "NoticePathTopicArn")}
    for name in ("RuleEnabled", "EventSourceMappingsEnabled", "KeysEnabled"):
        [alarm] = [alarm for alarm in of_one_metric(template) if alarm["MetricName"] == name]
        assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == (
            "Minimum", "LessThanThreshold", 1,
        )  # fmt: skip
        assert {referred(action) for action in alarm["AlarmActions"]} == topics, "the key may be a topic's own"


def test_a_sweep_that_does_not_come_or_cannot_measure_rings_by_both_topics_before_any_measure_is_missed(
    template: Template,
) -> None:
    """The other alarms of the sweep need bad news to ring, so this one rings for all of them, and as soon."""
    [alarm] = [alarm for alarm in of_one_metric(template) if alarm["MetricName"] == "DueWorkDone"]
    assert alarm["TreatMissingData"] == "breaching"
    topics = {template.output(name) for name in ("NoticesTopicArn", "NoticePathTopicArn")}
    assert {referred(action) for action in alarm["AlarmActions"]} == topics
    minutes = template.configuration.timings.due_work_minutes
    assert alarm["Period"] == minutes * 60
    assert alarm["EvaluationPeriods"] * minutes <= max(5, 2 * minutes)


def test_the_poller_asks_about_every_key_and_rule_of_the_stack_and_every_mapping_but_its_own(
    template: Template,
) -> None:
    told = template.named("PollerFunctionName")["Environment"]["Variables"]

    def named(variable: str) -> set[str]:
        return set(re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"(\w+)"', json.dumps(told[variable])))

    assert named("KEYS") == set(template.of_type("KMS::Key"))
    mappings = template.of_type("Lambda::EventSourceMapping").items()
    inbox = template.output("InboxQueueUrl")  # of this the poller would depend on itself; the queue's age shows it
    others = {name for name, mapping in mappings if referred(mapping["EventSourceArn"]) != inbox}
    assert named("EVENT_SOURCE_MAPPINGS") == others
    assert named("EVENT_RULE") == set(template.of_type("Events::Rule"))


def test_a_canary_that_does_not_come_through_three_times_rings(template: Template) -> None:
    [alarm] = [alarm for alarm in of_one_metric(template) if alarm["MetricName"] == "CanaryAge"]
    minutes = template.configuration.timings.canary_minutes
    assert template.named("PollerFunctionName")["Environment"]["Variables"]["CANARY_MINUTES"] == str(minutes)
    assert alarm["Threshold"] == 3 * 60 * minutes


def test_a_balance_that_is_not_made_by_its_deadline_rings(template: Template) -> None:
    [alarm] = [alarm for alarm in of_one_metric(template) if alarm["MetricName"] == "BalanceLate"]
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")


def test_a_listing_of_the_drop_that_is_late_rings(template: Template) -> None:
    [alarm] = [alarm for alarm in of_one_metric(template) if alarm["MetricName"] == "DropListingAge"]
    settled = template.configuration.timings.drop_settled_seconds
    assert (alarm["Threshold"], alarm["Statistic"]) == (settled + 2 * 3600, "Maximum")


def test_a_request_that_was_not_announced_rings(template: Template) -> None:
    [alarm] = [alarm for alarm in of_one_metric(template) if alarm["MetricName"] == "RequestsUnannounced"]
    assert (alarm["Threshold"], alarm["ComparisonOperator"], alarm["Period"]) == (0, "GreaterThanThreshold", 3600)
    assert alarm["TreatMissingData"] == "notBreaching", "the alarm before this one tells of silence"


def test_the_nightly_runs_end_before_the_balance_is_due(template: Template) -> None:
    [nightly] = [
        schedule["ScheduleExpression"]
        for schedule in template.of_type("Scheduler::Schedule").values()
        if "reconcile" in schedule["Target"]["Input"]
    ]
    last_hour = int(nightly.split()[1].partition("-")[2])
    assert last_hour < DUE.hour


def test_every_function_has_alarms_of_its_errors_and_throttles(template: Template) -> None:
    for metric, lasting in (("Errors", 1), ("Throttles", 3)):
        found = [alarm for alarm in of_one_metric(template) if alarm["MetricName"] == metric]
        assert {referred(alarm["Dimensions"][0]["Value"]) for alarm in found} == set(
            template.of_type("Lambda::Function")
        )
        assert all(alarm["EvaluationPeriods"] == lasting and alarm["Threshold"] == 0 for alarm in found)


def test_missing_data_is_bad_news_where_silence_is_and_good_news_everywhere_else(template: Template) -> None:
    silent: dict[str, int] = {}
    for alarm in alarms(template):
        if alarm["TreatMissingData"] == "breaching":
            silent[alarm["MetricName"]] = silent.get(alarm["MetricName"], 0) + 1
        else:
            assert alarm["TreatMissingData"] == "notBreaching"
    assert silent == {"DueWorkDone": 1, "MailboxPolled": len(template.configuration.mailboxes)}


def test_a_silent_schedule_is_told_before_the_hold_s_spare_quarter_of_an_hour_is_over(prod: Template) -> None:
    spans = {
        alarm["MetricName"]: alarm["Period"] * alarm["EvaluationPeriods"]
        for alarm in alarms(prod)
        if alarm["TreatMissingData"] == "breaching" and alarm["Statistic"] == "SampleCount"
    }
    assert spans == {"DueWorkDone": 300, "MailboxPolled": 900}
    [hold] = {settings.hold_window_seconds for settings in prod.configuration.mailboxes}
    assert hold + spans["DueWorkDone"] < 3 * 3600


def test_alarms_of_messages_ring_at_many_and_at_the_promise(template: Template) -> None:
    thresholds = template.configuration.alarms
    watched = {
        alarm["MetricName"]: (
            alarm["Threshold"], alarm["Period"], alarm.get("Statistic") or alarm["ExtendedStatistic"],
        )
        for alarm in of_one_metric(template)
        if alarm["Namespace"] == NAMESPACE and alarm["TreatMissingData"] == "notBreaching"
    }  # fmt: skip
    assert watched.items() >= {
        "TimeToSend": (10_800, 300, "Maximum"),
        "MessageUndelivered": (thresholds.undelivered_an_hour, 3600, "Sum"),
        "MessageOverdue": (thresholds.overdue_an_hour, 3600, "Sum"),
        "Unmatched": (thresholds.unmatched_an_hour, 3600, "Sum"),
        "AnsweredNo": (0.5, 21_600, "p90"),
        "Quarantined": (0, 300, "Maximum"),
    }.items()  # fmt: skip
    [rejected] = [alarm for alarm in of_one_metric(template) if alarm["MetricName"] == "AnsweredNo"]
    assert rejected["EvaluateLowSampleCountPercentile"] == "ignore", "one rejection of one is no rate"


def test_pds_is_watched_where_it_is_asked(templates: dict[str, Template]) -> None:
    def asked(template: Template) -> set[str]:
        return {alarm["MetricName"] for alarm in of_one_metric(template) if alarm["MetricName"].startswith("Pds")}

    assert asked(templates["prod"]) == {"PdsNotAuthorised", "PdsBusy", "PdsUnanswered"}
    assert asked(templates["dev"]) == set()


def test_every_alarm_tells_somebody_when_it_begins_and_when_it_ends(template: Template) -> None:
    topics = {template.output(name) for name in ("NoticesTopicArn", "NoticePathTopicArn")}
    for alarm in alarms(template):
        assert alarm["AlarmActions"] == alarm["OKActions"]
        assert {referred(action) for action in alarm["AlarmActions"]} <= topics
        assert alarm.get("ActionsEnabled", True)


# Metrics


def named_by_alarms(template: Template) -> Iterator[tuple[str, str, dict[str, Any]]]:
    metrics = [
        metric["MetricStat"]["Metric"]
        for alarm in of_an_expression(template)
        for metric in alarm["Metrics"]
        if "MetricStat" in metric
    ]
    for alarm in (*of_one_metric(template), *metrics):
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
        yield alarm["Namespace"], alarm["MetricName"], dimensions


def named_by_the_dashboard(template: Template) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for widget in widgets(template):
        for row in widget["properties"].get("metrics", ()):
            if isinstance(row[0], dict) and "expression" in row[0]:
                search = re.fullmatch(
                    r"SEARCH\('\{(\w+),service,mailbox\} MetricName=\"(\w+)\" service=\"(\w+)\"', '\w+', 3600\)",
                    row[0]["expression"],
                )
                assert search, row
                yield search[1], search[2], {"service": search[3], "mailbox": "any"}
            else:
                names = [part for part in row if not isinstance(part, dict)]
                yield names[0], names[1], dict(zip(names[2::2], names[3::2], strict=True))


def widgets(template: Template) -> list[Properties]:
    [dashboard] = template.of_type("CloudWatch::Dashboard").values()
    written = "".join(
        part if isinstance(part, str) else json.dumps(part).replace('"', "")
        for part in dashboard["DashboardBody"]["Fn::Join"][1]
    )
    found: list[Properties] = json.loads(written)["widgets"]
    return found


def test_every_metric_that_an_alarm_or_the_dashboard_names_is_given_by_a_function_or_documented_by_aws(
    fortified_prod: Template,
) -> None:
    ours = {(metric.name, metric.service, metric.of_one_mailbox) for metric in documented()}
    for namespace, name, dimensions in (*named_by_alarms(fortified_prod), *named_by_the_dashboard(fortified_prod)):
        if namespace == NAMESPACE:
            assert set(dimensions) <= {"service", "mailbox"}
            assert (name, dimensions["service"], "mailbox" in dimensions) in ours
        else:
            names, expected = AWS[namespace]
            assert name in names
            assert set(dimensions) == expected


def test_a_dashboard_is_made_only_where_it_is_asked_for(template: Template) -> None:
    assert not any(resource["Type"] == "AWS::CloudWatch::Dashboard" for resource in template.body["Resources"].values())


def test_the_dashboard_shows_reports_above_and_the_system_below(fortified_prod: Template) -> None:
    titles = [
        widget["properties"].get("title", widget["properties"].get("markdown")) for widget in widgets(fortified_prod)
    ]
    parts = titles.index("# System")
    assert titles[0].startswith("# Reports")
    for title in ("Messages by status", "Time from a request's arrival to MESH", "Time from MESH", "Sent, by mailbox"):
        assert any(heading.startswith(title) for heading in titles[:parts]), title
    for title in ("Waiting", "Age of the oldest", "Dead letters", "Duration", "Concurrent runs", "Failed uploads",
                  "Ledger: units used"):  # fmt: skip
        assert title in titles[parts:], title
    below = {(widget["y"], widget["properties"].get("title")) for widget in widgets(fortified_prod)}
    assert len(below) == len(titles), "no two at one position"


def test_a_dashboard_has_no_more_metrics_than_cloudwatch_draws(fortified_prod: Template) -> None:
    assert len(list(named_by_the_dashboard(fortified_prod))) <= 500
    for widget in widgets(fortified_prod):
        assert len(widget["properties"].get("metrics", ())) <= 100
        assert len(widget["properties"].get("alarms", ())) <= 100


def test_the_dashboard_names_no_mailbox_so_that_a_new_one_changes_nothing(fortified_prod: Template) -> None:
    written = json.dumps(widgets(fortified_prod))
    assert not any(settings.mailbox in written for settings in fortified_prod.configuration.mailboxes)


# The bill


def test_the_measured_bill_counts_what_production_has(prod: Template) -> None:
    found = resources(prod.body, [settings.mailbox for settings in prod.configuration.mailboxes])
    measured = usage.load().fixed.model_dump()
    assert {name: measured[name] for name in found} == found, "measure again: make cost MEASURE=1"


def test_a_mailbox_more_adds_what_the_bill_says(prod: Template, tmp_path: Path) -> None:
    more = (*prod.configuration.mailboxes, MailboxSettings(mailbox="Y90003OT001", ods_code="Y90003"))
    two = synthesize(with_changes(prod.configuration, mailboxes=more), tmp_path)
    fixed = usage.load().fixed
    for kind, count in (("CloudWatch::Alarm", fixed.alarms_of_a_mailbox), ("SecretsManager::Secret",
                       fixed.secrets_of_a_mailbox)):  # fmt: skip
        assert len(two.of_type(kind)) - len(prod.of_type(kind)) == count
