"""Network of the functions: none, or an existing VPC of the organisation."""

from aws_cdk import Aws, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.configuration import Configuration, Network
from infra.constructs.acknowledgement import acknowledge, acknowledge_wildcard

_GATEWAYS = ("s3", "dynamodb")
_INTERFACES = ("sqs", "sns", "ssm", "secretsmanager", "logs", "monitoring", "events", "lambda", "kms")
"""AWS services that the functions call, by the last part of the endpoints' names."""

_JOIN = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


class FunctionNetwork(Construct):
    """The configured VPC, if any. The functions may only open connections to port 443."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration) -> None:
        super().__init__(scope, construct_id)
        self.vpc: ec2.IVpc | None = None
        self.subnets: ec2.SubnetSelection | None = None
        self.security_groups: list[ec2.ISecurityGroup] | None = None
        network = configuration.deployment.network
        if network is None:
            return
        self.vpc = ec2.Vpc.from_vpc_attributes(
            self,
            "Vpc",
            vpc_id=network.vpc,
            availability_zones=list(network.availability_zones),
            private_subnet_ids=list(network.subnets),
            private_subnet_route_table_ids=list(network.route_tables),
        )
        self.subnets = ec2.SubnetSelection(subnets=self.vpc.private_subnets)
        functions = ec2.SecurityGroup(
            self,
            "Functions",
            vpc=self.vpc,
            description="GP Connect Messaging: functions, TLS outwards only",
            allow_all_outbound=False,
        )
        # MESH publishes no addresses, and those of AWS's services change.
        functions.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "TLS to MESH and to AWS")
        self.security_groups = [functions]
        if network.make_endpoints:
            self._make_endpoints(network, functions)

    def let_join(self, scope: Construct, function: lambda_.Function, role: iam.IRole) -> None:
        """Let Lambda attach the function to the VPC, if there is one."""
        if self.vpc is None:
            acknowledge(
                scope,
                "NIST+HIPAA:LambdaInsideVPC",
                because="The function accepts no connections, and connects only to AWS and MESH, by TLS with verified "
                "certificates. An organisation that demands a network names it in deployment.network.",
            )
            return
        policy = iam.Policy(
            scope,
            "Joining",
            roles=[role],
            statements=[
                iam.PolicyStatement(
                    actions=list(_JOIN),
                    resources=["*"],
                    # Lambda makes the interfaces before any code runs; the function's own code may not.
                    conditions={"Null": {"lambda:SourceFunctionArn": "true"}},
                )
            ],
        )
        acknowledge_wildcard(
            policy,
            "*",
            because="Lambda needs these before the interface exists, and describing supports no resource; the "
            "condition denies them to the function's own code.",
        )
        function.node.add_dependency(policy)

    def _make_endpoints(self, network: Network, functions: ec2.SecurityGroup) -> None:
        region = Stack.of(self).region
        this_account_only = iam.PolicyDocument(
            statements=[
                iam.PolicyStatement(
                    principals=[iam.AnyPrincipal()],
                    actions=["*"],
                    resources=["*"],
                    conditions={"StringEquals": {"aws:PrincipalAccount": Aws.ACCOUNT_ID}},
                )
            ]
        )
        for service in _GATEWAYS:
            ec2.CfnVPCEndpoint(
                self,
                f"{service.capitalize()}Gateway",
                vpc_id=network.vpc,
                service_name=f"com.amazonaws.{region}.{service}",
                vpc_endpoint_type="Gateway",
                route_table_ids=sorted(set(network.route_tables)),
                policy_document=this_account_only,
            )
        endpoints = ec2.SecurityGroup(
            self,
            "Endpoints",
            vpc=ec2.Vpc.from_vpc_attributes(
                self, "Same", vpc_id=network.vpc, availability_zones=list(network.availability_zones)
            ),
            description="GP Connect Messaging: endpoints of AWS services, for the functions only",
            allow_all_outbound=False,
        )
        endpoints.add_ingress_rule(functions, ec2.Port.tcp(443), "TLS from the functions")
        for service in _INTERFACES:
            ec2.CfnVPCEndpoint(
                self,
                f"{service.capitalize()}Interface",
                vpc_id=network.vpc,
                service_name=f"com.amazonaws.{region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=list(network.subnets),
                security_group_ids=[endpoints.security_group_id],
                policy_document=this_account_only,
            )
