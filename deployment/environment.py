"""One environment of the application: in AWS, or the compose system on this machine.

CloudFormation's exports tell where everything is, so that nobody ever pastes an address.
"""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import UserMistake
from pipeline.text import cut

#: The application's name in copilot/.workspace, with which the names of all exports begin.
APP = "tweet-alerts"
#: The environment that compose.yaml makes in LocalStack.
LOCAL = "local"

_LOCAL_REGION = "us-east-1"
_LOCAL_PORT = "4566"
#: Seconds to connect, and to wait for an answer beyond what a long poll may take by itself.
_CONNECT_TIMEOUT = 5.0
_READ_TIMEOUT = 15.0
_ATTEMPTS = 3
_REASON_LENGTH = 300


@dataclass(frozen=True)
class Environment:
    """Where an environment's resources are. ``place`` names it in messages, ``remedy`` says what makes it be there."""

    name: str
    place: str
    remedy: str
    _logs: str
    _client: Callable[[str], Any]

    def client(self, service: str) -> Any:
        """A boto3 client that is tied to this environment's region."""
        return self._client(service)

    def logs_command(self, service: str) -> str:
        """The command that shows a service's logs."""
        return self._logs.format(service=service)

    def export(self, output: str) -> str:
        """The value that one of its stacks exports as ``<app>-<environment>-<output>``. Raises UserMistake."""
        value = self.optional_export(output)
        if value is None:
            raise UserMistake(
                f"{self.place}: expected the export {self._export_name(output)}, found none; {self.remedy}"
            )
        return value

    def optional_export(self, output: str) -> str | None:
        """The same; None where there is no such export. Raises UserMistake where exports cannot be read."""
        return self._exports.get(self._export_name(output))

    def _export_name(self, output: str) -> str:
        return f"{APP}-{self.name}-{output}"

    @functools.cached_property
    def _exports(self) -> Mapping[str, str]:
        try:
            pages = self.client("cloudformation").get_paginator("list_exports").paginate()
            return {export["Name"]: export["Value"] for page in pages for export in page["Exports"]}
        except (BotoCoreError, ClientError) as error:
            hint = f"; {self.remedy}, and EMULATOR_PORT names another port" if self.name == LOCAL else ""
            raise UserMistake(
                f"{self.place}: expected an answer with CloudFormation's exports, got: {one_line(error)}{hint}"
            ) from error


def find_environment(name: str | None, environ: Mapping[str, str]) -> Environment:
    """The environment of this name in AWS; without a name, or as ``local``, the compose system. Raises UserMistake."""
    return _in_aws(name, environ) if name and name != LOCAL else _on_this_machine(environ)


def one_line(error: Exception) -> str:
    """What an error of botocore's says, on one line of bounded length."""
    return cut(" ".join(str(error).split()), _REASON_LENGTH)


def _in_aws(name: str, environ: Mapping[str, str]) -> Environment:
    """With the credentials and the region that boto3 finds; AWS_REGION counts first, as for the AWS CLI and Copilot."""
    try:
        session = boto3.session.Session(region_name=environ.get("AWS_REGION") or None)
        region = session.region_name
    except BotoCoreError as error:
        raise UserMistake(f"environment: AWS_PROFILE, AWS_CONFIG_FILE: {one_line(error)}") from error
    if not region:
        raise UserMistake(
            "environment: AWS_REGION: expected a region such as eu-west-1, got nothing, and the AWS profile has none"
        )
    return Environment(
        name=name,
        place=f"environment {name} in {region}",
        remedy=f"deploy it: copilot env deploy --name {name}",
        _logs=f"copilot svc logs --name {{service}} --env {name}",
        _client=functools.cache(lambda service: _client(session, service, Config(region_name=region))),
    )


def _on_this_machine(environ: Mapping[str, str]) -> Environment:
    """With credentials that are of no worth anywhere; neither a proxy nor an AWS profile may change where calls go."""
    port = environ.get("EMULATOR_PORT") or _LOCAL_PORT
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise UserMistake(f"environment: EMULATOR_PORT: expected a port from 1 to 65535, got {port!r}")
    url = f"http://127.0.0.1:{port}"
    unset = (None, None, None, None)
    no_file = (None, None, os.devnull, None)
    session = boto3.session.Session(
        aws_access_key_id=LOCAL,
        aws_secret_access_key=LOCAL,
        region_name=_LOCAL_REGION,
        botocore_session=botocore.session.Session(
            session_vars={"profile": unset, "config_file": no_file, "credentials_file": no_file}
        ),
    )
    return Environment(
        name=LOCAL,
        place=f"environment {LOCAL} at {url}",
        remedy="start it: docker compose up --wait",
        _logs="docker compose logs {service}",
        _client=functools.cache(lambda service: _client(session, service, Config(proxies={}), url)),
    )


def _client(session: boto3.session.Session, service: str, config: Config, url: str | None = None) -> Any:
    bounds = Config(
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=_READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        user_agent_extra=APP,
    )
    try:
        return session.client(service, endpoint_url=url, config=config.merge(bounds))  # type: ignore[call-overload]
    except (BotoCoreError, ValueError) as error:
        # botocore checks region and endpoint here, and each error names what it is about
        raise UserMistake(
            f"environment: AWS_REGION, AWS_ENDPOINT_URL*: expected what boto3 accepts, got: {one_line(error)}"
        ) from error
