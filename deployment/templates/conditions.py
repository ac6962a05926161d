"""Decides conditions whose parameters have one value for good, and leaves only what they choose."""

from collections.abc import Mapping
from typing import Any

from deployment.templates.expressions import NO_VALUE, children, function
from deployment.templates.template import Template


def settle(template: Template, values: Mapping[str, str]) -> None:
    """Keeps resources, outputs and values as they are where the parameters have ``values``.

    Conditions on anything else, such as the partition of AWS, stay.
    """
    decided = {
        name: outcome
        for name, condition in template.conditions.items()
        if (outcome := _holds(condition, template.conditions, values)) is not None
    }
    for section in (template.resources, template.outputs):
        for name, entry in list(section.items()):
            outcome = decided.get(entry.get("Condition"))
            if outcome is False:
                del section[name]
                continue
            if outcome is True:
                del entry["Condition"]
            _settle_inside(entry, decided)


def _holds(condition: Any, all_conditions: Mapping[str, Any], values: Mapping[str, str]) -> bool | None:
    """None where it depends on more than ``values``."""
    called = function(condition)
    if called is None:
        raise ValueError(f"expected a condition function, found {condition!r}")
    name, argument = called
    if name == "Equals":
        left, right = (_value(side, values) for side in argument)
        return None if left is None or right is None else left == right
    if name == "Condition":
        return _holds(all_conditions[argument], all_conditions, values)
    outcomes = [_holds(each, all_conditions, values) for each in argument]
    if name == "Not":
        return None if outcomes[0] is None else not outcomes[0]
    # And holds until one does not, Or does not hold until one does
    deciding = {"And": False, "Or": True}[name]
    if deciding in outcomes:
        return deciding
    return None if None in outcomes else not deciding


def _value(side: Any, values: Mapping[str, str]) -> str | None:
    called = function(side)
    if called is None:
        # CloudFormation compares texts: true in a template is "true"
        return str(side).lower() if isinstance(side, bool) else str(side)
    name, argument = called
    return values.get(argument) if name == "Ref" else None


def _settle_inside(node: Any, decided: Mapping[str, bool]) -> None:
    for key, child in reversed(list(children(node))):
        chosen = _choose(child, decided)
        # within a function the arguments are counted: there, no value is a value
        if chosen is not child and function(chosen) == NO_VALUE and function(node) is None:
            del node[key]
            continue
        if chosen is not child:
            node[key] = chosen
        held_something = bool(chosen)
        _settle_inside(chosen, decided)
        if held_something and chosen == [] and isinstance(node, Mapping):
            del node[key]  # type: ignore[attr-defined]


def _choose(node: Any, decided: Mapping[str, bool]) -> Any:
    called = function(node)
    if called is None or called[0] != "If":
        return node
    condition, if_true, if_false = called[1]
    if condition not in decided:
        return node
    return _choose(if_true if decided[condition] else if_false, decided)
