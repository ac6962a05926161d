"""What a Backend Service's manifest says of its internal load balancer."""

from typing import Annotated, Literal

import msgspec

from deployment.manifests.values import Cidr, Duration, Flag, Port, Section, Text

Threshold = Annotated[int, msgspec.Meta(ge=2, le=10, title="a whole number from 2 to 10")]
SuccessCodes = Annotated[str, msgspec.Meta(pattern=r"^\d{3}([,-]\d{3})*$", title="status codes such as '200,301'")]


class RuleHealthCheck(Section, frozen=True):
    """How the load balancer finds out whether a task is well."""

    path: Text | None = None
    port: Port | None = None
    success_codes: SuccessCodes | None = None
    healthy_threshold: Threshold | None = None
    unhealthy_threshold: Threshold | None = None
    interval: Duration | None = None
    timeout: Duration | None = None


class HttpHealthCheck(RuleHealthCheck, frozen=True):
    """The first rule's; only there Copilot reads a grace period."""

    grace_period: Duration | None = None


class Alias(Section, frozen=True):
    """A name of the service and the hosted zone that it is entered in."""

    name: Text
    hosted_zone: Text | None = None


class RoutingRule(Section, frozen=True):
    """Which requests reach the service, and which of its ports.

    No ``redirect_to_https``: for a Backend Service Copilot ignores it.
    """

    path: Text | None = None
    healthcheck: Text | RuleHealthCheck | None = None
    deregistration_delay: Duration | None = None
    target_container: Text | None = None
    target_port: Port | None = None
    stickiness: Flag | None = None
    allowed_source_ips: list[Cidr] | None = None
    alias: Text | list[Text | Alias] | None = None
    hosted_zone: Text | None = None
    version: Annotated[Literal["grpc", "http1", "http2"], msgspec.Meta(title="grpc, http1 or http2")] | None = None


class AdditionalRule(RoutingRule, frozen=True, kw_only=True):
    """A rule after the first. It is overridden as a whole and so needs its path."""

    path: Text


class Http(RoutingRule, frozen=True):
    """The first rule, and what concerns all of them."""

    alb: Text | None = None
    healthcheck: Text | HttpHealthCheck | None = None
    additional_rules: list[AdditionalRule] | None = None
