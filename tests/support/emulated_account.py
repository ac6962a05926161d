"""An emulator's account (MiniStack) in which stacks are deployed as `aws cloudformation deploy` does it."""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from tests.support.emulator import Emulator
from tests.support.plain_templates import PlainEnvironment, refers_to
from tests.support.polling import wait_until

DEPLOY_SECONDS = 60.0
BUCKET = "templates"
#: Kinds of resources that the emulator does not make.
LACKING = ("EC2::EIP", "EC2::NatGateway", "EC2::SecurityGroupIngress", "ApplicationAutoScaling::", "SageMaker::")
#: Left out of each plain template.
LEFT_OUT = {
    "environment.yml": {
        *(f"{kind}{zone}" for kind in ("NatGateway", "PrivateRoute") for zone in (1, 2)),
        "NatGateway1Attachment",
        "NatGateway2Attachment",
        "EnvironmentSecurityGroupIngressFromSelf",
        "AddonsStack",
    },
    "environment-addons.yml": {
        *("Model", "Endpoint", "EndpointConfiguration", "EndpointNameParameter"),
        *("EndpointScalingTarget", "EndpointScalingPolicy", "EndpointErrorsAlarm", "EndpointSlowAlarm"),
    },
    "classifier.yml": {"AutoScalingTarget", "BacklogPerTaskScalingPolicy"},
}


def emulated(plain: PlainEnvironment, file: str) -> dict[str, Any]:
    """A plain template without what is listed in LEFT_OUT, which must be all that the emulator lacks."""
    expected = LEFT_OUT.get(file, set())
    kept, left_out = without_lacking(plain.template(file), {"AddonsStack"} & expected)
    assert left_out == expected
    return kept


def without_lacking(template: Mapping[str, Any], more: set[str]) -> tuple[dict[str, Any], set[str]]:
    """The template without what the emulator lacks, ``more``, and what refers to them; and what that was."""
    left_out = {
        name
        for name, resource in template["Resources"].items()
        if name in more or any(kind in resource["Type"] for kind in LACKING)
    }
    while hanging := {
        name
        for name, resource in template["Resources"].items()
        if name not in left_out and any(refers_to(resource, gone) for gone in left_out)
    }:
        left_out |= hanging
    # the date of AWSTemplateFormatVersion is one to YAML
    kept: dict[str, Any] = json.loads(json.dumps(template, default=str))
    for section in ("Resources", "Outputs"):
        for name, entry in template.get(section, {}).items():
            if name in left_out or any(refers_to(entry, gone) for gone in left_out):
                del kept[section][name]
    return kept, left_out


@dataclass(frozen=True)
class EmulatedAccount:
    """An account of the emulator's, in which stacks are deployed as `aws cloudformation deploy` does."""

    emulator: Emulator
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def deploy(
        self, stack: str, template: Mapping[str, Any], parameters: Mapping[str, str], tags: Mapping[str, str]
    ) -> str:
        """The status that the stack has then. Raises ClientError where the change set is refused."""
        cloudformation = self.emulator.client("cloudformation")
        made = cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=f"deploy-{next(self._numbers)}",
            ChangeSetType="UPDATE" if self.status(stack) else "CREATE",
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
            Tags=[{"Key": name, "Value": value} for name, value in tags.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )["Id"]
        wait_until(
            lambda: cloudformation.describe_change_set(ChangeSetName=made)["Status"] == "CREATE_COMPLETE",
            f"the change set of {stack}",
            DEPLOY_SECONDS,
        )
        cloudformation.execute_change_set(ChangeSetName=made)
        wait_until(lambda: not (self.status(stack) or "").endswith("PROGRESS"), stack, DEPLOY_SECONDS)
        return self.status(stack) or ""

    def status(self, stack: str) -> str | None:
        """None where there is no such stack."""
        try:
            (found,) = self.emulator.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        except ClientError:
            return None
        return str(found["StackStatus"])

    def delete(self, stack: str) -> None:
        """Returns when it is gone."""
        self.emulator.client("cloudformation").delete_stack(StackName=stack)
        wait_until(lambda: self.status(stack) in (None, "DELETE_COMPLETE"), f"the end of {stack}", DEPLOY_SECONDS)

    def reasons(self, stack: str) -> str:
        """Why things failed, as its events tell."""
        events = self.emulator.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
        return "\n".join(each.get("ResourceStatusReason", "") for each in events)

    def resources(self, stack: str) -> dict[str, str]:
        """What AWS calls each resource."""
        found = self.emulator.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}

    def exports(self) -> set[str]:
        """Names of what all stacks export."""
        return {each["Name"] for each in self.emulator.client("cloudformation").list_exports()["Exports"]}

    def deploy_service(self, plain: PlainEnvironment, service: str) -> str:
        """The status that its stack has then. Raises ClientError where the change set is refused."""
        template = emulated(plain, f"{service}.yml")
        stack = f"{plain.stack_name}-{service}"
        parameters = plain.parameters(stack)
        properties = template["Resources"]["Service"]["Properties"]
        if "DesiredCount" in properties:
            assert properties["DesiredCount"] == {"Ref": "TaskCount"}
            # the emulator hands a parameter's text to ECS, which counts with it
            properties["DesiredCount"] = int(parameters["TaskCount"])
        if "AddonsStack" in template["Resources"]:
            nested = template["Resources"]["AddonsStack"]["Properties"]
            nested["TemplateURL"] = self._upload(plain, nested["TemplateURL"].removeprefix("./"))
        return self.deploy(stack, template, parameters, plain.tags(stack))

    def _upload(self, plain: PlainEnvironment, file: str) -> str:
        self.emulator.client("s3").put_object(Bucket=BUCKET, Key=file, Body=(plain.folder / file).read_bytes())
        return f"{self.emulator.url}/{BUCKET}/{file}"
