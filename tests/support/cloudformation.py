"""CloudFormation templates as plain data, and evaluated for given parameters as far as this project's need it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

#: What AWS puts in for pseudo parameters, in these tests.
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "123456789012",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "stack",
}
#: Stands for a property that a template leaves out by AWS::NoValue.
NO_VALUE = object()


class _Constructor(SafeConstructor):
    """Reads the short forms (!Ref, !GetAtt) as the long ones."""

    def intrinsic(self, suffix: str, node: Any) -> dict[str, Any]:
        value: Any
        if isinstance(node, ScalarNode):
            value = node.value.split(".", 1) if suffix == "GetAtt" else self.construct_scalar(node)
        elif isinstance(node, SequenceNode):
            value = self.construct_sequence(node, deep=True)
        else:
            assert isinstance(node, MappingNode)
            value = self.construct_mapping(node, deep=True)
        return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Constructor.add_multi_constructor("!", _Constructor.intrinsic)


def load_template(path: Path) -> dict[str, Any]:
    """A template with every intrinsic function in its long form."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    document: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"))
    return document


def walk(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Each value within a document, with its place as slashed keys."""
    yield place, value
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from walk(inner, f"{place}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from walk(inner, f"{place}/{index}")


def resources(template: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Properties of the resources of one type, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def evaluated(
    template: Mapping[str, Any], parameters: Mapping[str, Any], imports: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The template as CloudFormation would deploy it, without what its conditions leave out.

    References to resources come out as ``<LogicalId>`` and ``<LogicalId.Attribute>``. Raises KeyError for a parameter,
    a condition or an import that is not there.
    """
    return _Evaluation(template, parameters, imports or {}).template()


class _Evaluation:
    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, Any], imports: Mapping[str, str]) -> None:
        self._template = template
        self._imports = imports
        defaults = {name: body["Default"] for name, body in template.get("Parameters", {}).items() if "Default" in body}
        self._values: dict[str, Any] = {**PSEUDO, **defaults, **parameters}

    def template(self) -> dict[str, Any]:
        parts = {}
        for section in ("Resources", "Outputs"):
            parts[section] = {
                name: self._of(body)
                for name, body in self._template.get(section, {}).items()
                if "Condition" not in body or self._condition(body["Condition"])
            }
        return parts

    def _of(self, value: Any) -> Any:
        if isinstance(value, list):
            return [inner for inner in map(self._of, value) if inner is not NO_VALUE]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            ((key, argument),) = value.items()
            if key == "Ref":
                return self._reference(argument)
            if key.startswith("Fn::"):
                return self._function(key.removeprefix("Fn::"), argument)
        return {key: inner for key, raw in value.items() if (inner := self._of(raw)) is not NO_VALUE}

    def _reference(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        return self._values[name] if name in self._values else f"<{self._known(name)}>"

    def _known(self, name: str) -> str:
        if name not in self._template["Resources"]:
            raise KeyError(name)
        return name

    def _function(self, name: str, argument: Any) -> Any:
        if name == "If":
            condition, then, otherwise = argument
            return self._of(then if self._condition(condition) else otherwise)
        if name == "Sub":
            return self._substituted(argument)
        argument = self._of(argument)
        if name == "GetAtt":
            resource, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
            return f"<{self._known(resource)}.{attribute}>"
        if name == "ImportValue":
            return self._imports[argument]
        if name == "Join":
            return argument[0].join(map(str, argument[1]))
        if name == "GetAZs":
            return [f"{argument or PSEUDO['AWS::Region']}{zone}" for zone in "ab"]
        if name == "Split":
            return argument[1].split(argument[0])
        if name == "Select":
            index, values = int(argument[0]), argument[1]
            # a resource's name and ARN are known to AWS alone, and so are their parts
            return values[index] if not str(values[0]).startswith("<") else f"<part {index} of {values}>"
        raise NotImplementedError(name)

    def _substituted(self, argument: Any) -> str:
        text, own = (argument[0], self._of(argument[1])) if isinstance(argument, list) else (argument, {})

        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name in own:
                return str(own[name])
            if "." in name:
                return f"<{self._known(name.partition('.')[0])}.{name.partition('.')[2]}>"
            return str(self._reference(name))

        return re.sub(r"\$\{([^!}]+)\}", value, text)

    def _condition(self, name: str) -> bool:
        return self._truth(self._template["Conditions"][name])

    def _truth(self, expression: Mapping[str, Any]) -> bool:
        ((name, argument),) = expression.items()
        if name == "Condition":
            return self._condition(argument)
        if name == "Fn::Equals":
            first, second = map(self._of, argument)
            return str(first) == str(second)
        if name == "Fn::Not":
            return not self._truth(argument[0])
        if name == "Fn::And":
            return all(map(self._truth, argument))
        if name == "Fn::Or":
            return any(map(self._truth, argument))
        raise NotImplementedError(name)
