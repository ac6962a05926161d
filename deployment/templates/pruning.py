"""Takes resources and parameters out of a template, with all that made sense only beside them."""

from collections.abc import Collection, Set
from typing import Any

from deployment.templates.expressions import children, conditions_in, names_in
from deployment.templates.template import Template, used_conditions, used_names, waits_for
from pipeline.errors import UserMistake

_ROLE = "AWS::IAM::Role"


def drop(template: Template, doomed: Set[str]) -> None:
    """Takes out the resources and parameters ``doomed``.

    With them go outputs and policy statements about them, waiting for them, and roles that only they were given.
    """
    while doomed:
        removed = [template.resources.pop(name) for name in doomed if name in template.resources]
        for name in doomed:
            template.parameters.pop(name, None)
        for name in [name for name, output in template.outputs.items() if used_names(output) & doomed]:
            del template.outputs[name]
        for entry in template.resources.values():
            _stop_waiting(entry, doomed)
            _drop_statements(entry, doomed)
        orphans = {name for entry in removed for name in used_names(entry)} - _names_in_use(template)
        doomed = {name for name in orphans if template.resources.get(name, {}).get("Type") == _ROLE}


def drop_unused(template: Template) -> None:
    """Takes out parameters and conditions that nothing asks for any more."""
    asked = _conditions_in_use(template)
    while extra := [name for name in template.conditions if name not in asked]:
        for name in extra:
            del template.conditions[name]
        asked = _conditions_in_use(template)
    used = _names_in_use(template) | names_in(template.conditions)
    for name in [name for name in template.parameters if name not in used]:
        del template.parameters[name]


def check_whole(template: Template, what: str) -> None:
    """Raises UserMistake, which names the first reference to something that ``what`` does not have."""
    there = {*template.resources, *template.parameters}
    for section, entries in (("Resources", template.resources), ("Outputs", template.outputs)):
        for name, entry in entries.items():
            missing = sorted(used for used in used_names(entry) - there if not used.startswith("AWS::"))
            if missing:
                raise UserMistake(
                    f"{what}: {section}.{name}: expected nothing that only Copilot can make, found {', '.join(missing)}"
                )


def _names_in_use(template: Template) -> set[str]:
    return {name for entry in _entries(template) for name in used_names(entry)}


def _conditions_in_use(template: Template) -> set[str]:
    return conditions_in(template.conditions) | {
        name for entry in _entries(template) for name in used_conditions(entry)
    }


def _entries(template: Template) -> list[Any]:
    return [*template.resources.values(), *template.outputs.values()]


def _stop_waiting(entry: Any, doomed: Collection[str]) -> None:
    named = waits_for(entry)
    left = [name for name in named if name not in doomed]
    if not left:
        entry.pop("DependsOn", None)
    elif left != named:
        entry["DependsOn"] = left


def _drop_statements(node: Any, doomed: Set[str]) -> None:
    for key, child in children(node):
        if key == "Statement" and isinstance(child, list):
            for statement in [statement for statement in child if names_in(statement) & doomed]:
                child.remove(statement)
        else:
            _drop_statements(child, doomed)
