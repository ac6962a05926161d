"""Copilot's real program packages a small workspace with no AWS, git or Docker, and says what is wrong in one."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import boto3
import psutil
import pytest
import requests
from botocore.exceptions import ClientError
from ruamel.yaml import YAML

from deployment import copilot_package
from deployment.copilot_package import CopilotRefused, find_copilot, package
from deployment.offline_aws import OfflineAws, UnknownAwsCall
from pipeline.errors import UserMistake

REGION = "eu-west-1"
MANIFEST = "shop-front/manifest.yml"
ADDON = "shop-front/addons/access.yml"

FILES = {
    ".workspace": "application: shop\n",
    "environments/test/manifest.yml": "name: test\ntype: Environment\n",
    "environments/prod/manifest.yml": ("name: prod\ntype: Environment\nobservability:\n  container_insights: true\n"),
    "environments/addons/queue.yml": """
        Parameters:
          App: {Type: String}
          Env: {Type: String}
        Resources:
          Orders:
            Type: AWS::SQS::Queue
        Outputs:
          OrdersUrl:
            Value: !Ref Orders
            Export: {Name: !Sub '${App}-${Env}-OrdersUrl'}
        """,
    MANIFEST: """
        name: shop-front
        type: Backend Service
        image:
          build: shop/Dockerfile
          port: 8080
        cpu: 256
        memory: 512
        count:
          range: 1-4
          cpu_percentage: 70
        network:
          vpc:
            placement: private
        variables:
          ORDERS_URL:
            from_cfn: ${COPILOT_APPLICATION_NAME}-${COPILOT_ENVIRONMENT_NAME}-OrdersUrl
        secrets:
          TOKEN: /copilot/${COPILOT_APPLICATION_NAME}/${COPILOT_ENVIRONMENT_NAME}/secrets/TOKEN
        environments:
          prod:
            cpu: 1024
            memory: 2048
        """,
    ADDON: """
        Parameters:
          App: {Type: String}
          Env: {Type: String}
          Name: {Type: String}
        Resources:
          Access:
            Type: AWS::IAM::ManagedPolicy
            Properties:
              PolicyDocument:
                Version: '2012-10-17'
                Statement:
                  - {Effect: Allow, Action: 'sqs:SendMessage', Resource: !Sub 'arn:aws:sqs:*:*:${App}-${Env}-orders'}
        Outputs:
          AccessArn:
            Value: !Ref Access
        """,
    "shop-front/overrides/cfn.patches.yml": """
        - op: replace
          path: /Resources/EnvControllerFunction/Properties/Runtime
          value: nodejs24.x
        """,
}

PUBLISHER = """
    publish:
      topics:
        - name: orders
        - name: paid
          fifo: true
    """
SUBSCRIBER = """
    name: mailer
    type: Worker Service
    image:
      location: example.invalid/mailer
    subscribe:
      topics:
        - name: orders
          service: shop-front
        - name: paid
          service: shop-front
          queue:
            fifo: true
    """


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    for name, text in FILES.items():
        _write(folder, name, text)
    return folder


@pytest.fixture
def aws(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OfflineAws]:
    """The stand-in, to which the environment of this very process leads, as its child's would."""
    with OfflineAws(workspace, tmp_path / "state", REGION) as aws:
        for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
            monkeypatch.delenv(name)
        for name, value in aws.environment.items():
            monkeypatch.setenv(name, value)
        yield aws


def test_packages_every_environment_with_its_addons(workspace: Path, tmp_path: Path) -> None:
    packaged = package(workspace, tmp_path / "out", REGION)
    assert packaged.application == "shop"
    assert set(packaged.environments) == {"test", "prod"}
    for name, environment in packaged.environments.items():
        assert {file.parent for file in environment.templates} == {tmp_path / "out" / name}
        (insights,) = _yaml(environment.template)["Resources"]["Cluster"]["Properties"]["ClusterSettings"]
        assert insights["Value"] == {"test": "disabled", "prod": "enabled"}[name]
        assert _values(environment.parameters)["EnvironmentName"] == name
        assert environment.addons is not None
        assert "Orders" in _yaml(environment.addons)["Resources"]


