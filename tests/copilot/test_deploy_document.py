"""Commands in docs/deploy.md and security.md: executed, or else held against the programs that they call."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from deployment.copilot_package import PackagedWorkspace, find_copilot
from deployment.offline_aws import OfflineAws
from pipeline.dead_letters.arguments import options_from
from simulator import Settings, Simulator
from tests.support.aws_cli import NotAccepted as NotAcceptedByAws
from tests.support.aws_cli import check_aws_command
from tests.support.copilot_cli import NotAccepted as NotAcceptedByCopilot
from tests.support.copilot_cli import check_copilot_command
from tests.support.copilot_templates import environment_exports, packaged_service
from tests.support.repository_copy import REPOSITORY, copy_repository
from tests.support.shell_blocks import Block, commands, fenced_blocks

DEPLOY = REPOSITORY / "docs" / "deploy.md"
SECURITY = REPOSITORY / "docs" / "security.md"
EXECUTED = "sh"
NEEDS_AWS = "sh needs-aws"
TOKEN = "token-of-the-simulator"
#: Seconds for all executed blocks; some 10 are taken.
SECONDS = 300

BLOCKS = fenced_blocks(DEPLOY)
ALL_BLOCKS = [*BLOCKS, *fenced_blocks(SECURITY)]
COMMANDS = [words for block in ALL_BLOCKS for words in commands(block.text)]
#: What the shell itself knows, programs that the first table asks for, and functions of the document.
SHELL = {"for", "done", "fi", "break", "export", "local", "read", "printf", "true"}
PIPELINE = ".venv/bin/pipeline"
STREAM_GETTER = ".venv/bin/stream-getter"
PROGRAMS = {PIPELINE, STREAM_GETTER, "aws", "basename", "cat", "copilot", "curl", "docker", "git", "grep", "make"}
FUNCTIONS = {"deploy", "exported"}


class Done(NamedTuple):
    """The executed blocks' ends: where they ran, what they printed, and the rules that are left."""

    folder: Path
    printed: list[str]
    rules: list[str]


def called(program: str) -> list[list[str]]:
    return [words for words in COMMANDS if words[0] == program]


def looped_over(variable: str) -> list[list[str]]:
    """The words of each loop with this variable."""
    return [words[3:] for words in COMMANDS if words[:3] == ["for", variable, "in"]]


def test_each_block_is_executed_or_says_that_it_needs_aws() -> None:
    assert {block.mark for block in BLOCKS} == {EXECUTED, NEEDS_AWS}
    assert {block.mark for block in fenced_blocks(SECURITY)} == {NEEDS_AWS}


@pytest.mark.parametrize("document", [DEPLOY, SECURITY], ids=lambda path: path.name)
def test_no_command_hides_outside_of_a_block(document: Path) -> None:
    outside = re.sub(r"(?ms)^```.*?^```$", "", document.read_text(encoding="utf-8"))
    assert not re.findall(r"^(?: {4}|\t)\S.*$|^~~~.*$", outside, re.MULTILINE)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """What the blocks that need no account lead to, one after the other in one shell."""
    folder = copy_repository(tmp_path_factory.mktemp("deploy") / "repository")
    script = "\nprintf '\\0'\n".join(block.text for block in BLOCKS if block.mark == EXECUTED)
    with Simulator(Settings(bearer_token=TOKEN, project_usage=1234)) as simulator:
        bare = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        finished = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env={**bare, "HOME": str(folder), "X_API_URL": simulator.url, "X_BEARER_TOKEN": TOKEN},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert finished.returncode == 0, finished.stderr
        rules = requests.get(
            f"{simulator.url}/2/tweets/search/stream/rules",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=10,
            proxies={"http": ""},
        ).json()
    return Done(folder, finished.stdout.split("\0"), [rule["value"] for rule in rules.get("data", [])])


def printed_by(done: Done, part: str) -> str:
    """What the executed block that holds ``part`` printed."""
    executed = [block.text for block in BLOCKS if block.mark == EXECUTED]
    (number,) = [number for number, text in enumerate(executed) if part in text]
    return done.printed[number]


def test_the_first_block_makes_templates_and_finds_copilot(done: Done) -> None:
    printed = printed_by(done, "copilot --version")
    assert "dist/cloudformation/registry.yml" in printed
    assert "v1.34.1" in printed


def test_rules_are_checked_planned_added_and_listed(done: Done) -> None:
    rule = "(earthquake OR tremor) lang:en -is:retweet"
    assert printed_by(done, "rules check").count(rule) >= 2
    assert done.rules == [rule]
    assert '"1234"' in printed_by(done, "/2/usage/tweets")


def test_one_zone_has_one_gateway_in_all_environments(done: Done) -> None:
    for environment in ("test", "prod"):
        template = (done.folder / "dist" / "cloudformation" / environment / "environment.yml").read_text()
        assert template.count("AWS::EC2::NatGateway") == 1


def test_the_files_that_plain_deploys_name_are_made(done: Done) -> None:
    (*_, services) = [words for words in looped_over("service") if "stream-getter" in words[-1:]]
    for environment in ("test", "prod"):
        folder = done.folder / "dist" / "cloudformation" / environment
        stacks = {"environment": f"tweet-alerts-{environment}"}
        stacks |= {service: f"tweet-alerts-{environment}-{service}" for service in services}
        made = {path.stem for path in folder.glob("*.yml")}
        assert {name for name in made if not name.endswith("-addons")} == stacks.keys()
        for kind in ("parameters", "tags"):
            assert {path.stem for path in (folder / kind).glob("*.json")} == set(stacks.values())


