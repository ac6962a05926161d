"""`make model-image` with Docker and AWS played: what is asked of them, and what a user is told."""

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployment.environment import Environment
from deployment.model_image import MANIFEST, Programs, push_model_image
from pipeline.errors import Unavailable, UserMistake

REPOSITORY = Path(__file__).parents[2]
URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/tweet-alerts-test/model"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
PASSWORD = "password-that-no-argument-may-show"

#: Notes its arguments and what it is given on standard input, and fails where the file `fails` says so.
PLAYED_DOCKER = """#!{python}
import json, pathlib, sys
folder = pathlib.Path(__file__).parent
given = sys.stdin.read() if "--password-stdin" in sys.argv else ""
with open(folder / "calls", "a") as calls:
    calls.write(json.dumps([sys.argv[1:], given]) + "\\n")
failing = (folder / "fails").read_text().split() if (folder / "fails").exists() else []
sys.exit(3 if sys.argv[1] in failing else 0)
"""


class PlayedDocker:
    """A program of that name, alone on a PATH, and what it was called with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        program = folder / "docker"
        program.write_text(PLAYED_DOCKER.format(python=sys.executable))
        program.chmod(0o755)
        self.programs = Programs(REPOSITORY, {"PATH": str(folder)})

    def fail_at(self, *subcommands: str) -> None:
        (self._folder / "fails").write_text(" ".join(subcommands))

    @property
    def calls(self) -> list[tuple[list[str], str]]:
        noted = self._folder / "calls"
        return [tuple(json.loads(line)) for line in noted.read_text().splitlines()] if noted.exists() else []


class PlayedEcr:
    """A repository in which an image appears with each push; ``manifest`` is its format."""

    def __init__(self, is_pushed: Callable[[], bool], manifest: str) -> None:
        self._is_pushed = is_pushed
        self._manifest = manifest

    def describe_images(self, **request: Any) -> dict[str, Any]:
        assert request == {"repositoryName": "tweet-alerts-test/model", "imageIds": [{"imageTag": "1e5"}]}
        if not self._is_pushed():
            raise ClientError({"Error": {"Code": "ImageNotFoundException"}}, "DescribeImages")
        return {"imageDetails": [{"imageManifestMediaType": self._manifest}]}

    def get_authorization_token(self) -> dict[str, Any]:
        return {"authorizationData": [{"authorizationToken": base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()}]}


@pytest.fixture
def docker(tmp_path: Path) -> PlayedDocker:
    return PlayedDocker(tmp_path)


def environment(ecr: PlayedEcr) -> Environment:
    class CloudFormation:
        def get_paginator(self, _name: str) -> Any:
            return self

        def paginate(self) -> Any:
            return [{"Exports": [{"Name": "tweet-alerts-test-ModelRepositoryUri", "Value": URI}]}]

    clients: dict[str, Any] = {"ecr": ecr, "cloudformation": CloudFormation()}
    return Environment("test", "environment test", "deploy it", "logs", clients.__getitem__)


def push(docker: PlayedDocker, manifest: str = MANIFEST, *, is_there: bool = False) -> str:
    output = io.StringIO()
    ecr = PlayedEcr(lambda: is_there or any(call[0][0] == "push" for call in docker.calls), manifest)
    push_model_image(environment(ecr), docker.programs, "1e5", output)
    return output.getvalue()


def test_the_image_is_built_for_sagemaker_and_pushed_and_the_next_step_is_told(docker: PlayedDocker) -> None:
    assert push(docker) == ("put into copilot/environments/addons/addons.parameters.yml:\n  OwnModelImageTag: '1e5'\n")
    _version, (build, _), (login, password), (pushed, _) = docker.calls
    assert build[:2] == ["buildx", "build"]
    assert {"--provenance=false", "--sbom=false", "linux/amd64", "REVISION=1e5", f"{URI}:1e5"} <= set(build)
    assert build[build.index("--output") + 1] == "type=docker"
    assert (REPOSITORY / build[build.index("--file") + 1]).is_file()
    assert login == ["login", "--username", "AWS", "--password-stdin", URI.partition("/")[0]]
    assert password == PASSWORD
    assert pushed == ["push", f"{URI}:1e5"]
    assert PASSWORD not in str([arguments for arguments, _ in docker.calls])


def test_without_buildx_docker_builds_as_it_always_did(docker: PlayedDocker) -> None:
    docker.fail_at("buildx")
    push(docker)
    assert docker.calls[1][0][:2] == ["build", "--platform"]


def test_an_image_that_is_there_is_neither_built_nor_pushed(docker: PlayedDocker) -> None:
    assert push(docker, is_there=True).startswith(f"{URI}:1e5 is there already\nput into ")
    assert docker.calls == []


@pytest.mark.parametrize("is_there", [False, True])
def test_a_format_that_sagemaker_refuses_is_told_before_an_endpoint_fails(docker: PlayedDocker, is_there: bool) -> None:
    with pytest.raises(Unavailable, match=rf"expected a manifest of type {MANIFEST.replace('+', '.')}, found .*index"):
        push(docker, OCI_INDEX, is_there=is_there)


@pytest.mark.parametrize(("step", "calls"), [("login", 3), ("push", 4)])
def test_a_step_that_fails_is_the_last(docker: PlayedDocker, step: str, calls: int) -> None:
    docker.fail_at(step)
    with pytest.raises(Unavailable, match=rf"^docker {step}: expected exit code 0, got 3$"):
        push(docker)
    assert len(docker.calls) == calls


def test_no_docker_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match=r"^PATH: expected the program docker there, found none$"):
        Programs(REPOSITORY, {"PATH": str(tmp_path)}).push("image")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with one commit that holds what the image is made of."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "server.py").write_text("first")
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "--message", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def programs_in(folder: Path) -> Programs:
    # a hook that runs the tests tells git of another repository
    return Programs(folder, {name: value for name, value in os.environ.items() if not name.startswith("GIT_")})


def test_the_tag_is_the_revision_that_is_checked_out(clone: Path) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=clone, check=True, capture_output=True, text=True).stdout
    (clone / "README.md").write_text("not part of the image")
    assert head.startswith(programs_in(clone).revision())


def test_changes_that_no_revision_names_ask_for_a_tag(clone: Path) -> None:
    (clone / "model" / "server.py").write_text("second")
    with pytest.raises(UserMistake, match=r"^TAG: expected a tag, as model/server\.py has changes that no revision"):
        programs_in(clone).revision()


def test_a_folder_that_is_no_clone_asks_for_a_tag(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match=r"^TAG: expected a tag, as this folder is no clone"):
        programs_in(tmp_path).revision()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "model-image: ENV: expected the name of an environment in AWS, got nothing: make model-image ENV=test\n"),
        (["--env", "local"], "model-image: ENV: expected the name of an environment in AWS, got local: "),
        (["--env=test", "--tag=-x"], "model-image: TAG: expected letters, digits, '_', '.' and '-', at most 128, got "),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], line: str) -> None:
    command = [sys.executable, "-m", "deployment.model_image", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
