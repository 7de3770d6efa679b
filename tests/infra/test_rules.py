"""cdk-nag's rules (four packs) hold, and every acknowledged finding has one construct and a reason.

That they hold is shown by synthesis, which fails on any finding that nobody acknowledged.
"""

from pathlib import Path

import pytest
from aws_cdk import App, Stack, Validations
from aws_cdk import aws_s3 as s3

from infra import app as command
from infra.configuration import Configuration
from infra.constructs import acknowledgement
from infra.environments import local
from tests.infra.templates import fortified

Finding = tuple[str, str]
"""A rule, and the path of the construct that it concerns."""


def _stack(configuration: Configuration, folder: Path) -> tuple[App, Stack]:
    app = App(context=command.cdk_context(), outdir=str(folder))
    return app, command.build(configuration, app)


@pytest.fixture(scope="module", params=[local.CONFIGURATION, fortified()], ids=lambda c: str(c.name))
def configuration(request: pytest.FixtureRequest) -> Configuration:
    """The most open configuration, and the strictest."""
    chosen: Configuration = request.param
    return chosen


@pytest.fixture(scope="module")
def acknowledged(configuration: Configuration, tmp_path_factory: pytest.TempPathFactory) -> dict[Finding, str]:
    """Every acknowledgement's reason."""
    _, stack = _stack(configuration, tmp_path_factory.mktemp("acknowledged"))
    return {
        (rule.split("::", maxsplit=1)[1] if rule.startswith("Annotation::") else rule, construct.node.path): reason
        for construct in stack.node.find_all()
        for entry in construct.node.metadata
        if entry.type == Validations.ACKNOWLEDGED_RULES_METADATA_KEY
        for rule, reason in entry.data.items()
    }


@pytest.fixture(scope="module")
def found(configuration: Configuration, tmp_path_factory: pytest.TempPathFactory) -> set[Finding]:
    """What the rules find when nothing is acknowledged."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acknowledgement, "Validations", _NothingIsAcknowledged)
        app, stack = _stack(configuration, tmp_path_factory.mktemp("found"))
    return {
        (violation.rule_name, resource.construct_path or "")
        for rules in command.RULES
        for violation in rules(app).validate_scope(stack).violations
        for resource in violation.violating_resources
    }


class _NothingIsAcknowledged:
    """Stands in for CDK's record of acknowledgements."""

    @classmethod
    def of(cls, _scope: object) -> "_NothingIsAcknowledged":
        return cls()

    def acknowledge(self, *_rules: object) -> None:
        """Record nothing."""


def test_every_finding_is_acknowledged(acknowledged: dict[Finding, str], found: set[Finding]) -> None:
    assert found, "the rules were applied"
    assert {finding for finding in found if not any(_covers(answer, finding) for answer in acknowledged)} == set()


def test_every_acknowledgement_answers_a_finding(acknowledged: dict[Finding, str], found: set[Finding]) -> None:
    assert {answer for answer in acknowledged if not any(_covers(answer, finding) for finding in found)} == set()


def test_every_acknowledgement_has_a_reason_that_can_be_argued_with(acknowledged: dict[Finding, str]) -> None:
    for (rule, path), reason in acknowledged.items():
        assert len(reason) > 30, (rule, path)
        assert reason.endswith("."), (rule, path)


def test_nothing_is_acknowledged_for_the_whole_stack(acknowledged: dict[Finding, str]) -> None:
    assert all("/" in path for _, path in acknowledged)


def test_a_wildcard_without_a_resource_is_acknowledged_for_traces_logs_and_networks_only(
    acknowledged: dict[Finding, str],
) -> None:
    paths = {path for rule, path in acknowledged if rule == "AwsSolutions-IAM5[Resource::*]"}
    assert paths
    assert {path.rsplit("/", 1)[1] for path in paths} <= {"Tracing", "Joining", "LogsAndTraces"}
    assert not any("Action::" in rule for rule, _ in acknowledged)


def test_an_unanswered_finding_stops_synthesis(tmp_path: Path) -> None:
    app, stack = _stack(local.CONFIGURATION, tmp_path)
    s3.CfnBucket(stack, "Open")
    with pytest.raises(RuntimeError, match="AwsSolutions-S1"):
        app.synth()


def test_the_tags_of_the_stack_name_its_environment(tmp_path: Path) -> None:
    _, stack = _stack(local.CONFIGURATION, tmp_path)
    assert stack.tags.tag_values() == {"product": "gpconnect-messaging", "environment": "local"}


def _covers(answer: Finding, finding: Finding) -> bool:
    """Whether an acknowledgement, made at a construct, answers a finding at or below it."""
    (rule, scope), (found_rule, path) = answer, finding
    return rule == found_rule and (path == scope or path.startswith(f"{scope}/"))
