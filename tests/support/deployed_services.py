"""What deployment gives the services, on an emulator: their variables and their rights, from Copilot's templates.

Queues, topic and bucket are made by the emulator's CloudFormation; the services' templates import what it exports.
"""

import json
from typing import Any

from demo.stack import REGION, create_stack
from deployment.copilot_package import PackagedWorkspace
from tests.support.cloudformation import evaluated, load_template
from tests.support.copilot_templates import environment_exports, packaged_addons
from tests.support.emulator import Emulator
from tests.support.iam_policies import Right, rights_of
from tests.support.state_bucket import make_state_bucket

SERVICES = ("stream-getter", "classifier", "notifier")
#: The emulator's account.
ACCOUNT = "000000000000"
_PLACE = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT}


class DeployedServices:
    """The services of one environment. ``variables`` and ``rights`` are by service; secrets are left to the test.

    Raises InexactStatement for a policy that rights cannot express.
    """

    def __init__(self, packaged: PackagedWorkspace, environment: str, emulator: Emulator) -> None:
        self._files = packaged.environments[environment]
        self._names = {"App": packaged.application, "Env": environment}
        create_stack(emulator.url, packaged.application, environment)
        make_state_bucket(emulator, environment)
        exports = emulator.client("cloudformation").list_exports()["Exports"]
        self._imports: dict[str, str] = {
            **environment_exports(self._files),
            **{export["Name"]: export["Value"] for export in exports},
        }
        self.variables = {service: self._variables(service) for service in SERVICES}
        self.rights = {service: self._rights(service) for service in SERVICES}

    @property
    def all_rights(self) -> frozenset[Right]:
        """Those of the three services together."""
        return frozenset().union(*self.rights.values())

    def exported(self, name: str) -> str:
        """What the environment exports under this name, without application and environment before it."""
        return self._imports[f"{self._names['App']}-{self._names['Env']}-{name}"]

    def endpoint_name(self, **parameters: Any) -> str:
        """The endpoint's name with these values in addons.parameters.yml."""
        endpoint = packaged_addons(self._files, **parameters)["Resources"]["Endpoint"]["Properties"]
        return str(endpoint["EndpointName"])

    def _variables(self, service: str) -> dict[str, str]:
        files = self._files.services[service]
        copilots = json.loads(files.parameters.read_text())["Parameters"]
        parameters = {**_PLACE, **copilots, "ContainerImage": "image", "AddonsTemplateURL": "https://addons"}
        stack = evaluated(load_template(files.template), parameters, self._imports)
        containers = stack["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"]
        (own,) = [container for container in containers if container["Name"] == service]
        return {variable["Name"]: variable["Value"] for variable in own["Environment"]}

    def _rights(self, service: str) -> frozenset[Right]:
        addons = self._files.services[service].addons
        assert addons is not None
        parameters = {**_PLACE, **self._names, "Name": service}
        return rights_of(service, evaluated(load_template(addons), parameters, self._imports))
