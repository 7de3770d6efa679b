"""What the pipeline runs against a deployed environment, run against the local one."""

import pytest

from infra.local.run import LocalRun
from infra.operations import synthetic_report


def test_a_synthetic_report_goes_through_the_whole_environment(local_run: LocalRun) -> None:
    session, outputs = local_run.session, local_run.outputs
    report = synthetic_report.drop(session, outputs["DropBucketName"], mailbox="Y90001OT001", ods_code="Y90001")
    reached = synthetic_report.follow(
        lambda: synthetic_report.status(session, outputs["LedgerTableName"], report),
        reach="DELIVERED",
        patience_seconds=60,
        rest=local_run.poll,
    )
    assert reached == "DELIVERED"


def test_a_report_that_the_environment_refuses_is_found_under_its_request(local_run: LocalRun) -> None:
    session, outputs = local_run.session, local_run.outputs
    report = synthetic_report.drop(session, outputs["DropBucketName"], mailbox="Y90099OT001", ods_code="Y90001")
    with pytest.raises(synthetic_report.NotReachedError, match="INVALID"):
        synthetic_report.follow(
            lambda: synthetic_report.status(session, outputs["LedgerTableName"], report),
            reach="BUILT",
            patience_seconds=60,
            rest=local_run.poll,
        )
