"""A wrong environment is refused before anything is synthesized, by the name of the field that is wrong."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

import infra.configuration
from gpconnect_messaging.mailboxes.settings import RULES, MailboxSettingsError
from infra import environments
from infra.configuration import (
    LIVE_MESH_HOST,
    LIVE_PDS_HOST,
    SYNTHETIC,
    Configuration,
    Deployment,
    MailboxSettings,
    Network,
    OrganisationContacts,
    Pds,
    QueueFunctionLimits,
    Retention,
    Settings,
    Timings,
)
from infra.pipeline.configuration import Delivery
from tests.infra.templates import SENDERS, Template, production, with_changes, with_deployment

MAILBOX = MailboxSettings(mailbox="Y90001OT001", ods_code="Y90001")


def configuration(**changes: Any) -> Configuration:
    """A right development environment, with changes."""
    right: dict[str, Any] = {
        "name": "dev",
        "account": None,
        "mesh_url": "https://msg.intspineservices.nhs.uk",
        "nhs_numbers": "test",
        "mailboxes": (MAILBOX,),
        "contacts": ("messaging@example.org",),
        "keep_data": False,
    }
    return Configuration(**{**right, **changes})


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("name", "staging"),
        ("account", "1234"),
        ("region", "us-east-1"),
        ("region", "London"),
        ("mesh_url", "msg.intspineservices.nhs.uk"),
        ("mesh_url", "https://msg.intspineservices.nhs.uk/"),
        ("mesh_url", "http://msg.intspineservices.nhs.uk"),
        ("mesh_url", f"https://{LIVE_MESH_HOST}"),
        ("nhs_numbers", "live"),
        ("nhs_numbers", "any"),
        ("mailboxes", ()),
        ("mailboxes", (MAILBOX, MAILBOX)),
        ("contacts", ()),
        ("contacts", ("nobody",)),
        ("contacts", ("http://plain.example.org/notifications",)),
        ("contacts", ("https://name:password@example.org/",)),  # pragma: allowlist secret
        ("escalation_contacts", ("messaging@example.org",)),
        ("organisations", (OrganisationContacts(mailboxes=("Y99999OT001",), contacts=("a@example.net",)),)),
        ("organisations", (OrganisationContacts(mailboxes=("Y90001OT001",), contacts=("messaging@example.org",)),)),
        ("organisations", (OrganisationContacts(mailboxes=("Y90001OT001",) * 2, contacts=("a@example.net",)),)),
        ("keep_data", "no"),
        ("telephone", "unknown fields are refused"),
        ("account", "١١١١٢٢٢٢٣٣٣٣"),
        ("mesh_url", "https://mesh-sync.national.ncrs.nhs.uk"),
        ("mesh_url", f"https://{LIVE_MESH_HOST}."),
        ("mesh_url", "https://user@msg.intspineservices.nhs.uk"),
        ("mesh_url", "https://msg.intspineservices.nhs.uk:99999"),
        ("mesh_url", "https://[::1"),
        ("contacts", ("a@example.org", "A@example.org")),
        ("contacts", ("<a@example.org>",)),
        ("contacts", ("https://example.org:port/",)),
        ("mailboxes", tuple(replace(MAILBOX, mailbox=f"Y90001OT{number:03}") for number in range(60))),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(field: str, wrong: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        configuration(**{field: wrong})


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("mailbox", "y90001ot001"),
        ("ods_code", "Y9"),
        ("specification", "1.6"),
        ("birth_date_format", "YYYY-MM-DD"),
        ("max_message_bytes", 0),
        ("document_types", ("discharge",)),
        ("care_setting", "789718008"),
        ("infrastructure_acknowledgement_seconds", 0),
        ("business_acknowledgement_seconds", "soon"),
        ("hold_window_seconds", -1),
        ("hold_window_seconds", 10_801),
        ("release", "by nobody"),
        ("further_ods_codes", ("y90001",)),
        ("message_definition", "https://fhir.nhs.uk/STU3/MessageDefinition/Other"),
        ("document_types", ("373942005",) * 101),
        ("escalate_after_seconds", 10**12),
    ],
)
def test_a_wrong_mailbox_is_refused_by_the_name_of_its_field(field: str, wrong: Any) -> None:
    with pytest.raises(MailboxSettingsError, match=f"mailbox settings: {field}: must be"):
        MailboxSettings(**{"mailbox": "Y90001OT001", "ods_code": "Y90001", field: wrong})


@pytest.mark.parametrize("field", RULES)
def test_every_rule_of_the_functions_reader_is_a_rule_of_the_configuration(field: str) -> None:
    """The check digit of a document type is one: it would otherwise block every request of the mailbox."""
    given: dict[str, Any] = {"mailbox": "Y90001OT001", "ods_code": "Y90001"}
    wrongs: tuple[object, ...] = (
        None,
        "",
        "a b",
        "9434765919",
        0,
        -1,
        10**12,
        True,
        1.5,
        "2.0",
        "no",
        ["373942006"],
        [1],
        {},
    )
    refused = 0
    for wrong in wrongs:
        try:
            RULES[field].read(wrong)
        except ValueError:
            refused += 1
            with pytest.raises(MailboxSettingsError, match=f"mailbox settings: {field}: must be"):
                MailboxSettings(**(given | {field: wrong}))
    assert refused >= 6


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"nhs_numbers": "test"}, "nhs_numbers"),
        ({"mesh_url": "https://msg.intspineservices.nhs.uk"}, "mesh_url"),
        ({"account": None}, "account"),
        ({"keep_data": False}, "keep_data"),
        ({"mailboxes": (replace(MAILBOX, hold_window_seconds=0),)}, "hold_window_seconds"),
        ({"deployment": Deployment(traffic_shift="all at once", evidence_lock_days=30)}, "traffic_shift"),
        (
            {
                "deployment": Deployment(
                    traffic_shift="canary", evidence_lock_days=30, synthetic_reports_from="111122223333"
                )
            },
            "synthetic_reports_from",
        ),
    ],
)
def test_production_is_refused_what_development_may_have(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        with_changes(production(), **({"mailboxes": (MAILBOX,), "organisations": ()} | changes))


GROUPS: list[type[Settings]] = [
    Delivery,
    *(
        group
        for group in vars(infra.configuration).values()
        if isinstance(group, type) and issubclass(group, Settings) and group is not Settings
    ),
]


@pytest.mark.parametrize(
    ("group", "field"),
    [
        (group, name)
        for group in GROUPS
        for name, field in group.model_fields.items()
        if field.annotation in (int, int | None)
    ],
)
def test_every_number_has_two_limits_and_is_refused_beyond_them_by_its_name(group: type[Settings], field: str) -> None:
    """A function that adds a wait without a limit to a time would fail in the middle of a message."""
    for wrong in (-1, 10**9):
        with pytest.raises(ValidationError, match=rf"\n{field}\n"):
            group(**{field: wrong})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"builder": production().builder.model_copy(update={"timeout_seconds": 29})}, r"builder\.timeout_seconds"),
        ({"builder": production().builder.model_copy(update={"memory_megabytes": 512})}, r"builder\.memory_megabytes"),
        ({"poller": production().poller.model_copy(update={"timeout_seconds": 29})}, r"poller\.timeout_seconds"),
        ({"poller": production().poller.model_copy(update={"timeout_seconds": 270})}, r"poller\.timeout_seconds"),
        ({"poller": production().poller.model_copy(update={"batch_size": 2})}, r"poller\.batch_size"),
        ({"timings": Timings(drop_settled_seconds=60)}, r"timings\.drop_settled_seconds"),
        ({"timings": Timings(document_wait_seconds=1800)}, r"malware_scan\.patience_minutes"),
        (
            {"senders": (SENDERS[0].model_copy(update={"name": SYNTHETIC}), *SENDERS[1:])},
            f"senders names {SYNTHETIC} more than once",
        ),
    ],
)
def test_settings_that_contradict_one_another_are_refused_by_name(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        with_changes(production(), **changes)


def test_a_network_or_a_boundary_of_elsewhere_is_refused() -> None:
    elsewhere = Network(
        vpc="vpc-01234567",
        availability_zones=("eu-west-1a",),
        subnets=("subnet-01234567",),
        route_tables=("rtb-01234567",),
    )
    with pytest.raises(ValidationError, match=r"network\.availability_zones"):
        with_deployment(production(), network=elsewhere)
    with pytest.raises(ValidationError, match=r"deployment\.permissions_boundary"):
        with_deployment(production(), permissions_boundary="arn:aws:iam::999900001111:policy/boundary")


def test_the_estimate_of_the_resources_is_never_too_low(templates: dict[str, Template]) -> None:
    for template in templates.values():
        assert len(template.body["Resources"]) <= template.configuration.most_resources


def test_another_region_is_refused_unless_it_is_allowed_by_name() -> None:
    with pytest.raises(ValidationError, match="other_regions_allowed"):
        configuration(region="eu-west-1")
    allowed = configuration(region="eu-west-1", other_regions_allowed=("eu-west-1",))
    assert allowed.region == "eu-west-1"


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("traffic_shift", "quick"),
        ("reserve_concurrency", "no"),
        ("permissions_boundary", "boundary"),
        ("evidence_lock_days", 0),
        ("synthetic_reports_from", "1234"),
    ],
)
def test_a_wrong_way_of_deploying_is_refused_by_its_field(field: str, wrong: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        Deployment(**{field: wrong})


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("vpc", "network"),
        ("availability_zones", ()),
        ("availability_zones", ("eu-west-2a", "eu-west-2b")),
        ("subnets", ("private",)),
        ("route_tables", ("rtb-01234567", "rtb-89abcdef")),
    ],
)
def test_a_wrong_network_is_refused_by_its_field(field: str, wrong: Any) -> None:
    right: dict[str, Any] = {
        "vpc": "vpc-01234567",
        "availability_zones": ("eu-west-2a",),
        "subnets": ("subnet-01234567",),
        "route_tables": ("rtb-01234567",),
    }
    assert Network(**right).make_endpoints
    with pytest.raises(ValidationError, match=field):
        Network(**{**right, field: wrong})
    with pytest.raises(ValidationError, match=r"network\.subnets"):
        Network(
            **{name: value if name == "vpc" else value * 2 for name, value in right.items()}
            | {"availability_zones": ("eu-west-2a", "eu-west-2b")}
        )


def test_production_must_lock_its_evidence() -> None:
    with pytest.raises(ValidationError, match=r"deployment\.evidence_lock_days"):
        with_deployment(production(), evidence_lock_days=None)


def test_evidence_is_not_locked_for_longer_than_it_is_kept() -> None:
    with pytest.raises(ValidationError, match="evidence_lock_days"):
        with_deployment(production(), evidence_lock_days=production().retention.payload_days + 1)


def test_every_run_of_the_poller_that_can_overlap_has_its_place() -> None:
    due_runs = 4  # one begins each minute and may take four
    drop_and_balance = 2
    collectors = 10
    assert configuration().poller_concurrency == 1 + due_runs + drop_and_balance + collectors
    two = (MAILBOX, MailboxSettings(mailbox="Y90002OT001", ods_code="Y90002"))
    assert configuration(mailboxes=two).poller_concurrency == 2 + due_runs + drop_and_balance + collectors


def test_mailboxes_default_to_the_current_specification() -> None:
    assert json.loads(MAILBOX.to_json()) == {
        "mailbox": "Y90001OT001",
        "ods_code": "Y90001",
        "specification": "2.0",
        "birth_date_format": "YYYYMMDD",
        "message_definition": (
            "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-1"
        ),
        "max_message_bytes": 5_000_000,
        "report_page": "letter",
        "document_types": [],
        "care_setting": "",
        "infrastructure_acknowledgement_seconds": 86_400,
        "business_acknowledgement_seconds": 432_000,
        "pds_lookup": None,
        "escalate_after_seconds": 14_400,
        "hold_window_seconds": 9_900,
        "warn_before_seconds": 600,
        "release": "automatic",
        "further_ods_codes": [],
    }


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("url", "https://int.api.service.nhs.uk/"),
        ("url", "https://int.api.service.nhs.uk/personal-demographics/FHIR/R4"),
        ("url", "int.api.service.nhs.uk"),
        ("url", "https://user@int.api.service.nhs.uk"),
        ("requests_per_second", 0),
    ],
)
def test_a_wrong_pds_is_refused_by_the_name_of_its_field(field: str, wrong: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        Pds(**{"url": "https://int.api.service.nhs.uk", field: wrong})


def test_a_mailbox_cannot_ask_a_pds_that_the_environment_does_not_have() -> None:
    asking = MailboxSettings(mailbox="Y90001OT001", ods_code="Y90001", pds_lookup=True)
    with pytest.raises(ValidationError, match="pds must be given: pds_lookup is on for Y90001OT001"):
        configuration(mailboxes=(asking,))
    given = configuration(mailboxes=(asking,), pds=Pds(url="https://int.api.service.nhs.uk"))
    assert given.pds is not None
    assert given.pds.requests_per_second == 5


@pytest.mark.parametrize("url", [f"https://{LIVE_PDS_HOST}", "http://int.api.service.nhs.uk", "http://127.0.0.1:8701"])
def test_a_pds_that_is_not_the_environments_own_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match=r"pds\.url"):
        configuration(pds=Pds(url=url))


def test_production_asks_the_live_pds_and_no_other() -> None:
    live = {**production().model_dump(), "mailboxes": (MAILBOX,), **_parts()}
    with pytest.raises(ValidationError, match=r"pds\.url"):
        configuration(**{**live, "pds": Pds(url="https://int.api.service.nhs.uk")})


@pytest.mark.parametrize(
    "wrong",
    [{"intake_days": 7, "intake_dead_letter_days": 7}, {"send_days": 5, "send_dead_letter_days": 5}],
)
def test_a_dead_letter_must_outlive_its_source(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(reversed(wrong))):
        Retention(**wrong)


def test_mesh_is_not_polled_more_often_than_it_asks() -> None:
    with pytest.raises(ValidationError, match="mailbox_poll_minutes"):
        Timings(mailbox_poll_minutes=4)


def test_a_sender_that_outlasts_its_lease_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"sender\.timeout_seconds"):
        configuration(
            sender=QueueFunctionLimits(memory_megabytes=512, timeout_seconds=180, batch_size=5, maximum_concurrency=2)
        )


def test_a_builder_that_is_given_several_requests_at_once_is_refused() -> None:
    """One that kills the process would cost those behind it their tries, although none of them was begun."""
    with pytest.raises(ValidationError, match=r"builder\.batch_size must be 1"):
        configuration(
            builder=QueueFunctionLimits(memory_megabytes=1024, timeout_seconds=60, batch_size=2, maximum_concurrency=2)
        )


def test_sqs_takes_no_smaller_maximum_concurrency() -> None:
    with pytest.raises(ValidationError, match="maximum_concurrency"):
        QueueFunctionLimits(memory_megabytes=512, timeout_seconds=60, batch_size=5, maximum_concurrency=1)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        configuration().name = "prod"


def test_plain_http_is_for_this_machine_only() -> None:
    assert configuration(name="local", mesh_url="http://127.0.0.1:8700").name == "local"
    with pytest.raises(ValidationError, match="mesh_url"):
        configuration(name="local", mesh_url="http://sandbox.example.org")
    with pytest.raises(ValidationError, match="mesh_url"):
        configuration(name="dev", mesh_url="http://127.0.0.1:8700")


@pytest.mark.parametrize("name", environments.names())
def test_every_environment_loads_under_its_own_name(name: str) -> None:
    assert environments.load(name).name == name


def test_an_unknown_environment_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(environments.UnknownEnvironmentError, match="dev, int, local, prod"):
        environments.load("nowhere")


@pytest.mark.requirement("GPCM-SD-CS-076")
def test_the_local_run_sends_in_each_specification_version_and_from_mailboxes_that_hold_and_that_ask_pds() -> None:
    local = environments.load("local")
    assert {
        (settings.mailbox, settings.ods_code, settings.specification, settings.hold_window_seconds)
        for settings in local.mailboxes
    } == {
        ("Y90001OT001", "Y90001", "2.0", 0),
        ("Y90002OT001", "Y90002", "1.5", 0),
        ("Y90001OT002", "Y90001", "2.0", 4),
        ("Y90003OT001", "Y90003", "2.0", 0),
    }
    assert {settings.infrastructure_acknowledgement_seconds for settings in local.mailboxes} == {12}
    assert {settings.business_acknowledgement_seconds for settings in local.mailboxes} == {12}
    assert (local.timings.lease_seconds, local.timings.stale_seconds, local.timings.uncertain_seconds) == (20, 15, 10)


def _parts() -> dict[str, Any]:
    """The parts of production that `model_dump` would turn into dictionaries."""
    whole = production()
    parts = ("pds", "retention", "timings", "alarms", "builder", "sender", "poller")
    return {name: getattr(whole, name) for name in parts}
