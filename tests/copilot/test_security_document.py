"""docs/security.md says of rights, shells, file systems, network and retention what is deployed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployment.copilot_package import PackagedWorkspace
from tests.support.cloudformation import evaluated, load_template, resources
from tests.support.copilot_templates import packaged_addons, packaged_environment, packaged_service
from tests.support.iam_policies import rights_of
from tests.support.markdown import tables

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = REPOSITORY / "docs" / "security.md"
ENVIRONMENTS = ("test", "prod")
BUCKET = "arn:aws:s3:::bucket"
DAY = 24 * 3600
#: Services that have a policy of their own.
SERVICES = ("stream-getter", "classifier", "notifier")


def table(*head: str) -> list[list[str]]:
    (rows,) = [rows for found, rows in tables(DOCUMENT) if found == list(head)]
    return rows


def told_rights() -> Iterator[tuple[str, str, str]]:
    for services, actions, names in table("service", "may", "on"):
        for service in services.split(", "):
            for action in re.findall(r"`([^`]+)`", actions):
                for name in re.findall(r"`([^`]+)`", names) or [names]:
                    yield service, action, name


def deployed_rights(environment: str) -> Iterator[tuple[str, str, str]]:
    for service in SERVICES:
        parameters = {"App": "tweet-alerts", "Env": environment, "Name": service}
        imports = {f"tweet-alerts-{environment}-StateBucketArn": BUCKET}
        template = load_template(REPOSITORY / "copilot" / service / "addons" / "access.yml")
        for right in rights_of(service, evaluated(template, parameters, imports)):
            name = right.resource.removeprefix(f"{BUCKET}/") if right.resource != BUCKET else "the state bucket"
            yield service, right.action, re.sub(rf"^arn:.*[:/]tweet-alerts-{environment}-", "", name)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_table_of_rights_is_the_policies(environment: str) -> None:
    assert set(told_rights()) == set(deployed_rights(environment))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_shells_and_file_systems_are_as_told(packaged: PackagedWorkspace, environment: str) -> None:
    shells = {}
    writable = {}
    for service in packaged.environments[environment].services:
        stack = packaged_service(packaged, environment, service)
        (ecs_service,) = resources(stack, "AWS::ECS::Service").values()
        (task,) = resources(stack, "AWS::ECS::TaskDefinition").values()
        shells[service] = ecs_service.get("EnableExecuteCommand", False)
        writable[service] = not all(each.get("ReadonlyRootFilesystem") for each in task["ContainerDefinitions"])
    everywhere = dict.fromkeys(shells, True)
    only_monitoring = {service: service == "monitoring" for service in shells}
    assert shells == writable == {"test": everywhere, "prod": only_monitoring}[environment]
    told = {row[0]: dict(zip(ENVIRONMENTS, row[1:], strict=True)) for row in table("", "`test`", "`prod`")}
    assert told == {
        "a shell in a task (ECS Exec)": {
            "test": "all services",
            "prod": "monitoring alone: it is the way to Grafana",
        },
        "root file system": {
            "test": "writable where there is a shell",
            "prod": "read-only, but for monitoring",
        },
    }


def test_tasks_are_private_and_reached_by_each_other_alone(packaged: PackagedWorkspace) -> None:
    for environment in ENVIRONMENTS:
        network = packaged_environment(packaged.environments[environment])
        assert not resources(network, "AWS::ElasticLoadBalancingV2::LoadBalancer")
        assert [
            (rule["GroupId"], rule["SourceSecurityGroupId"])
            for rule in resources(network, "AWS::EC2::SecurityGroupIngress").values()
        ] == [("<EnvironmentSecurityGroup>", "<EnvironmentSecurityGroup>")]
        (group,) = resources(network, "AWS::EC2::SecurityGroup").values()
        assert "SecurityGroupIngress" not in group
        for service in packaged.environments[environment].services:
            stack = packaged_service(packaged, environment, service)
            (ecs_service,) = resources(stack, "AWS::ECS::Service").values()
            assert ecs_service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"


def test_posts_rest_as_long_as_told(packaged: PackagedWorkspace) -> None:
    told = {row[0]: row[2] for row in table("where", "what", "how long")}
    addons = packaged_addons(packaged.environments["prod"])
    kept: dict[bool, set[Any]] = {True: set(), False: set()}
    for name, queue in resources(addons, "AWS::SQS::Queue").items():
        kept["DeadLetter" in name].add(queue["MessageRetentionPeriod"])
    assert kept == {False: {4 * DAY}, True: {14 * DAY}}
    assert "4 days at most" in told["queues `posts`, `alerts`, `deliveries`"]
    assert "14 days at most" in told["their dead letters"]
    for service in SERVICES:
        (logs,) = resources(packaged_service(packaged, "prod", service), "AWS::Logs::LogGroup").values()
        assert told["notifier's log"] == told["other logs"] == f"{logs['RetentionInDays']} days"
