"""A service's template: its task definition, roles, scaling and alarms, and the stack of its addons."""

from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml.comments import CommentedMap, TaggedScalar

from deployment.templates.copilot import SUBNETS, SUBNETS_OF_PLAIN_ENVIRONMENT, containers, make_plain, nest_locally
from deployment.templates.expressions import children, function, reference, substituted
from deployment.templates.template import Template
from pipeline.errors import UserMistake

#: The key of the bucket that Copilot keeps its uploads in.
_COPILOTS_KEY = "ArtifactKeyARN"
_IMAGE_PATTERN = r"\S+[:@]\S+"


def make_service_plain(
    template: Template, values: Mapping[str, str], manifest: Mapping[str, Any], name: str, addons: str | None
) -> None:
    """Makes the plain template of service ``name`` out of Copilot's.

    ``values`` are Copilot's parameters of it, ``addons`` is the file name of its addons' template. Raises UserMistake
    for features that only Copilot can make.
    """
    what = f"copilot/{name}/manifest.yml"
    if "env_file" in _keys(manifest):
        raise UserMistake(f"{what}: env_file: expected variables, as plain templates upload no file, found env_file")
    if addons is not None:
        nest_locally(template, addons)
    _leave_count_to_scaling(template)
    _ask_for_images(template)
    _insist_on_plain_environment(template.resources)
    make_plain(template, what, {**values, "AddonsTemplateURL": addons or ""}, {_COPILOTS_KEY})
    template.describe(f"Service {name} of {values['AppName']}, environment {values['EnvName']}")


def _leave_count_to_scaling(template: Template) -> None:
    # "AWS::ECS::Service", DesiredCount: left out, a new service gets 1 and an existing one keeps what it has. Any
    # number would throw a service that was scaled out back to it at each deploy; Copilot has a function to prevent it.
    if any(entry["Type"] == "AWS::ApplicationAutoScaling::ScalableTarget" for entry in template.resources.values()):
        template.resources["Service"]["Properties"].pop("DesiredCount", None)


def _insist_on_plain_environment(node: Any) -> None:
    for _, child in children(node):
        called = function(child)
        if called and called[0] == "ImportValue" and function(called[1]) == ("Sub", _environments(SUBNETS)):
            child["Fn::ImportValue"] = substituted(_environments(SUBNETS_OF_PLAIN_ENVIRONMENT))
        _insist_on_plain_environment(child)


def _environments(export: str) -> str:
    return f"${{AppName}}-${{EnvName}}-{export}"


def _ask_for_images(template: Template) -> None:
    for container in containers(template):
        # Copilot enters the image of a sidecar when it has built it, and packages nothing before
        if container["Image"] is None:
            container["Image"] = reference(f"{container['Name'].title().replace('-', '')}Image")
        if isinstance(container["Image"], TaggedScalar):
            template.parameters[container["Image"].value] = CommentedMap(
                Type="String",
                Description="Image with its tag",
                AllowedPattern=_IMAGE_PATTERN,
                ConstraintDescription="expected an image with its tag: make templates REGISTRY=... TAG=... writes it",
            )


def _keys(node: Any) -> Iterator[Any]:
    for key, child in children(node):
        yield key
        yield from _keys(child)
