"""What a service's policy allows, as single rights: one action on one resource."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.support.cloudformation import resources
from tests.support.copilot_templates import as_list

#: IAM User Guide, "IAM JSON policy elements: Action" and "Amazon Resource Names (ARNs)", without their wildcards, and
#: without references that have not become names.
_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
_RESOURCE = re.compile(r"arn:aws:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:[^*?<>$\s]+")
_KEYS = {"Sid", "Effect", "Action", "Resource"}


class InexactStatement(Exception):
    """A statement that single rights cannot express. The message names it, what was expected, and what was found."""


class Right(NamedTuple):
    """A service, an action of IAM, and the ARN of what it is done to."""

    service: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.service}: {self.action} on {self.resource}"


def rights_of(service: str, addons: Mapping[str, Any]) -> frozenset[Right]:
    """What the managed policies of a service's addons allow; the template must be evaluated, imports and all.

    Raises InexactStatement for wildcards, conditions, and everything else that makes more or less of a statement than
    its actions on its resources.
    """
    return frozenset(
        Right(service, action, resource)
        for name, policy in resources(addons, "AWS::IAM::ManagedPolicy").items()
        for statement in as_list(policy["PolicyDocument"]["Statement"])
        for action, resource in _pairs(f"{service}: {name}: {statement.get('Sid', 'a statement')}", statement)
    )


def _pairs(place: str, statement: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if statement["Effect"] != "Allow":
        raise InexactStatement(f"{place}: expected Effect Allow, got {statement['Effect']}")
    if unknown := statement.keys() - _KEYS:
        raise InexactStatement(f"{place}: expected Action and Resource alone, got {', '.join(sorted(unknown))}")
    for action in as_list(statement["Action"]):
        for resource in as_list(statement["Resource"]):
            if not _ACTION.fullmatch(action):
                raise InexactStatement(f"{place}: expected an exact action, got {action!r}")
            if not _RESOURCE.fullmatch(resource):
                raise InexactStatement(f"{place}: expected the ARN of one resource, got {resource!r}")
            yield action, resource