def test_packages_every_service_with_its_addons_and_overrides(workspace: Path, tmp_path: Path) -> None:
    packaged = package(workspace, tmp_path / "out", REGION)
    for name, environment in packaged.environments.items():
        (service,) = environment.services.values()
        assert service.addons is not None
        assert "Access" in _yaml(service.addons)["Resources"]
        assert _values(service.parameters)["EnvName"] == name
        assert _values(service.parameters)["TaskCPU"] == {"test": "256", "prod": "1024"}[name]
        resources = _yaml(service.template)["Resources"]
        assert resources["EnvControllerFunction"]["Properties"]["Runtime"] == "nodejs24.x"
        assert resources["AddonsStack"]["Type"] == "AWS::CloudFormation::Stack"
        (container,) = resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
        imported = {"Fn::ImportValue": f"shop-{name}-OrdersUrl"}
        assert {"Name": "ORDERS_URL", "Value": imported} in container["Environment"]
        secret = {"Name": "TOKEN", "ValueFrom": f"/copilot/shop/{name}/secrets/TOKEN"}
        assert secret in container["Secrets"]


def test_lists_all_templates(workspace: Path, tmp_path: Path) -> None:
    packaged = package(workspace, tmp_path / "out", REGION)
    assert len(packaged.templates) == len(set(packaged.templates)) == 2 * 4
    assert all("Resources" in _yaml(template) for template in packaged.templates)


def test_a_worker_finds_the_topics_that_others_publish_to(workspace: Path, tmp_path: Path) -> None:
    _edit(workspace, MANIFEST, "name: shop-front\n", f"name: shop-front\n{textwrap.dedent(PUBLISHER)}")
    _write(workspace, "mailer/manifest.yml", SUBSCRIBER)
    packaged = package(workspace, tmp_path / "out", REGION)
    template = packaged.environments["prod"].services["mailer"].template.read_text()
    assert "'-shop-front-orders'" in template
    assert "'-shop-front-paid.fifo'" in template


def test_a_topic_that_nobody_publishes_to_is_refused(workspace: Path, tmp_path: Path) -> None:
    _write(workspace, "mailer/manifest.yml", SUBSCRIBER)
    with pytest.raises(CopilotRefused, match=r"mailer .*topic"):
        package(workspace, tmp_path / "out", REGION)


def test_addons_of_an_earlier_run_do_not_pass_for_new_ones(workspace: Path, tmp_path: Path) -> None:
    package(workspace, tmp_path / "out", REGION)
    shutil.rmtree(workspace / "copilot/environments/addons")
    shutil.rmtree(workspace / "copilot/shop-front/addons")
    environment = package(workspace, tmp_path / "out", REGION).environments["test"]
    assert environment.addons is None
    assert environment.services["shop-front"].addons is None


@pytest.mark.parametrize(
    ("file", "written", "mistaken", "words"),
    [
        (MANIFEST, "cpu: 256", "cpu: plenty", "cannot unmarshal !!str `plenty` into int"),
        (MANIFEST, "range: 1-4", "range: 4-1", "min value 4 cannot be greater than max value 1"),
        (MANIFEST, "${COPILOT_APPLICATION_NAME}-", "${SHOP}-", 'environment variable "SHOP" is not defined'),
        (MANIFEST, "name: shop-front", "name: front", '"front" and directory "shop-front" do not match'),
        (MANIFEST, "Backend Service", "Backend", "service 'shop-front' does not exist in the workspace"),
        (ADDON, "  App: {Type: String}\n", "", 'required parameter "App" is missing'),
        (ADDON, "  Env: {Type: String}\n", "", 'required parameter "Env" is missing'),
        (ADDON, "  Name: {Type: String}\n", "", 'required parameter "Name" is missing'),
        ("shop-front/overrides/cfn.patches.yml", "EnvControllerFunction", "Nowhere", '"Nowhere" not found in map'),
        ("environments/prod/manifest.yml", "container_insights: true", "container_insights: 7", "into bool"),
    ],
)
def test_a_mistake_is_told_in_copilots_own_words(
    workspace: Path, tmp_path: Path, file: str, written: str, mistaken: str, words: str
) -> None:
    _edit(workspace, file, written, mistaken)
    with pytest.raises(CopilotRefused, match=re.escape(words)) as refused:
        package(workspace, tmp_path / "out", REGION)
    assert re.match(r"copilot (env|svc) package --name ", str(refused.value))


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        (".workspace", None, ".workspace: expected a readable file, found: No such file or directory"),
        (".workspace", "name: shop", ".workspace: application: expected a text, found nothing"),
        (MANIFEST, "name: shop-front\ntype: [Backend]", "manifest.yml: type: expected a text, found ['Backend']"),
        (MANIFEST, "name: [shop-front\ntype: x", "manifest.yml: line 2: expected YAML, found: expected ',' or ']'"),
        (MANIFEST, "- name", "manifest.yml: expected keys with values, found ['name']"),
        (MANIFEST, None, "copilot: expected the folder of at least one service with its manifest.yml, found none"),
    ],
)
def test_a_mistake_that_hides_what_to_package_is_told_in_one_line(
    workspace: Path, tmp_path: Path, file: str, text: str | None, words: str
) -> None:
    if text is None:
        (workspace / "copilot" / file).unlink()
    else:
        _write(workspace, file, text)
    with pytest.raises(UserMistake, match=re.escape(words)) as mistake:
        package(workspace, tmp_path / "out", REGION)
    assert len(str(mistake.value).splitlines()) == 1


