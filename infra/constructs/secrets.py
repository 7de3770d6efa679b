"""A secret under a customer-managed key, generated once and not rotated."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.constructs.acknowledgement import acknowledge
from infra.constructs.keys import ContentKey


def unrotated_secret(
    scope: Construct,
    construct_id: str,
    *,
    name: str,
    description: str,
    field: str,
    key: ContentKey,
    keep: bool,
    because: str,
    length: int | None = None,
) -> secretsmanager.Secret:
    """Make a secret with a random `field`. With a `length` (characters) it has letters and digits only.

    `keep`: the secret outlives the stack. `because`: the reason why it is not rotated.
    """
    secret = secretsmanager.Secret(
        scope,
        construct_id,
        secret_name=name,
        description=description,
        removal_policy=RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY,
        generate_secret_string=secretsmanager.SecretStringGenerator(
            secret_string_template="{}",  # noqa: S106 - a template without any value
            generate_string_key=field,
            password_length=length,
            exclude_punctuation=True if length else None,
        ),
    )
    # Not `encryption_key=`, which would add the services to the key's policy again.
    resource = secret.node.default_child
    if not isinstance(resource, secretsmanager.CfnSecret):
        raise TypeError("a secret's default child is its resource")
    resource.kms_key_id = key.key_arn
    acknowledge(secret, "AwsSolutions-SMG4", "NIST+HIPAA:SecretsManagerRotationEnabled", because=because)
    return secret
