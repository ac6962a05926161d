"""The command behind `make model-image`: builds the image of model/ and pushes it to an environment's repository.

    python -m deployment.model_image --env ENV [--tag TAG]

SageMaker takes an image manifest of Docker's own format and nothing else: neither an index, which BuildKit makes as
soon as it attests where an image comes from, nor a manifest in OCI's format, which Docker's containerd image store may
make (moby/buildkit, issue "Unsupported Manifest Media in AWS Sagemaker"). So no attestations are asked for, and what
has arrived is looked at.

It needs these rights: cloudformation:ListExports, ecr:GetAuthorizationToken; on the repository ecr:DescribeImages,
BatchCheckLayerAvailability, InitiateLayerUpload, UploadLayerPart, CompleteLayerUpload and PutImage.
"""

import argparse
import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from botocore.exceptions import ClientError

from deployment.command import exit_with
from deployment.environment import LOCAL, Environment, find_environment
from pipeline.errors import Unavailable, UserMistake

#: What the image is made of, seen from the repository's root; see model/Dockerfile.
CONTENT = ("model", "requirements/model.lock", ".dockerignore")
#: The output that names the repository.
REPOSITORY_OUTPUT = "ModelRepositoryUri"
#: SageMaker's endpoints of this project run on x86 instances.
PLATFORM = "linux/amd64"
#: The one format that SageMaker takes.
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

_REPOSITORY = Path(__file__).parents[1]
_PARAMETERS = "copilot/environments/addons/addons.parameters.yml"
#: OCI Distribution Specification, "Pulling manifests": what a tag may be.
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


def main() -> None:
    """Exits with 0 when the image lies there, with 1 when Docker or AWS refused, with 2 for a mistake."""
    exit_with("model-image", lambda: _main(sys.argv[1:], os.environ, sys.stdout))


def _main(arguments: Sequence[str], environ: Mapping[str, str], output: TextIO) -> int:
    parser = argparse.ArgumentParser(prog="model-image", description="Pushes our own model to an environment in AWS.")
    parser.add_argument("--env", help="an environment in AWS")
    parser.add_argument("--tag", help="the image's tag (default: the revision that is checked out)")
    options = parser.parse_args(arguments)
    if not options.env or options.env == LOCAL:
        raise UserMistake(
            f"ENV: expected the name of an environment in AWS, got {options.env or 'nothing'}: "
            "make model-image ENV=test"
        )
    programs = Programs(_REPOSITORY, environ)
    tag = options.tag or programs.revision()
    if not _TAG.fullmatch(tag):
        raise UserMistake(f"TAG: expected letters, digits, '_', '.' and '-', at most 128, got {tag!r}")
    push_model_image(find_environment(options.env, environ), programs, tag, output)
    return 0


def push_model_image(environment: Environment, programs: "Programs", tag: str, output: TextIO) -> None:
    """Builds and pushes unless the tag is there already, and prints the line that makes the endpoint run the image.

    Raises UserMistake, Unavailable where Docker fails or the image has a format that SageMaker refuses, and botocore's
    errors.
    """
    ecr = environment.client("ecr")
    uri = environment.export(REPOSITORY_OUTPUT)
    image = f"{uri}:{tag}"
    manifest = _manifest_of(ecr, uri, tag)
    if manifest:
        # the repository's tags are immutable, so a second push would be refused
        output.write(f"{image} is there already\n")
    else:
        programs.build(image, tag)
        programs.log_in(uri.partition("/")[0], *_credentials(ecr))
        programs.push(image)
        manifest = _manifest_of(ecr, uri, tag)
    if manifest != MANIFEST:
        raise Unavailable(
            f"{image}: expected a manifest of type {MANIFEST}, found {manifest or 'none'}, which SageMaker refuses: "
            "switch Docker's containerd image store off, and push again with another TAG"
        )
    # quoted: a revision may look like a number
    output.write(f"put into {_PARAMETERS}:\n  OwnModelImageTag: '{tag}'\n")


def _manifest_of(ecr: Any, uri: str, tag: str) -> str | None:
    try:
        answer = ecr.describe_images(repositoryName=uri.partition("/")[2], imageIds=[{"imageTag": tag}])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ImageNotFoundException":
            return None
        raise
    return str(answer["imageDetails"][0]["imageManifestMediaType"])


def _credentials(ecr: Any) -> tuple[str, str]:
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    return user, password


@dataclass(frozen=True)
class Programs:
    """Git and Docker in the repository's folder. What Docker says goes to the terminal as it comes."""

    folder: Path
    environ: Mapping[str, str]

    def revision(self) -> str:
        """The revision that is checked out, short. Raises UserMistake where it does not tell what the image is of."""
        changed = self._git("status", "--porcelain", "--", *CONTENT)
        if changed:
            raise UserMistake(
                f"TAG: expected a tag, as {changed.split()[1]} has changes that no revision names: "
                "commit them, or make model-image TAG=..."
            )
        return self._git("rev-parse", "--short", "HEAD")

    def build(self, image: str, revision: str) -> None:
        """Builds model/Dockerfile. Raises Unavailable."""
        content = ["--platform", PLATFORM, "--build-arg", f"REVISION={revision}", "--file", "model/Dockerfile"]
        has_buildx = self._run(["docker", "buildx", "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if has_buildx.returncode == 0:
            command = ["docker", "buildx", "build", "--provenance=false", "--sbom=false", "--output", "type=docker"]
        else:
            # what builds instead of it has never heard of attestations
            command = ["docker", "build"]
        self._docker([*command, *content, "--tag", image, "."])

    def log_in(self, registry: str, user: str, password: str) -> None:
        """For twelve hours, by what Docker keeps credentials in. Raises Unavailable."""
        self._docker(["docker", "login", "--username", user, "--password-stdin", registry], password)

    def push(self, image: str) -> None:
        """Raises Unavailable."""
        self._docker(["docker", "push", image])

    def _docker(self, command: Sequence[str], stdin: str | None = None) -> None:
        done = self._run(command, input=stdin, text=True)
        if done.returncode:
            raise Unavailable(f"{' '.join(command[:2])}: expected exit code 0, got {done.returncode}")

    def _git(self, *arguments: str) -> str:
        done = self._run(["git", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if done.returncode:
            raise UserMistake("TAG: expected a tag, as this folder is no clone whose revision git could tell")
        return str(done.stdout).strip()

    def _run(self, command: Sequence[str], **how: Any) -> subprocess.CompletedProcess[Any]:
        program = shutil.which(command[0], path=self.environ.get("PATH"))
        if program is None:
            raise UserMistake(f"PATH: expected the program {command[0]} there, found none")
        return subprocess.run(  # noqa: S603 - git and docker, with arguments of this module
            [program, *command[1:]], cwd=self.folder, env=dict(self.environ), check=False, **how
        )


if __name__ == "__main__":
    main()