def test_nothing_of_the_users_own_account_is_used(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # each of them by itself makes Copilot fail, or leads it elsewhere
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "*")
    package(workspace, tmp_path / "out", REGION)


def test_the_stand_in_connects_to_nowhere(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> NoReturn:
        raise AssertionError(f"a connection or a look-up of a name: {arguments}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyaddr", "getfqdn"):
        monkeypatch.setattr(socket, name, refuse)
    package(workspace, tmp_path / "out", REGION)


def test_copilot_believes_the_stand_in_alone(aws: OfflineAws, workspace: Path) -> None:
    command = [str(find_copilot()), "svc", "package", "--name", "shop-front", "--env", "test"]
    refused = subprocess.run(command, cwd=workspace, env=aws.environment, capture_output=True, text=True)
    assert "cannot deploy a service to an undeployed environment" in refused.stderr
    assert aws.unknown_calls == []
    assert {call.partition(" ")[0] for call in aws.calls} == {"ssm", "sts", "cloudformation"}


def test_neither_git_nor_docker_is_within_copilots_reach(aws: OfflineAws) -> None:
    assert list(Path(aws.environment["PATH"]).iterdir()) == []


@pytest.mark.parametrize(
    ("service", "operation", "name"),
    [
        ("secretsmanager", "list_secrets", "secretsmanager ListSecrets"),  # JSON
        ("sns", "list_topics", "sns ListTopics"),  # query
        ("ec2", "describe_vpcs", "ec2 DescribeVpcs"),  # EC2's own query
        ("s3", "list_buckets", "s3.eu-west-1.amazonaws.com GET /"),  # REST
    ],
)
def test_an_unknown_call_is_refused_by_its_name_and_remembered(
    aws: OfflineAws, service: str, operation: str, name: str
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(_client(service), operation)()
    assert refused.value.response["Error"]["Code"] == "OfflineNotImplemented"
    assert name in refused.value.response["Error"]["Message"]
    assert len(aws.unknown_calls) == 1
    assert aws.unknown_calls[0].startswith(name)
    with pytest.raises(UnknownAwsCall, match=re.escape(name)):
        aws.check_calls()


def test_copilot_itself_names_an_unknown_call(workspace: Path, tmp_path: Path) -> None:
    ingress = "cdn: true\nhttp:\n  public:\n    ingress:\n      cdn: true\n"
    _write(workspace, "environments/test/manifest.yml", FILES["environments/test/manifest.yml"] + ingress)
    with pytest.raises(CopilotRefused, match="OfflineNotImplemented: ec2 DescribeManagedPrefixLists"):
        package(workspace, tmp_path / "out", REGION)


def test_the_stand_in_is_for_this_machine_only(aws: OfflineAws) -> None:
    proxy = urlsplit(aws.environment["HTTPS_PROXY"])
    listening = [each.laddr for each in psutil.Process().net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    assert [address.ip for address in listening if address.port == proxy.port] == ["127.0.0.1"]


def test_a_host_outside_aws_is_no_way_out(aws: OfflineAws) -> None:
    authority = aws.environment["AWS_CA_BUNDLE"]
    answers = [
        requests.get(f"{scheme}://example.invalid/metadata", verify=authority, timeout=10)
        for scheme in ("http", "https")
    ]
    assert [answer.status_code for answer in answers] == [501, 501]
    assert all(answer.text.startswith("<Error><Code>OfflineNotImplemented</Code>") for answer in answers)
    assert len(aws.unknown_calls) == 2


def test_what_does_not_exist_is_missing_in_awss_words(aws: OfflineAws) -> None:
    with pytest.raises(ClientError) as refused:
        _client("ssm").get_parameter(Name="/copilot/applications/other")
    assert refused.value.response["Error"]["Code"] == "ParameterNotFound"
    with pytest.raises(ClientError, match="Stack with id shop-other does not exist") as refused:
        _client("cloudformation").describe_stacks(StackName="shop-other")
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert aws.unknown_calls == []


def test_an_environment_has_the_stack_that_was_handed_over(aws: OfflineAws) -> None:
    cloudformation = _client("cloudformation")
    assert "bootstrap" in cloudformation.get_template_summary(StackName="shop-test")["Metadata"]
    aws.deploy_environment(
        "test",
        "Metadata: {Version: v1.2.3}\nParameters:\n  Zone: {Type: String}\nConditions:\n  C: !Equals [a, !Ref Zone]\n",
        {"Zone": "b"},
    )
    summary = cloudformation.get_template_summary(StackName="shop-test")
    assert YAML().load(summary["Metadata"]) == {"Version": "v1.2.3"}
    assert summary["Parameters"] == [{"ParameterKey": "Zone"}]
    (stack,) = cloudformation.describe_stacks(StackName="shop-test")["Stacks"]
    assert stack["Parameters"] == [{"ParameterKey": "Zone", "ParameterValue": "b"}]
    assert "bootstrap" in cloudformation.get_template_summary(StackName="shop-prod")["Metadata"]
    with pytest.raises(KeyError, match="other"):
        aws.deploy_environment("other", "Metadata: {}", {})


def test_copilot_is_looked_for_beside_python_and_then_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python/bin/python"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    with pytest.raises(UserMistake, match=r"at .*/python/bin/copilot or on PATH, found neither"):
        find_copilot()
    for folder in ("path", "python/bin"):
        program = _program(tmp_path / folder, "")
        assert find_copilot() == program


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("print('all is well')", "copilot env package --name prod: wrote no prod.env.yml: all is well"),
        ("out.mkdir(parents=True); (out / 'prod.env.yml').touch()", "wrote no prod.env.yml"),
        ("sys.exit(3)", "copilot env package --name prod: exit code 3"),
        ("import time; time.sleep(60)", "copilot env package --name prod: not done after 0.5 s"),
    ],
)
def test_a_program_that_packages_nothing_has_failed(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    python = sys.executable
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    _program(tmp_path, f"#!{python}\nimport pathlib, sys\nout = pathlib.Path(sys.argv[-1])\n{script}\n")
    monkeypatch.setattr(copilot_package, "COMMAND_SECONDS", 0.5)
    with pytest.raises(CopilotRefused, match=re.escape(words)):
        package(workspace, tmp_path / "out", REGION)


def test_what_rests_on_an_unknown_call_is_not_given_out(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """
        import pathlib, sys, urllib.error, urllib.request
        try:
            urllib.request.urlopen("http://example.invalid/prices")
        except urllib.error.HTTPError:
            pass
        out = pathlib.Path(sys.argv[-1])
        out.mkdir(parents=True, exist_ok=True)
        what, name = sys.argv[1], sys.argv[4]
        files = (
            [f"{name}.env.yml", f"{name}.env.params.json"]
            if what == "env"
            else [f"{name}-{sys.argv[6]}.stack.yml", f"{name}-{sys.argv[6]}.params.json"]
        )
        for file in files:
            (out / file).write_text('{"Parameters": {}}')
        """
    python = sys.executable
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    _program(tmp_path, f"#!{python}\n{textwrap.dedent(script)}")
    with pytest.raises(UnknownAwsCall, match=r"example\.invalid GET http://example\.invalid/prices"):
        package(workspace, tmp_path / "out", REGION)


def _program(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "copilot"
    file.write_text(text)
    file.chmod(0o755)
    return file


def _client(service: str) -> Any:
    """AWS's own client, as the environment sets it up."""
    return boto3.Session().client(service)  # type: ignore[call-overload]


def _yaml(file: Path) -> Any:
    return YAML().load(file)


def _values(file: Path) -> Any:
    return json.loads(file.read_text())["Parameters"]


def _write(workspace: Path, name: str, text: str) -> None:
    file = workspace / "copilot" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text))


def _edit(workspace: Path, name: str, written: str, mistaken: str) -> None:
    file = workspace / "copilot" / name
    text = file.read_text()
    assert written in text
    file.write_text(text.replace(written, mistaken))
