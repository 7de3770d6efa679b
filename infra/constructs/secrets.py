"""A secret under a key of ours, generated once, which no rotation function could change."""

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
    """Make a secret whose `field` is random, of letters and digits where it has a `length` (characters).

    `keep` says whether it outlives the stack, `because` why nothing rotates it.
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
    # Through the resource and not through `encryption_key=`, which would write the services of this key again.
    resource = secret.node.default_child
    if not isinstance(resource, secretsmanager.CfnSecret):
        raise TypeError("a secret's default child is its resource")
    resource.kms_key_id = key.key_arn
    acknowledge(secret, "AwsSolutions-SMG4", "NIST+HIPAA:SecretsManagerRotationEnabled", because=because)
    return secret
