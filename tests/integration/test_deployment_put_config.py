"""The configuration's way into an environment, as a process of its own, on the emulator's S3 and ECS."""

import base64
import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.alerts_config import read_alerts_config
from tests.support.emulator import Emulator
from tests.support.state_bucket import make_state_bucket

SECONDS = 60.0
KEY = "config/alerts.yaml"
FILE = Path(KEY)
_numbers = itertools.count()


class Target:
    """An environment with a bucket and nothing else; ``run`` is the command on it."""

    def __init__(self, emulator: Emulator, env: str) -> None:
        self.env = env
        self.bucket = make_state_bucket(emulator, env)
        self.s3, self.ecs = emulator.client("s3"), emulator.client("ecs")
        self.variables = {**emulator.environment, "AWS_ENDPOINT_URL": emulator.url}

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "deployment.put_config", *arguments],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), *sys.path])),
                **self.variables,
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done

    def put(self, *arguments: str) -> list[str]:
        """What the command says when it succeeds."""
        done = self.run("--env", self.env, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    def versions(self) -> list[str]:
        """Newest first."""
        versions = self.s3.list_object_versions(Bucket=self.bucket, Prefix=KEY).get("Versions", [])
        return [version["VersionId"] for version in versions]

    def make_service(self, service: str, env: str | None = None) -> tuple[str, str]:
        """As Copilot names and tags it; its cluster and ARN."""
        env = env or self.env
        cluster = f"tweet-alerts-{env}-Cluster-x"
        self.ecs.create_cluster(clusterName=cluster)
        self.ecs.register_task_definition(family=service, containerDefinitions=[{"name": service, "image": "none"}])
        tags = {"copilot-application": "tweet-alerts", "copilot-environment": env, "copilot-service": service}
        made = self.ecs.create_service(
            cluster=cluster,
            serviceName=f"tweet-alerts-{env}-{service}-Service-{next(_numbers)}",
            taskDefinition=service,
            desiredCount=0,
            tags=[{"key": key, "value": value} for key, value in tags.items()],
        )
        return cluster, made["service"]["serviceArn"]

    def deployments(self, service: tuple[str, str]) -> set[str]:
        """Ids; a restart makes a new one, and without tasks the one before is over at once."""
        (described,) = self.ecs.describe_services(cluster=service[0], services=[service[1]])["services"]
        return {deployment["id"] for deployment in described["deployments"]}


@pytest.fixture
def target(emulator: Emulator) -> Target:
    return Target(emulator, f"config{next(_numbers)}")


def test_the_file_is_put_whole_and_checked(target: Target) -> None:
    config = read_alerts_config(FILE)
    lines = target.put()
    (version,) = target.versions()
    assert lines[:2] == [
        f"config/alerts.yaml is right: {len(config.labels)} labels, {len(config.channels)} channels",
        f"s3://{target.bucket}/{KEY} put: version {version}, the first one there",
    ]
    stored = target.s3.get_object(Bucket=target.bucket, Key=KEY, ChecksumMode="ENABLED")
    content = stored["Body"].read()
    assert content == FILE.read_bytes()
    assert stored["ContentType"] == "application/yaml"
    assert stored["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(content).digest()).decode()


def test_the_same_again_is_not_put(target: Target) -> None:
    target.put()
    (version,) = target.versions()
    assert f"s3://{target.bucket}/{KEY} is the same already: version {version}" in target.put()
    assert target.versions() == [version]


def test_another_file_becomes_a_version_that_differs(target: Target, tmp_path: Path) -> None:
    target.put()
    (earlier,) = target.versions()
    file = tmp_path / "other.yaml"
    # line ends and the last byte as they are
    content = FILE.read_bytes().replace(b"threshold: 0.5\n", b"threshold: 0.45\r\n") + b"# ends without a line end"
    file.write_bytes(content)
    lines = target.put("--file", str(file))
    latest = next(version for version in target.versions() if version != earlier)
    assert f"s3://{target.bucket}/{KEY} put: version {latest}, differs from version {earlier}" in lines
    assert target.s3.get_object(Bucket=target.bucket, Key=KEY)["Body"].read() == content


def test_its_readers_restart_on_request_and_nothing_else_does(target: Target) -> None:
    readers = {name: target.make_service(name) for name in ("classifier", "notifier")}
    others = [target.make_service("stream-getter"), target.make_service("classifier", env=f"{target.env}-other")]
    before = {service: target.deployments(service) for service in (*readers.values(), *others)}
    lines = target.put("--restart")
    for name, service in readers.items():
        assert not target.deployments(service) & before[service]
        assert f"{name} restarts: copilot svc status --name {name} --env {target.env}" in lines
    for service in others:
        assert target.deployments(service) == before[service]


def test_an_unchanged_file_restarts_its_readers_too(target: Target) -> None:
    target.put()
    service = target.make_service("classifier")
    before = target.deployments(service)
    target.put("--restart")
    assert not target.deployments(service) & before


def test_readers_are_left_to_notice_it_by_themselves(target: Target) -> None:
    service = target.make_service("classifier")
    before = target.deployments(service)
    assert target.put()[2:] == [
        "classifier and notifier look for it every 10 s (CONFIG_RELOAD_SECONDS), and say so in their logs"
    ]
    assert target.deployments(service) == before


def test_services_that_are_not_there_or_not_any_more_are_told(target: Target) -> None:
    cluster, arn = target.make_service("classifier")
    target.ecs.delete_service(cluster=cluster, service=arn, force=True)
    lines = target.put("--restart")
    for name in ("classifier", "notifier"):
        assert (
            f"{name} reads it when it is deployed: environment {target.env} in us-east-1 has no ECS service of that tag"
        ) in lines


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("threshold: 0.5", "threshold: 5"), "labels[0].threshold: expected a number from 0 to 1, got 5"),
        (("desk]", "dsek]"), "routes[0].channels: expected a channel of this file (terminal, desk), got 'dsek'"),
    ],
)
def test_a_mistake_in_the_file_changes_nothing(
    target: Target, tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    service = target.make_service("classifier")
    before = target.deployments(service)
    file = tmp_path / "alerts.yaml"
    file.write_text(FILE.read_text().replace(*change, 1))
    done = target.run("--env", target.env, "--file", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"config: {file}: {said}\n")
    assert target.versions() == []
    assert target.deployments(service) == before


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            (),
            "ENV: expected the name of an environment in AWS, got nothing: make config ENV=test "
            "(compose mounts config/, and reads it anew within 10 s)",
        ),
        (
            ("--env", "local"),
            "ENV: expected the name of an environment in AWS, got local: make config ENV=test "
            "(compose mounts config/, and reads it anew within 10 s)",
        ),
        (
            ("--env", "nowhere"),
            "environment nowhere in us-east-1: expected the export tweet-alerts-nowhere-StateBucketName, found none; "
            "deploy it: copilot env deploy --name nowhere",
        ),
        (
            ("--env", "nowhere", "--file", "no/such.yaml"),
            "no/such.yaml: expected a readable file, got: No such file or directory",
        ),
    ],
    ids=["no ENV", "compose", "no environment", "no file"],
)
def test_a_mistake_is_one_line(target: Target, arguments: tuple[str, ...], line: str) -> None:
    done = target.run(*arguments)
    assert (done.returncode, done.stderr) == (2, f"config: {line}\n")
    assert target.versions() == []


def test_a_bucket_that_is_gone_is_told_in_one_line(target: Target) -> None:
    target.s3.delete_bucket(Bucket=target.bucket)
    done = target.run("--env", target.env)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    place = f"s3://{target.bucket}/{KEY}"
    assert line.startswith(f"config: {place}: expected an object that can be read, got: NoSuchBucket")
