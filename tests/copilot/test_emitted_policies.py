"""Who may do what in everything that Copilot would deploy: no wildcard without a reason that is written down."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from deployment.copilot_package import PackagedWorkspace
from tests.support.copilot_templates import (
    as_list,
    packaged_access,
    packaged_addons,
    packaged_environment,
    packaged_service,
    policy_statements,
)

#: Roles of Copilot's own that no task takes on; they are gone where the templates of `make templates` are used.
COPILOTS_OWN = {
    "CloudformationExecutionRole": "CloudFormation makes, changes and deletes the stacks with it",
    "EnvironmentManagerRole": "the person who runs copilot takes it on",
    "EnvControllerRole": "a function of Copilot's changes the environment's stack with it, found by name and tags",
    "DynamicDesiredCountFunctionRole": "a function of Copilot's looks up how many tasks run with it",
}
#: (role, first action): why a wildcard is all that AWS takes there, or what narrows it.
REASONS = {
    ("ModelRole", "ecr:GetAuthorizationToken"): "the action knows no resource",
    ("ModelRole", "cloudwatch:PutMetricData"): "the action knows no resource; narrowed to SageMaker's namespaces",
    ("ExecutionRole", "ssm:GetParameters"): "Copilot's: narrowed by tags to this application and environment",
    ("ExecutionRole", "secretsmanager:GetSecretValue"): "Copilot's: narrowed by tags likewise",
    ("ExecutionRole", "kms:Decrypt"): "Copilot's: narrowed by tags likewise",
    ("TaskRole", "ssmmessages:CreateControlChannel"): "ECS Exec, where it is on; the action knows no resource",
    ("TaskRole", "logs:CreateLogStream"): "ECS Exec, where it is on: Copilot lets the session be logged anywhere",
}


class Wildcard(NamedTuple):
    environment: str
    role: str
    first_action: str


def wildcards(packaged: PackagedWorkspace) -> Iterator[Wildcard]:
    for environment, files in packaged.environments.items():
        stacks = [packaged_environment(files), packaged_addons(files)]
        for service, its_files in files.services.items():
            stacks.append(packaged_service(packaged, environment, service))
            if its_files.addons:
                stacks.append(packaged_access(packaged, environment, service))
        for stack in stacks:
            for place, statement in policy_statements(stack):
                actions = as_list(statement.get("Action", "everything but a few"))
                if any("*" in text for text in (*actions, *as_list(statement["Resource"]))):
                    yield Wildcard(environment, place.partition("/")[0], actions[0])


def test_a_wildcard_stands_only_where_a_reason_for_it_is_written_down(packaged: PackagedWorkspace) -> None:
    found = {(each.role, each.first_action) for each in wildcards(packaged) if each.role not in COPILOTS_OWN}
    assert found == REASONS.keys()
    assert {each.role for each in wildcards(packaged)} == COPILOTS_OWN.keys() | {role for role, _action in REASONS}


def test_a_production_task_has_no_wildcard_but_for_grafanas_way_in(packaged: PackagedWorkspace) -> None:
    found = {each for each in wildcards(packaged) if (each.environment, each.role) == ("prod", "TaskRole")}
    assert len(found) == 2
    with_exec = {
        service
        for service in packaged.environments["prod"].services
        if "ssmmessages" in str(packaged_service(packaged, "prod", service)["Resources"]["TaskRole"])
    }
    assert with_exec == {"monitoring"}


@pytest.mark.parametrize("service", ["stream-getter", "classifier", "notifier"])
def test_a_services_policy_is_attached_to_its_tasks(packaged: PackagedWorkspace, service: str) -> None:
    for environment in packaged.environments:
        role = packaged_service(packaged, environment, service)["Resources"]["TaskRole"]["Properties"]
        assert role["ManagedPolicyArns"] == ["<AddonsStack.Outputs.AccessPolicyArn>"]
        access = packaged_access(packaged, environment, service)
        assert access["Outputs"]["AccessPolicyArn"]["Value"] == "<AccessPolicy>"
        assert access["Resources"]["AccessPolicy"]["Type"] == "AWS::IAM::ManagedPolicy"


def test_no_policy_of_amazons_own_gives_a_task_or_the_model_more(packaged: PackagedWorkspace) -> None:
    for environment, files in packaged.environments.items():
        assert "ManagedPolicyArns" not in packaged_addons(files)["Resources"]["ModelRole"]["Properties"]
        for service in files.services:
            role = packaged_service(packaged, environment, service)["Resources"]["TaskRole"]["Properties"]
            assert not [arn for arn in role.get("ManagedPolicyArns", []) if ":policy/" in arn]
