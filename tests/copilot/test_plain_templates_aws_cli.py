"""The AWS CLI takes the files of `make templates` as they are: package, deploy, and what they make in LocalStack.

LocalStack makes no NAT gateways, so the environment's change set is made and not executed; a stack with the exports of
its stands in for it. A service's rollback alarms need the parts of an ARN, which LocalStack's services do not have, so
stream-getter's is not executed either.
"""

import json
import shlex
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from deployment.copilot_package import PackagedWorkspace
from deployment.templates.files import write_templates
from deployment.templates.images import Images
from tests.support.docker_engine import require_docker
from tests.support.plain_templates import APPLICATION, PlainEnvironment
from tests.support.polling import wait_until

IMAGE = "localstack/localstack:4.14.0"
START_SECONDS = 120.0
COMMAND_SECONDS = 120.0
DEPLOY_SECONDS = 60.0
_AWS = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
}


@dataclass(frozen=True)
class AwsCli:
    """The AWS CLI in a container that has the templates in its working directory."""

    container: str

    def run(self, command: str) -> str:
        """What ``aws <command>`` prints; it must succeed."""
        done = self._execute(["aws", *shlex.split(command)])
        assert done.returncode == 0, f"aws {command}: {done.stdout}{done.stderr}"
        return done.stdout

    def json(self, command: str) -> Any:
        return json.loads(self.run(f"{command} --output json"))

    def is_ready(self) -> bool:
        return self._execute(["aws", "s3", "ls"]).returncode == 0

    def deploy(self, template: str, stack: str, *more: str) -> None:
        self.run(f"cloudformation deploy --template-file {template} --stack-name {stack} {' '.join(more)}")

    def make_change_set(self, template: str, stack: str) -> Any:
        """Packages and deploys without executing, in the commands that a user types, and gives the change set."""
        packaged = f"/tmp/{template}"
        self.run(
            f"cloudformation package --template-file {template} --s3-bucket templates --output-template-file {packaged}"
        )
        told = f"--parameter-overrides file://parameters/{stack}.json --tags file://tags/{stack}.json"
        self.deploy(packaged, stack, told, "--capabilities CAPABILITY_IAM --no-execute-changeset")
        return self.json(f"cloudformation describe-change-set --change-set-name {self._change_set(stack)}")

    def execute(self, stack: str) -> None:
        """Executes the stack's change set; `deploy` would look only every 30 s whether it is done."""
        self.run(f"cloudformation execute-change-set --change-set-name {self._change_set(stack)}")
        wait_until(lambda: not self.status(stack).endswith("PROGRESS"), stack, DEPLOY_SECONDS)
        assert self.status(stack) == "CREATE_COMPLETE"

    def status(self, stack: str) -> str:
        (found,) = self.json(f"cloudformation describe-stacks --stack-name {stack}")["Stacks"]
        return str(found["StackStatus"])

    def _change_set(self, stack: str) -> str:
        (made,) = self.json(f"cloudformation list-change-sets --stack-name {stack}")["Summaries"]
        return str(made["ChangeSetId"])

    def _execute(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        settings = [f"--env={name}={value}" for name, value in _AWS.items()]
        return subprocess.run(
            ["docker", "exec", *settings, "--workdir=/plain/test", self.container, *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )


@pytest.fixture(scope="module")
def plain(packaged: PackagedWorkspace, tmp_path_factory: pytest.TempPathFactory) -> PlainEnvironment:
    output = tmp_path_factory.mktemp("plain")
    write_templates(packaged, output, Images("registry", "tag"))
    return PlainEnvironment("test", output / "test")


@pytest.fixture(scope="module")
def aws(plain: PlainEnvironment) -> Iterator[AwsCli]:
    require_docker(IMAGE)
    name = f"plain-templates-{uuid.uuid4().hex[:12]}"
    # the newer engine of this version takes a parameter without a value for none
    command = ["docker", "run", "--detach", "--rm", f"--name={name}", f"--volume={plain.folder.parent}:/plain:ro"]
    command += ["--env=PROVIDER_OVERRIDE_CLOUDFORMATION=engine-legacy", "--env=SKIP_SSL_CERT_DOWNLOAD=1", IMAGE]
    subprocess.run(command, check=True, capture_output=True, timeout=COMMAND_SECONDS)
    try:
        cli = AwsCli(name)
        wait_until(cli.is_ready, "LocalStack", START_SECONDS)
        cli.run("s3 mb s3://templates")
        yield cli
    finally:
        subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True, timeout=COMMAND_SECONDS)


@pytest.fixture(scope="module")
def environment(aws: AwsCli, plain: PlainEnvironment) -> PlainEnvironment:
    """There is a stack that exports what services import."""
    outputs = {
        f"Output{number}": {"Value": f"arn:aws:s3:::{number}", "Export": {"Name": name}}
        for number, name in enumerate(plain.exports())
    }
    (plain.folder / "exports.json").write_text(
        json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Outputs": outputs})
    )
    aws.run("cloudformation create-stack --stack-name exports --template-body file://exports.json")
    wait_until(lambda: aws.status("exports") == "CREATE_COMPLETE", "exports", DEPLOY_SECONDS)
    return plain


def test_the_registry_is_deployed(aws: AwsCli, plain: PlainEnvironment) -> None:
    aws.deploy("../registry.yml", "images", "--no-execute-changeset")
    aws.execute("images")
    (stack,) = aws.json("cloudformation describe-stacks --stack-name images")["Stacks"]
    (registry,) = stack["Outputs"]
    assert registry["OutputKey"] == "Registry"
    assert registry["OutputValue"].endswith(f"/{APPLICATION}-images")
    repositories = aws.json("cloudformation describe-stack-resources --stack-name images")["StackResources"]
    assert {each["PhysicalResourceId"] for each in repositories} == {
        f"{APPLICATION}-images/{name}" for name in ("classifier", "grafana", "notifier", "prometheus", "stream-getter")
    }


@pytest.mark.parametrize("file", ["environment.yml", "monitoring.yml", "stream-getter.yml"])
def test_a_change_set_makes_all_resources(aws: AwsCli, plain: PlainEnvironment, file: str) -> None:
    (stack,) = [name for name, template in plain.stacks if template == file]
    _assert_whole(aws.make_change_set(file, stack), plain, file, stack)


@pytest.mark.parametrize("service", ["classifier", "notifier"])
def test_a_service_is_deployed_with_its_nested_addons(aws: AwsCli, environment: PlainEnvironment, service: str) -> None:
    stack = f"{environment.stack_name}-{service}"
    made = aws.make_change_set(f"{service}.yml", stack)
    _assert_whole(made, environment, f"{service}.yml", stack)
    aws.execute(stack)
    found = aws.json(f"cloudformation describe-stack-resources --stack-name {stack}")["StackResources"]
    role = next(each["PhysicalResourceId"] for each in found if each["LogicalResourceId"] == "TaskRole")
    attached = aws.json(f"iam list-attached-role-policies --role-name {role}")["AttachedPolicies"]
    assert ["AccessPolicy" in each["PolicyName"] for each in attached] == [True]


def _assert_whole(made: Any, plain: PlainEnvironment, file: str, stack: str) -> None:
    added = {each["ResourceChange"]["LogicalResourceId"] for each in made["Changes"]}
    assert added == plain.template(file)["Resources"].keys()
    assert {each["ParameterKey"]: each["ParameterValue"] for each in made["Parameters"]} == plain.parameters(stack)
    assert {each["Key"]: each["Value"] for each in made["Tags"]} == plain.tags(stack)
