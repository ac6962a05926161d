"""CloudFormation: the stacks that Copilot expects to have been deployed before it packages."""

import io
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from deployment.offline_aws.account import ACCOUNT_ID, Account
from deployment.offline_aws.calls import AwsError, Document
from deployment.offline_aws.workspace import Workspace

#: Copilot's own mark in the stack of an environment that was initialised and not deployed yet.
_INITIALISED = {"Metadata": {"Version": "bootstrap"}, "Parameters": {}}


class Stacks:
    """The application's regional resources, and a stack for each environment.

    An environment counts as initialised only, until its template and parameters are handed over by ``deploy``.
    """

    def __init__(self, workspace: Workspace, account: Account) -> None:
        self._account = account
        self._lock = threading.Lock()
        self._environments = {
            account.stack(name): _Environment(name, _INITIALISED, {}) for name in workspace.environments
        }

    def deploy(self, environment: str, template: str, parameters: Mapping[str, str]) -> None:
        """From here on the environment has a stack of this template. Raises KeyError for one that has no manifest."""
        name = self._account.stack(environment)
        if name not in self._environments:
            raise KeyError(environment)
        deployed = _Environment(environment, YAML().load(template), dict(parameters))
        with self._lock:
            self._environments[name] = deployed

    def get_template_summary(self, request: Document) -> Document:
        """GetTemplateSummary of a stack. Raises AwsError where there is none."""
        template = self._environment(request).template
        return {
            "Parameters": [{"ParameterKey": name} for name in template["Parameters"]],
            "Metadata": _as_yaml(template["Metadata"]),
        }

    def describe_stacks(self, request: Document) -> Document:
        """DescribeStacks of one stack: an environment's by its name, the shared resources' by its id.

        Raises AwsError where there is none.
        """
        if request.get("StackName") == self._account.stack_id(self._account.resources_stack):
            shared = {
                "KMSKeyARN": self._account.arn("kms", "key/0"),
                "PipelineBucket": f"stackset-{self._account.application}-artifacts",
            }
            return self._description(self._account.resources_stack, shared, {})
        environment = self._environment(request)
        return self._description(self._account.stack(environment.name), {}, environment.parameters)

    def list_stack_instances(self, request: Document) -> Document:
        """ListStackInstances of the application's stack set: its one region."""
        return {
            "Summaries": [
                {
                    "StackSetId": f"{request['StackSetName']}:0",
                    "Region": self._account.region,
                    "Account": ACCOUNT_ID,
                    "StackId": self._account.stack_id(self._account.resources_stack),
                    "Status": "CURRENT",
                }
            ]
        }

    def _environment(self, request: Document) -> "_Environment":
        name = request.get("StackName", "")
        with self._lock:
            if name not in self._environments:
                raise AwsError("ValidationError", f"Stack with id {name} does not exist")
            return self._environments[name]

    def _description(self, name: str, outputs: Mapping[str, str], parameters: Mapping[str, str]) -> Document:
        return {
            "Stacks": [
                {
                    "StackId": self._account.stack_id(name),
                    "StackName": name,
                    "CreationTime": "2024-01-01T00:00:00Z",
                    "StackStatus": "CREATE_COMPLETE",
                    "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
                    "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                }
            ]
        }


@dataclass(frozen=True)
class _Environment:
    name: str
    template: Mapping[str, Any]
    parameters: Mapping[str, str]


def _as_yaml(value: Any) -> str:
    text = io.StringIO()
    YAML().dump(value, text)
    return text.getvalue()
