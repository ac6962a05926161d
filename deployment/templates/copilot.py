"""What is Copilot's own in its templates: the machinery that its account set-up serves."""

from collections.abc import Iterator, Mapping
from typing import Any

from deployment.templates.conditions import settle
from deployment.templates.pruning import check_whole, drop, drop_unused
from deployment.templates.template import Template

#: What services import of Copilot's environment, and what they import of the plain one, see the package.
SUBNETS = "PrivateSubnets"
SUBNETS_OF_PLAIN_ENVIRONMENT = "PrivateSubnetsWithoutCopilot"

_CUSTOM = "Custom::"
_FUNCTION = "AWS::Lambda::Function"
_ENVIRONMENT_CONTROLLER = "Custom::EnvControllerFunction"


def machinery(template: Template) -> set[str]:
    """Logical ids of Copilot's functions, and of what they stand behind."""
    return {
        name
        for name, resource in template.resources.items()
        if resource["Type"] == _FUNCTION or resource["Type"].startswith(_CUSTOM)
    }


def features(template: Template) -> list[str]:
    """The environment's parameters that Copilot would enter a service in, by its template, when it deploys it."""
    return [
        parameter
        for resource in template.resources.values()
        if resource["Type"] == _ENVIRONMENT_CONTROLLER
        for parameter in resource["Properties"]["Parameters"]
    ]


def containers(template: Template) -> Iterator[Any]:
    """All container definitions."""
    for resource in template.resources.values():
        if resource["Type"] == "AWS::ECS::TaskDefinition":
            yield from resource["Properties"]["ContainerDefinitions"]


def nest_locally(template: Template, addons: str) -> None:
    """Names the addons' template as a file beside this one, which `aws cloudformation package` uploads."""
    template.resources["AddonsStack"]["Properties"]["TemplateURL"] = f"./{addons}"


def make_plain(template: Template, what: str, values: Mapping[str, str], doomed: set[str]) -> None:
    """Leaves what is there for good where Copilot's parameters have ``values``, without ``doomed`` and its machinery.

    Raises UserMistake where ``what`` cannot do without them.
    """
    settle(template, values)
    drop(template, machinery(template) | doomed)
    drop_unused(template)
    for parameter in template.parameters.values():
        # `aws cloudformation deploy` keeps a running stack's value where it is told none: a change would not arrive
        parameter.pop("Default", None)
    check_whole(template, what)
