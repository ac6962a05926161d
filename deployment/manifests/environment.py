"""The manifest of an environment."""

from typing import Annotated, Literal

import msgspec

from deployment.manifests.values import Arn, Cidr, Flag, NumberRange, RetentionDays, Section, Text, Words

#: AWS::EC2::SecurityGroupIngress, IpProtocol (AWS CloudFormation User Guide).
Protocol = Annotated[
    str,
    msgspec.Meta(pattern=r"^(tcp|udp|icmp|icmpv6|-1|\d{1,3})$", title="tcp, udp, icmp, icmpv6 or a number"),
]
ProtocolNumber = Annotated[int, msgspec.Meta(ge=-1, le=255, title="-1 for all")]
AnyPort = Annotated[int, msgspec.Meta(ge=-1, le=65535, title="a port up to 65535")]


class Subnet(Section, frozen=True):
    """A subnet that is there already (``id``), or one that Copilot makes."""

    id: Text | None = None
    cidr: Cidr | None = None
    az: Text | None = None


class Subnets(Section, frozen=True):
    """The network's subnets."""

    public: list[Subnet] | None = None
    private: list[Subnet] | None = None


class SecurityGroupRule(Section, frozen=True):
    """Traffic that is allowed."""

    cidr: Cidr
    ip_protocol: Protocol | ProtocolNumber
    ports: AnyPort | NumberRange


class SecurityGroup(Section, frozen=True):
    """Rules of the security group that all tasks of the environment are in."""

    ingress: list[SecurityGroupRule] | None = None
    egress: list[SecurityGroupRule] | None = None


class FlowLogs(Section, frozen=True):
    """How long records of the network's traffic are kept."""

    retention: RetentionDays


class EnvironmentVpc(Section, frozen=True):
    """A network that is there already (``id``), or the one that Copilot makes."""

    id: Text | None = None
    cidr: Cidr | None = None
    subnets: Subnets | None = None
    security_group: SecurityGroup | None = None
    flow_logs: Flag | FlowLogs | None = None


class EnvironmentNetwork(Section, frozen=True):
    """The environment's network."""

    vpc: EnvironmentVpc | None = None


class EnvironmentObservability(Section, frozen=True):
    """How the environment is watched."""

    container_insights: Flag | None = None


class StaticAssets(Section, frozen=True):
    """Files that CloudFront takes from a bucket."""

    alias: Text
    location: Text
    path: Text


class Cdn(Section, frozen=True):
    """CloudFront before the public load balancer."""

    certificate: Arn | None = None
    terminate_tls: Flag | None = None
    static_assets: StaticAssets | None = None


class AccessLogs(Section, frozen=True):
    """Where the public load balancer's access logs go."""

    bucket_name: Text | None = None
    prefix: Text | None = None


class PublicIngress(Section, frozen=True):
    """From where the public load balancer may be reached."""

    cdn: Flag | None = None
    source_ips: list[Cidr] | None = None


class PublicHttp(Section, frozen=True):
    """The public load balancer."""

    certificates: list[Arn] | None = None
    access_logs: Flag | AccessLogs | None = None
    ingress: PublicIngress | None = None
    ssl_policy: Text | None = None


class PrivateIngress(Section, frozen=True):
    """From where the internal load balancer may be reached."""

    vpc: Flag | None = None


class PrivateHttp(Section, frozen=True):
    """The internal load balancer."""

    certificates: list[Arn] | None = None
    subnets: Words | None = None
    ingress: PrivateIngress | None = None
    ssl_policy: Text | None = None


class EnvironmentHttp(Section, frozen=True):
    """The load balancers that services share."""

    public: PublicHttp | None = None
    private: PrivateHttp | None = None


class Environment(Section, frozen=True):
    """The whole manifest."""

    name: Text
    type: Annotated[Literal["Environment"], msgspec.Meta(title="Environment")]
    network: EnvironmentNetwork | None = None
    observability: EnvironmentObservability | None = None
    http: EnvironmentHttp | None = None
    cdn: Flag | Cdn | None = None
