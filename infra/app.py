"""Synthesize one environment's stack: the app that `cdk` runs, and a command that needs no `cdk`.

`python -m infra.app --environment dev` writes `cdk.out/` with the template, the assets and the validation report.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, ServerlessChecks
from pydantic import ValidationError

from gpconnect_messaging.documents.report_files import ReportFileError
from gpconnect_messaging.mailboxes.settings import MailboxSettingsError
from infra import environments
from infra.configuration import Configuration
from infra.messaging_stack import MessagingStack
from infra.pipeline.configuration import DELIVERY, Delivery
from infra.pipeline.stack import PipelineStack

RULES = (AwsSolutionsChecks, NIST80053R5Checks, HIPAASecurityChecks, ServerlessChecks)
"""Rule packs for every environment: an unanswered finding stops the synthesis."""

PIPELINE = "pipeline"
"""Value of `--environment` that synthesizes the pipeline."""

_CDK_SETTINGS = Path(__file__).resolve().parents[1] / "cdk.json"


def stack_name(configuration: Configuration) -> str:
    """Return the stack's name, which is also that of the template: `{stack name}.template.json`."""
    return f"gpconnect-messaging-{configuration.name}"


def build(configuration: Configuration, app: App) -> MessagingStack:
    """Add an environment's stack and the rules to an app."""
    Validations.of(app).add_plugins(*(rules(app) for rules in RULES))
    return MessagingStack(app, stack_name(configuration), configuration=configuration)


def build_pipeline(app: App) -> PipelineStack:
    """Add the pipeline to an app, with the environments that it delivers to and the rules."""
    Validations.of(app).add_plugins(*(rules(app) for rules in RULES))
    return PipelineStack(
        app,
        delivery=DELIVERY,
        dev=delivered(environments.load("dev"), DELIVERY),
        integration=delivered(environments.load("int"), DELIVERY),
        prod=environments.load("prod"),
    )


def delivered(configuration: Configuration, delivery: Delivery) -> Configuration:
    """Return a test environment as the pipeline deploys it: the pipeline may send synthetic reports through it."""
    deployment = configuration.deployment.model_copy(update={"synthetic_reports_from": delivery.account})
    return configuration.model_copy(
        update={"deployment": deployment, "account": configuration.account or delivery.account}
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 if the template was written and every finding is acknowledged."""
    parser = argparse.ArgumentParser(prog="python -m infra.app", description=__doc__)
    parser.add_argument(
        "--environment",
        choices=[*environments.names(), PIPELINE],
        help="an environment, or `pipeline` for the pipeline that delivers to all of them; default: the `environment` "
        "of CDK's context, from cdk.json or `cdk --context`",
    )
    parser.add_argument("--output", type=Path, help="folder for template and assets (default: cdk.out)")
    options = parser.parse_args(arguments)
    wrong = (ValidationError, MailboxSettingsError, ReportFileError, environments.UnknownEnvironmentError, TypeError)
    try:
        synthesize(options.environment, options.output)
    except wrong as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def synthesize(name: str | None, output: Path | None = None) -> None:
    """Write the template of an environment or of the pipeline. None: the environment in the context.

    Raises ValidationError, MailboxSettingsError, ReportFileError, UnknownEnvironmentError, TypeError.
    """
    # Under `cdk`, CDK's context wins over this one, and CDK_OUTDIR says where `cdk` reads the template.
    app = App(context=cdk_context(), outdir=str(output or os.environ.get("CDK_OUTDIR", "cdk.out")))
    name = name or app.node.get_context("environment")
    if name == PIPELINE:
        build_pipeline(app)
    else:
        build(environments.load(name), app)
    app.synth()


def cdk_context() -> dict[str, Any]:
    """Return the context of cdk.json, which only `cdk` reads by itself."""
    context: dict[str, Any] = json.loads(_CDK_SETTINGS.read_text(encoding="utf-8"))["context"]
    return context


if __name__ == "__main__":
    sys.exit(main())
