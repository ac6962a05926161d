"""Plain templates deployed over Copilot's, on an emulator (MiniStack): what is there stays what it is.

The emulator lacks some kinds of resources; they are left out by name, with what hangs on them, and so a change of that
list shows. It also does not export what a nested stack exports, so here the addons are a stack of their own.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployment.copilot_package import PackagedWorkspace
from deployment.templates.files import write_templates
from deployment.templates.images import Images
from tests.support.cloudformation import load_template
from tests.support.emulated_account import BUCKET, EmulatedAccount, emulated, without_lacking
from tests.support.emulator import running_emulator
from tests.support.plain_templates import SERVICES, PlainEnvironment


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedAccount]:
    with running_emulator(tmp_path_factory.mktemp("emulator") / "log") as emulator:
        emulator.client("s3").create_bucket(Bucket=BUCKET)
        yield EmulatedAccount(emulator)


@pytest.fixture(scope="module")
def plain(packaged: PackagedWorkspace, tmp_path_factory: pytest.TempPathFactory) -> PlainEnvironment:
    output = tmp_path_factory.mktemp("plain")
    write_templates(packaged, output, Images("registry", "first"))
    return PlainEnvironment("test", output / "test")


@dataclass(frozen=True)
class TakenOver:
    """What was there of Copilot's environment, and what came of a service that was deployed too early."""

    resources: dict[str, str]
    exports: set[str]
    early: str
    reasons: str


@pytest.fixture(scope="module")
def taken_over(account: EmulatedAccount, packaged: PackagedWorkspace, plain: PlainEnvironment) -> TakenOver:
    """The plain environment is deployed where Copilot's was."""
    files = packaged.environments[plain.name]
    copilots, _ = without_lacking(load_template(files.template), {"AddonsStack"})
    for parameter in copilots["Parameters"].values():
        if "AllowedValues" in parameter:
            # the emulator compares them with a text
            parameter["AllowedValues"] = [str(value).lower() for value in parameter["AllowedValues"]]
    told = json.loads(files.parameters.read_text())
    parameters = {**told["Parameters"], "NATWorkloads": ",".join(SERVICES)}
    assert account.deploy(plain.stack_name, copilots, parameters, told["Tags"]) == "CREATE_COMPLETE"
    resources, exports = account.resources(plain.stack_name), account.exports()
    early = account.deploy_service(plain, "monitoring")
    reasons = account.reasons(f"{plain.stack_name}-monitoring")
    account.delete(f"{plain.stack_name}-monitoring")
    ours = emulated(plain, "environment.yml")
    told = plain.parameters(plain.stack_name)
    assert account.deploy(plain.stack_name, ours, told, plain.tags(plain.stack_name)) == "UPDATE_COMPLETE"
    return TakenOver(resources, exports, early, reasons)


@pytest.fixture(scope="module")
def with_addons(account: EmulatedAccount, plain: PlainEnvironment, taken_over: TakenOver) -> PlainEnvironment:
    addons = emulated(plain, "environment-addons.yml")
    values = plain.environment()["Resources"]["AddonsStack"]["Properties"]["Parameters"]
    told = {name: str(value) for name, value in values.items()}
    assert account.deploy(f"{plain.stack_name}-addons", addons, told, {}) == "CREATE_COMPLETE"
    return plain


def test_nothing_is_replaced_and_only_bootstrap_roles_leave_the_stack(
    account: EmulatedAccount, plain: PlainEnvironment, taken_over: TakenOver
) -> None:
    before, after = taken_over.resources, account.resources(plain.stack_name)
    assert {"VPC", "Cluster", "ServiceDiscoveryNamespace", "PrivateSubnet1"} < after.keys()
    assert before.keys() - after.keys() == {"CloudformationExecutionRole", "EnvironmentManagerRole"}
    assert after == {name: before[name] for name in after}


def test_the_role_that_cloudformation_acts_with_is_still_there(
    account: EmulatedAccount, plain: PlainEnvironment, taken_over: TakenOver
) -> None:
    roles = {role["RoleName"] for role in account.emulator.client("iam").list_roles()["Roles"]}
    # a stack made with a role is updated and deleted with it for good: "CloudFormation service role"
    assert f"{plain.stack_name}-CFNExecutionRole" in roles


def test_exports_stay_but_for_those_of_the_roles(
    account: EmulatedAccount, plain: PlainEnvironment, taken_over: TakenOver
) -> None:
    gone = {f"{plain.stack_name}-{name}" for name in ("EnvironmentManagerRoleARN", "CFNExecutionRoleARN")}
    own = f"{plain.stack_name}-PrivateSubnetsWithoutCopilot"
    assert gone < taken_over.exports
    assert own not in taken_over.exports
    assert {*(taken_over.exports - gone), own} <= account.exports()


def test_a_service_that_comes_before_the_environment_is_refused(taken_over: TakenOver) -> None:
    assert taken_over.early == "ROLLBACK_COMPLETE"
    assert "test-PrivateSubnetsWithoutCopilot" in taken_over.reasons


def test_queues_have_their_dead_letters_and_encryption(account: EmulatedAccount, with_addons: PlainEnvironment) -> None:
    sqs = account.emulator.client("sqs")
    for name in ("posts", "alerts", "deliveries"):
        url = sqs.get_queue_url(QueueName=f"{with_addons.stack_name}-{name}")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"].endswith(f"{name}-dlq")
        assert attributes["SqsManagedSseEnabled"] == "true"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_runs_as_its_template_says(
    account: EmulatedAccount, with_addons: PlainEnvironment, service: str
) -> None:
    assert account.deploy_service(with_addons, service) == "CREATE_COMPLETE"
    running = _service(account, with_addons, service)
    assert running["desiredCount"] == 1
    assert running["deploymentConfiguration"]["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    network = running["networkConfiguration"]["awsvpcConfiguration"]
    resources = account.resources(with_addons.stack_name)
    assert network["subnets"] == [resources["PrivateSubnet1"], resources["PrivateSubnet2"]]
    assert {tag["key"]: tag["value"] for tag in running["tags"]}["copilot-service"] == service


def test_an_image_that_was_forgotten_is_refused(
    account: EmulatedAccount, packaged: PackagedWorkspace, tmp_path: Path, with_addons: PlainEnvironment
) -> None:
    write_templates(packaged, tmp_path, None)
    with pytest.raises(ClientError, match="ContainerImage"):
        account.deploy_service(PlainEnvironment("test", tmp_path / "test"), "notifier")


def _service(account: EmulatedAccount, plain: PlainEnvironment, name: str) -> dict[str, Any]:
    service = account.resources(f"{plain.stack_name}-{name}")["Service"]
    cluster = account.resources(plain.stack_name)["Cluster"]
    described = account.emulator.client("ecs").describe_services(cluster=cluster, services=[service], include=["TAGS"])
    (found,) = described["services"]
    return dict(found)