def test_the_images_that_are_pushed_are_those_that_repositories_are_made_for(done: Done) -> None:
    (folders,) = looped_over("folder")
    registry = (done.folder / "dist" / "cloudformation" / "registry.yml").read_text()
    repositories = re.findall(r"RepositoryName: \S+/(\S+)$", registry, re.MULTILINE)
    assert sorted(Path(folder).name for folder in folders) == sorted(repositories)
    for folder in folders:
        assert (REPOSITORY / folder / "Dockerfile").is_file()


@pytest.mark.parametrize("block", ALL_BLOCKS, ids=lambda block: f"line {block.line}")
def test_each_block_is_right_for_bash(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_is_of_a_known_program() -> None:
    assert {words[0] for words in COMMANDS} == SHELL | PROGRAMS | FUNCTIONS


@pytest.mark.parametrize("words", called("copilot"), ids=" ".join)
def test_copilot_has_the_command_and_its_flags(words: list[str]) -> None:
    check_copilot_command(words)


@pytest.mark.parametrize("words", called("aws"), ids=lambda words: " ".join(words[1:3]))
def test_the_aws_cli_has_the_command_and_its_options(words: list[str]) -> None:
    check_aws_command(words)


@pytest.mark.parametrize("words", called(PIPELINE), ids=lambda words: " ".join(words[1:4]))
def test_the_pipeline_command_takes_its_options(words: list[str]) -> None:
    options_from(words[1:])


def test_the_pipeline_command_lies_where_the_document_says() -> None:
    assert called(PIPELINE)
    assert (Path(sysconfig.get_path("scripts")) / "pipeline").is_file()


@pytest.mark.parametrize("words", called("make"), ids=" ".join)
def test_make_has_the_target_and_its_variables(words: list[str]) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    target, *variables = words[1:]
    recipe = re.search(rf"^{re.escape(target)}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe, f"no target {target}"
    for variable in variables:
        assert f"$({variable.partition('=')[0]})" in recipe[1]


def test_what_is_looked_up_is_exported_by_the_environment(packaged: PackagedWorkspace) -> None:
    names = {words[1] for words in called("exported") if len(words) > 1}
    assert names
    for environment, files in packaged.environments.items():
        assert {f"tweet-alerts-{environment}-{name}" for name in names} <= environment_exports(files).keys()


def test_the_secrets_are_those_that_tasks_read(packaged: PackagedWorkspace) -> None:
    read = {
        secret["ValueFrom"].rpartition("/")[2]
        for service in packaged.environments["test"].services
        for container in packaged_service(packaged, "test", service)["Resources"]["TaskDefinition"]["Properties"][
            "ContainerDefinitions"
        ]
        for secret in container.get("Secrets", [])
        if "/secrets/" in secret["ValueFrom"]
    }
    assert {words[words.index("--name") + 1] for words in called("copilot") if words[1] == "secret"} == read
    assert [set(words) for words in looped_over("secret")] == [read]
    (deleted,) = [words for words in called("aws") if words[2] == "delete-parameters"]
    assert {name.rpartition("/")[2] for name in deleted[4:]} == read


def test_copilot_takes_secrets_only_once_the_environment_is_deployed(tmp_path: Path) -> None:
    command = ["secret", "init", "--name", "X_BEARER_TOKEN", "--values", "test=none"]
    with OfflineAws(REPOSITORY, tmp_path, "eu-west-1") as aws:
        refused = subprocess.run(
            [find_copilot(), *command], cwd=REPOSITORY, env=aws.environment, capture_output=True, text=True, timeout=60
        )
        aws.check_calls()
    assert refused.returncode == 1
    assert 'version "bootstrap" which does not support the "secret init" feature' in refused.stderr
    first = {tuple(words[1:3]): number for number, words in reversed([*enumerate(called("copilot"))])}
    assert first["app", "init"] < first["env", "init"] < first["env", "deploy"] < first["secret", "init"]
    assert first["secret", "init"] < first["svc", "init"] < first["svc", "deploy"]


def test_every_service_is_deployed_and_deleted(packaged: PackagedWorkspace) -> None:
    services = packaged.environments["test"].services.keys()
    deployed, taken_over, deleted = (set(words) for words in looped_over("service"))
    assert deployed == services - {"stream-getter"}
    assert ["copilot", "svc", "deploy", "--name", "stream-getter", "--env", "$ENVIRONMENT"] in COMMANDS
    assert taken_over == deleted == services
    assert [set(words) for words in looped_over("stack")] == [services]


@pytest.mark.parametrize(
    "line",
    [
        "copilot svc deploi --name classifier",
        "copilot svc deploy --name classifier --environment test",
        "copilot svc deploy classifier",
        "copilot env init --name",
        "copilot secret init X_BEARER_TOKEN",
    ],
)
def test_copilots_check_refuses_what_copilot_would(line: str) -> None:
    with pytest.raises(NotAcceptedByCopilot):
        check_copilot_command(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "aws sqss purge-queue --queue-url u",
        "aws sqs purge-queues --queue-url u",
        "aws sqs purge-queue --queue u",
        "aws sqs purge-queue",
        "aws sqs purge-queue --queue-url u v",
        "aws sns subscribe --topic-arn a --protocol email --endpoint b",
        "aws ssm get-parameter --name n --with-decryption yes",
        'aws ssm start-session --target t --parameters {"portNumber":"3000"}',
        "aws ecs list-tasks --query taskArns[",
        "aws cloudformation deploy --stack-name s --template f",
        "aws cloudformation wait stack-deleted --stack-name s",
    ],
)
def test_the_aws_check_refuses_what_the_cli_would(line: str) -> None:
    with pytest.raises(NotAcceptedByAws):
        check_aws_command(line.split())
