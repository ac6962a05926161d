"""What AWS would be given, as Copilot packages it: templates evaluated with the parameters that Copilot hands over."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from deployment.copilot_package import PackagedEnvironment, PackagedWorkspace
from tests.support.cloudformation import evaluated, load_template, walk


class Statement(NamedTuple):
    """One statement of a policy, and where it stands."""

    place: str
    body: Mapping[str, Any]


def packaged_environment(environment: PackagedEnvironment) -> dict[str, Any]:
    """The environment's own stack: network, cluster, Copilot's roles."""
    parameters = _parameters(environment.parameters)
    # Copilot switches the NAT gateways on once a service is placed in a private subnet
    parameters |= {
        "NATWorkloads": "all",
        "AWS::StackName": f"{parameters['AppName']}-{parameters['EnvironmentName']}",
    }
    return evaluated(load_template(environment.template), parameters)


def packaged_addons(environment: PackagedEnvironment, **changed: Any) -> dict[str, Any]:
    """Queues, topic, model, bucket and alarms; ``changed`` are values other than those of addons.parameters.yml."""
    assert environment.addons is not None
    nested = packaged_environment(environment)["Resources"]["AddonsStack"]["Properties"]["Parameters"]
    return evaluated(load_template(environment.addons), {**nested, **changed})


def exports(*stacks: Mapping[str, Any]) -> dict[str, str]:
    """What the stacks export, by name."""
    return {
        output["Export"]["Name"]: str(output["Value"])
        for stack in stacks
        for output in stack["Outputs"].values()
        if "Export" in output
    }


def environment_exports(environment: PackagedEnvironment) -> dict[str, str]:
    """Everything that a service of this environment may import."""
    return exports(packaged_environment(environment), packaged_addons(environment))


def packaged_service(packaged: PackagedWorkspace, environment: str, service: str) -> dict[str, Any]:
    """One service's stack. Raises KeyError where it imports what the environment does not export."""
    files = packaged.environments[environment]
    parameters = {
        **_parameters(files.services[service].parameters),
        "ContainerImage": "image",
        "AddonsTemplateURL": "https://addons",
    }
    return evaluated(load_template(files.services[service].template), parameters, environment_exports(files))


def packaged_access(packaged: PackagedWorkspace, environment: str, service: str) -> dict[str, Any]:
    """One service's addons: its policy."""
    files = packaged.environments[environment]
    addons = files.services[service].addons
    assert addons is not None
    parameters = {"App": packaged.application, "Env": environment, "Name": service}
    return evaluated(load_template(addons), parameters, environment_exports(files))


def policy_statements(stack: Mapping[str, Any]) -> Iterator[Statement]:
    """Statements that allow something on resources, of roles, managed policies and resource policies alike."""
    for place, value in walk(stack["Resources"]):
        if isinstance(value, dict) and "Statement" in value:
            for statement in as_list(value["Statement"]):
                if statement["Effect"] == "Allow" and "Resource" in statement:
                    yield Statement(place.strip("/"), statement)


def as_list(value: Any) -> list[Any]:
    """Policies and templates may leave out the list around a single value."""
    return value if isinstance(value, list) else [value]


def _parameters(file: Path) -> dict[str, Any]:
    parameters: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["Parameters"]
    return parameters
