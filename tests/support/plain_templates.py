"""What `make templates` writes, evaluated as CloudFormation would deploy it with the parameters that lie beside it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.cloudformation import evaluated, load_template
from tests.support.copilot_templates import exports

APPLICATION = "tweet-alerts"
SERVICES = ("classifier", "monitoring", "notifier", "stream-getter")


@dataclass(frozen=True)
class PlainEnvironment:
    """The files of one environment in ``folder``."""

    name: str
    folder: Path
    _loaded: dict[str, dict[str, Any]] = field(default_factory=dict)

    def template(self, file: str) -> dict[str, Any]:
        if file not in self._loaded:
            self._loaded[file] = load_template(self.folder / file)
        return self._loaded[file]

    @property
    def stack_name(self) -> str:
        """Of the environment; a service's adds its name to it."""
        return f"{APPLICATION}-{self.name}"

    @property
    def stacks(self) -> Iterator[tuple[str, str]]:
        """Names and templates of the environment's stack and of its services', in the order of a deploy."""
        yield self.stack_name, "environment.yml"
        for service in SERVICES:
            yield f"{self.stack_name}-{service}", f"{service}.yml"

    def parameters(self, stack: str) -> dict[str, str]:
        """What the file beside the templates tells the stack."""
        return self._pairs(self.folder / f"parameters/{stack}.json")

    def tags(self, stack: str) -> dict[str, str]:
        """What the file beside the templates tags the stack with."""
        return self._pairs(self.folder / f"tags/{stack}.json")

    def environment(self) -> dict[str, Any]:
        """The stack of network and cluster."""
        values = {**self.parameters(self.stack_name), "AWS::StackName": self.stack_name}
        return evaluated(self.template("environment.yml"), values)

    def environment_addons(self) -> dict[str, Any]:
        """The stack that is nested in it."""
        nested = self.environment()["Resources"]["AddonsStack"]["Properties"]["Parameters"]
        return evaluated(self.template("environment-addons.yml"), nested)

    def exports(self) -> dict[str, str]:
        """What both export."""
        return exports(self.environment(), self.environment_addons())

    def service(self, name: str) -> dict[str, Any]:
        """Raises KeyError where it imports what the environment does not export."""
        return evaluated(self.template(f"{name}.yml"), self.parameters(f"{self.stack_name}-{name}"), self.exports())

    @staticmethod
    def _pairs(file: Path) -> dict[str, str]:
        lines: list[str] = json.loads(file.read_text(encoding="utf-8"))
        return {name: value for name, _, value in (line.partition("=") for line in lines)}


def refers_to(entry: Mapping[str, Any], name: str) -> bool:
    """Whether a resource or output in long form mentions a parameter or resource."""
    text = json.dumps(entry)
    return any(form in text for form in (f'"{name}"', f"${{{name}}}", f"${{{name}."))
