"""CloudFormation's functions in a template as ruamel.yaml reads it, short (!Ref) and long (Fn::Sub) alike."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml.comments import CommentedSeq, TaggedScalar
from ruamel.yaml.tag import Tag

NO_VALUE = ("Ref", "AWS::NoValue")

# ${!Name} is a literal, see "Fn::Sub"
_SUBSTITUTED = re.compile(r"\$\{([^!}.]+)[^}]*\}")


def function(node: Any) -> tuple[str, Any] | None:
    """Name and argument of the function that ``node`` calls, as ("Sub", "..."); None where it calls none."""
    if isinstance(node, TaggedScalar):
        return _short(node), node.value
    if isinstance(node, CommentedSeq) and node.tag.value:
        return _short(node), node
    if isinstance(node, Mapping) and len(node) == 1:
        name, argument = next(iter(node.items()))
        if name == "Ref" or str(name).startswith("Fn::") or (name == "Condition" and isinstance(argument, str)):
            return str(name).removeprefix("Fn::"), argument
    return None


def names_in(node: Any) -> set[str]:
    """Parameters, pseudo parameters and resources that ``node`` refers to, wherever inside it."""
    return {name for called, argument in _calls(node) for name in _names(called, argument)}


def conditions_in(node: Any) -> set[str]:
    """Conditions that ``node`` asks for, wherever inside it."""
    asked = {"Condition": lambda argument: argument, "If": lambda argument: argument[0]}
    return {str(asked[called](argument)) for called, argument in _calls(node) if called in asked}


def children(node: Any) -> Iterator[tuple[Any, Any]]:
    """Keys and values of a mapping, indexes and values of a list; nothing of anything else."""
    if isinstance(node, Mapping):
        yield from node.items()
    elif isinstance(node, list):
        yield from enumerate(node)


def reference(name: str) -> TaggedScalar:
    """!Ref ``name``."""
    return _tagged("!Ref", name)


def substituted(text: str) -> TaggedScalar:
    """!Sub ``text``."""
    return _tagged("!Sub", text)


def _tagged(tag: str, value: str) -> TaggedScalar:
    return TaggedScalar(value, style=None, tag=Tag(suffix=tag))


def _calls(node: Any) -> Iterator[tuple[str, Any]]:
    if (called := function(node)) is not None:
        yield called
    for _, child in children(node):
        yield from _calls(child)


def _names(called: str, argument: Any) -> Iterator[str]:
    if called == "Ref":
        yield argument
    elif called == "GetAtt":
        yield argument.partition(".")[0] if isinstance(argument, str) else argument[0]
    elif called == "Sub":
        text, own = (argument, ()) if isinstance(argument, str) else (argument[0], argument[1])
        yield from (name for name in _SUBSTITUTED.findall(text) if name not in own)


def _short(node: TaggedScalar | CommentedSeq) -> str:
    return str(node.tag.value).removeprefix("!")
