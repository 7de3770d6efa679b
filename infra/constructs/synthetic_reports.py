"""Role for synthetic reports: the pipeline sends reports about test people, to test a release."""

from typing import Any

from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.configuration import SYNTHETIC, Configuration
from infra.constructs.acknowledgement import acknowledge_own_policies, acknowledge_wildcard
from infra.constructs.keys import ContentKey
from infra.constructs.ledger import Ledger
from infra.constructs.storage import Storage

PIPELINE_ROLE = "gpconnect-messaging-pipeline-synthetic-reports"
"""Role of the pipeline's account that may assume this one."""


class SyntheticReports(Construct):
    """A role that can drop into one folder of the drop bucket, list messages and read them one by one."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        pipeline_account: str,
        storage: Storage,
        ledger: Ledger,
        key: ContentKey,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            role_name=configuration.synthetic_reports_role,
            description="The pipeline: send a report about a test person and see what becomes of it",
            assumed_by=iam.PrincipalWithConditions(
                iam.AccountPrincipal(pipeline_account),
                {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{pipeline_account}:role/{PIPELINE_ROLE}"}},
            ),
        )
        acknowledge_own_policies(self)
        objects = storage.drop.arn_for_objects(f"{SYNTHETIC}/*")
        acknowledge_wildcard(self, objects, because="A synthetic report is a new object of this folder.")
        self._allow(["s3:PutObject"], objects)
        self._allow(["kms:GenerateDataKey"], key.key_arn, conditions=key.through("s3"))
        self._allow(["dynamodb:BatchGetItem"], ledger.table.table_arn)
        self._allow(["dynamodb:Query"], f"{ledger.table.table_arn}/index/by_time")
        self._allow(["kms:Decrypt"], key.key_arn, conditions=key.through("dynamodb"))

    def _allow(self, actions: list[str], resource: str, *, conditions: dict[str, Any] | None = None) -> None:
        self.role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[resource], conditions=conditions))
