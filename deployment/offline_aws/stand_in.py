"""The stand-in as a whole: the services behind the proxy, the calls that came, the environment of a child process."""

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from deployment.offline_aws.account import Account
from deployment.offline_aws.calls import (
    Answer,
    AwsError,
    Call,
    Document,
    NotAnswered,
    read_call,
    write_error,
    write_result,
)
from deployment.offline_aws.certificates import Certificates
from deployment.offline_aws.cloudformation import Stacks
from deployment.offline_aws.proxy import Proxy
from deployment.offline_aws.ssm import ParameterStore
from deployment.offline_aws.sts import SecurityTokens
from deployment.offline_aws.tagging import TaggedResources
from deployment.offline_aws.workspace import read_workspace


class UnknownAwsCall(Exception):
    """A program asked AWS for what the stand-in has no answer to, so that its output cannot be relied on."""


class OfflineAws:
    """Answers from the copilot/ folder of ``workspace`` while its context is open.

    ``state`` is a folder for what the child process needs: an authority to trust, a home, an empty PATH. Raises
    UserMistake when the copilot/ folder cannot be read.
    """

    def __init__(self, workspace: Path, state: Path, region: str) -> None:
        self.workspace = read_workspace(workspace)
        self._state = state.absolute()
        self._region = region
        account = Account(self.workspace.application, region)
        self._stacks = Stacks(self.workspace, account)
        parameters = ParameterStore(self.workspace, account)
        tokens = SecurityTokens(account)
        self._actions: dict[tuple[str, str], Callable[[Document], Document]] = {
            ("ssm", "GetParameter"): parameters.get_parameter,
            ("sts", "AssumeRole"): tokens.assume_role,
            ("sts", "GetCallerIdentity"): tokens.get_caller_identity,
            ("cloudformation", "DescribeStacks"): self._stacks.describe_stacks,
            ("cloudformation", "GetTemplateSummary"): self._stacks.get_template_summary,
            ("cloudformation", "ListStackInstances"): self._stacks.list_stack_instances,
            ("tagging", "GetResources"): TaggedResources(self.workspace, account).get_resources,
        }
        self._certificates = Certificates()
        self._proxy = Proxy(self._certificates, self._respond)
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._unknown_calls: list[Call] = []

    def __enter__(self) -> Self:
        for folder in (self._home, self._programs):
            folder.mkdir(parents=True, exist_ok=True)
        self._certificates.write_authority(self._authority)
        self._proxy.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._proxy.stop()

    def deploy_environment(self, name: str, template: str, parameters: Mapping[str, str]) -> None:
        """From here on the environment counts as deployed. Raises KeyError for one that has no manifest.

        Services are packaged for deployed environments only, and Copilot looks at both for the features they need.
        """
        self._stacks.deploy(name, template, parameters)

    @property
    def calls(self) -> list[str]:
        """All calls so far, as "ssm GetParameter"."""
        with self._lock:
            return [str(call) for call in self._calls]

    @property
    def unknown_calls(self) -> list[str]:
        """Those that were answered with an error that names them."""
        with self._lock:
            return [str(call) for call in self._unknown_calls]

    def check_calls(self) -> None:
        """Raises UnknownAwsCall if there was any that the stand-in has no answer to."""
        if unknown := self.unknown_calls:
            raise UnknownAwsCall(f"calls that deployment/offline_aws has no answer to: {', '.join(unknown)}")

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a child process; nothing of the user's own belongs into it.

        Its PATH is an empty folder: Copilot would ask git for a tag and docker for its version, were they there.
        """
        return {
            "HOME": str(self._home),
            "PATH": str(self._programs),
            "HTTPS_PROXY": self._proxy.url,
            "HTTP_PROXY": self._proxy.url,
            "AWS_CA_BUNDLE": str(self._authority),
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            "AWS_ACCESS_KEY_ID": "offline",
            "AWS_SECRET_ACCESS_KEY": "offline",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CI": "true",
            "NO_COLOR": "1",
        }

    @property
    def _home(self) -> Path:
        return self._state / "home"

    @property
    def _programs(self) -> Path:
        return self._state / "no-programs"

    @property
    def _authority(self) -> Path:
        return self._state / "authority.pem"

    def _respond(self, method: str, host: str, path: str, target: str | None, body: bytes) -> Answer:
        call = read_call(method, host, path, target, body)
        with self._lock:
            self._calls.append(call)
        try:
            return write_result(call, self._answer(call))
        except AwsError as error:
            if isinstance(error, NotAnswered):
                with self._lock:
                    self._unknown_calls.append(call)
            return write_error(call, error)

    def _answer(self, call: Call) -> Document:
        action = self._actions.get((call.service, call.action))
        if action is None:
            raise NotAnswered(str(call))
        return action(call.request)
