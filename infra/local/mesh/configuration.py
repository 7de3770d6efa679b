"""Configuration of the local MESH: the community of mailboxes and patients, and the checks.

The community file is the local run's only source of mailboxes, patients and secrets:

    {"shared_key": "…",
     "mailboxes": [{"id": "Y90001OT001", "name": "…", "ods_code": "Y90001", "password": "…",
                    "workflows": {"sends": ["…"], "receives": ["…"]}}],
     "patients": [{"nhs_number": "9…", "birth_date": "YYYY-MM-DD", "family": "…", "mailbox": "A20047OT001"}]}

A patient names a `mailbox` (null: the practice has none) or a `practice` (an ODS code, whose mailboxes are looked up as
in the real service). `workflows` may also be a list for both directions. Other keys belong to other readers.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

DEFAULT_COMMUNITY = Path(__file__).resolve().parent.parent / "community.json"


class CommunityFileError(ValueError):
    """The community file is not usable: correct it and restart. The text names the entry, never the values."""


@dataclass(frozen=True)
class Mailbox:
    """A MESH mailbox: the password, and the workflow ids that it may send and receive."""

    id: str
    name: str
    ods_code: str
    password: str = field(repr=False)
    sends: frozenset[str]
    receives: frozenset[str]


@dataclass(frozen=True)
class Registration:
    """A patient's registration: data for automatic routing, and the mailbox or the practice."""

    nhs_number: str = field(repr=False)
    birth_date: date = field(repr=False)
    family: str = field(repr=False)
    practice: str | None
    mailbox: str | None


@dataclass(frozen=True)
class Community:
    """Mailboxes by id, registrations by NHS number, and the environment's shared key."""

    shared_key: str = field(repr=False)
    mailboxes: Mapping[str, Mailbox]
    registrations: Mapping[str, Registration] = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> "Community":
        """Read a community file. Raises CommunityFileError; OSError if it cannot be opened."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            message = f"{path.name} is not JSON"
            raise CommunityFileError(message) from error
        if not isinstance(content, dict):
            message = f"{path.name} must be one JSON object"
            raise CommunityFileError(message)
        mailboxes = [
            _entry("mailboxes", number, entry, _mailbox) for number, entry in enumerate(content.get("mailboxes", []))
        ]
        patients = [
            _entry("patients", number, entry, _registration) for number, entry in enumerate(content.get("patients", []))
        ]
        return cls(
            shared_key=str(content.get("shared_key", "")),
            mailboxes={mailbox.id: mailbox for mailbox in mailboxes},
            registrations={registration.nhs_number: registration for registration in patients},
        )

    def receiving(self, *, ods_code: str, workflow_id: str) -> list[str]:
        """Return the ids of the organisation's mailboxes that receive the workflow."""
        return [
            mailbox.id
            for mailbox in self.mailboxes.values()
            if mailbox.ods_code == ods_code and workflow_id in mailbox.receives
        ]

    def write_sandbox_files(self, folder: Path) -> None:
        """Write the JSON-lines files of the sandbox's store, `mailboxes.jsonl` and `workflows.jsonl`."""
        folder.mkdir(parents=True, exist_ok=True)
        workflow_ids = sorted({id_ for mailbox in self.mailboxes.values() for id_ in mailbox.sends | mailbox.receives})
        _write_lines(
            folder / "mailboxes.jsonl",
            (
                {
                    "mailbox_id": mailbox.id,
                    "mailbox_name": mailbox.name,
                    "billing_entity": "England",
                    "ods_code": mailbox.ods_code,
                    "org_code": mailbox.ods_code,
                    "org_name": mailbox.name,
                    "password": mailbox.password,
                }
                for mailbox in self.mailboxes.values()
            ),
        )
        _write_lines(
            folder / "workflows.jsonl",
            (
                {
                    "workflow_id": workflow_id,
                    "senders": [mailbox.id for mailbox in self.mailboxes.values() if workflow_id in mailbox.sends],
                    "receivers": [mailbox.id for mailbox in self.mailboxes.values() if workflow_id in mailbox.receives],
                }
                for workflow_id in workflow_ids
            ),
        )


@dataclass(frozen=True)
class Behaviour:
    """Checks and delays of the real service; they can be changed while the local MESH runs.

    Source: the MESH API description and guidance; `uncollected_seconds` is five days there and off (None) here.
    `keep_content` keeps the bodies of acknowledged messages for tests; turn it off for long loads. Without
    `tracking_names_recipient` message tracking omits the recipient, as for a message that is not routed yet.
    """

    report_delay_seconds: float = 0.5
    uncollected_seconds: float | None = None
    single_use_tokens: bool = True
    timestamp_window_seconds: float | None = 7200
    sender_must_match: bool = True
    workflow_permission: bool = True
    largest_request_bytes: int | None = 100_000_000
    smallest_middle_chunk_bytes: int | None = 5_000_000
    chunks_complete: bool = True
    tracking_names_recipient: bool = True
    keep_content: bool = True


def _entry(section: str, number: int, entry: Any, read: Any) -> Any:
    try:
        return read(entry)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # The cause may quote a patient's data, so only the type is named.
        message = f"{section}[{number}] cannot be read ({type(error).__name__})"
        raise CommunityFileError(message) from None


def _mailbox(entry: Mapping[str, Any]) -> Mailbox:
    workflows = entry["workflows"]
    both_ways = isinstance(workflows, list)
    return Mailbox(
        id=str(entry["id"]).upper(),
        name=str(entry["name"]),
        ods_code=str(entry["ods_code"] if "ods_code" in entry else entry["ods"]).upper(),
        password=str(entry["password"]),
        sends=frozenset(workflows if both_ways else workflows.get("sends", ())),
        receives=frozenset(workflows if both_ways else workflows.get("receives", ())),
    )


def _registration(entry: Mapping[str, Any]) -> Registration:
    practice, mailbox = entry.get("practice"), entry.get("mailbox")
    return Registration(
        nhs_number=str(entry["nhs_number"]),
        birth_date=date.fromisoformat(entry["birth_date"]),
        family=str(entry["family"]),
        practice=None if practice is None else str(practice).upper(),
        mailbox=None if mailbox is None else str(mailbox).upper(),
    )


def _write_lines(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
