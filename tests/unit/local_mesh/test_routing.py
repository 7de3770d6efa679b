"""Automatic routing leads to the practice's mailbox, or says why it cannot."""

from pathlib import Path

import pytest

from infra.local.mesh.configuration import DEFAULT_COMMUNITY, Community, CommunityFileError
from infra.local.mesh.routing import RoutedTo, Undeliverable, is_automatic, is_nhs_number, route

COMMUNITY = Community.read(DEFAULT_COMMUNITY)
WORKFLOW = "GPCONNECT_SEND_DOCUMENT"


@pytest.mark.parametrize(
    ("address", "outcome"),
    [
        ("GPPROVIDER_9658218865_19331114_WRIGHT", "A20047OT001"),
        ("GPPROVIDER_9658218865_19331114_wright", "A20047OT001"),
        ("GPPROVIDER_9658218865_19331114_WRÎGHT", "A20047OT001"),
        ("GPPROVIDER_9658218866_19331114_WRIGHT", "EPL-152"),
        ("GPPROVIDER_ABC_19331114_WRIGHT", "EPL-152"),
        ("GPPROVIDER_9658220290_19331114_BISSET", "EPL-153"),
        ("GPPROVIDER_9658218865_14111933_WRIGHT", "EPL-154"),
        ("GPPROVIDER_9658218865_19331115_WRIGHT", "EPL-154"),
        ("GPPROVIDER_9658218865_19331114_WRITE", "EPL-154"),
        ("GPPROVIDER_9658218865_19331114_WRIGHT?", "EPL-154"),
        ("GPPROVIDER_9658218865_19331114_?WRIGHT", "EPL-154"),
        ("GPPROVIDER_9990000018_19710402_TESTLAND", "EPL-151"),
        ("GPPROVIDER_9990000026_19881230_TESTBROOK", "EPL-150"),
    ],
)
def test_an_address_leads_to_a_mailbox_or_to_the_reason_why_not(address: str, outcome: str) -> None:
    found = route(address, workflow_id=WORKFLOW, community=COMMUNITY)

    assert (found.mailbox if isinstance(found, RoutedTo) else found.code) == outcome


def test_a_practice_that_does_not_receive_the_workflow_has_no_mailbox() -> None:
    found = route("GPPROVIDER_9658218865_19331114_WRIGHT", workflow_id="ANOTHER_WORKFLOW", community=COMMUNITY)

    assert isinstance(found, Undeliverable)
    assert found.code == "EPL-151"


def test_the_real_surname_with_apostrophe_and_space_is_compared_by_letters(tmp_path: Path) -> None:
    path = tmp_path / "community.json"
    path.write_text(
        '{"mailboxes": [{"id": "M1", "name": "n", "ods": "O1", "password": "p", "workflows": ["W"]}], "patients":'
        '[{"nhs_number": "9658218865", "birth_date": "1933-11-14", "family": "O\'Brien-Sæ Lück",'
        ' "mailbox": "M1"}]}',
        encoding="utf-8",
    )

    found = route("GPPROVIDER_9658218865_19331114_OBRIENSÆ LUCK", workflow_id="W", community=Community.read(path))

    assert found == RoutedTo("M1")


@pytest.mark.parametrize(
    ("address", "automatic"),
    [
        ("GPPROVIDER_1_2_3", True),
        ("gpprovider_1_2_3_4", True),
        ("GPPROVIDER_1_2", False),
        ("A20047OT001", False),
    ],
)
def test_an_automatic_address_is_told_by_its_shape(address: str, automatic: bool) -> None:
    assert is_automatic(address) is automatic


def test_every_patient_of_the_local_run_is_in_the_test_range() -> None:
    assert COMMUNITY.registrations
    assert all(is_nhs_number(number) and number[0] == "9" for number in COMMUNITY.registrations)


def test_a_community_file_that_cannot_be_read_names_the_entry_and_not_its_values(tmp_path: Path) -> None:
    path = tmp_path / "community.json"
    path.write_text('{"patients": [{"nhs_number": "9658218865", "birth_date": "14.11.1933", "family": "WRIGHT"}]}')

    with pytest.raises(CommunityFileError) as raised:
        Community.read(path)

    assert "patients[0]" in str(raised.value)
    assert "1933" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_the_sandbox_is_given_every_mailbox_and_both_sides_of_every_workflow(tmp_path: Path) -> None:
    COMMUNITY.write_sandbox_files(tmp_path)

    mailboxes = (tmp_path / "mailboxes.jsonl").read_text().splitlines()
    workflows = (tmp_path / "workflows.jsonl").read_text().splitlines()
    assert len(mailboxes) == len(COMMUNITY.mailboxes)
    assert len(workflows) == 4
    assert all('"senders": ["' in line and '"receivers": ["' in line for line in workflows)
