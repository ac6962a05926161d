"""A CloudFormation template that can be changed, its functions written as they were."""

import io
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from ruamel.yaml import YAML

from deployment.templates.expressions import conditions_in, names_in

_INDENT = 4
#: Full lines, which stand between resources and describe the next one: it may be gone, and they would be misread.
_COMMENTS_BETWEEN = re.compile(rf"(?m)^ {{0,{_INDENT}}}#.*\n")


class Template:
    """A template's sections by name, in their order. Comments are kept only inside of resources."""

    def __init__(self, text: str) -> None:
        self._sections: MutableMapping[str, Any] = _yaml().load(_COMMENTS_BETWEEN.sub("", text))

    @property
    def parameters(self) -> MutableMapping[str, Any]:
        """Parameters by name."""
        return self._section("Parameters")

    @property
    def conditions(self) -> MutableMapping[str, Any]:
        """Conditions by name."""
        return self._section("Conditions")

    @property
    def resources(self) -> MutableMapping[str, Any]:
        """Resources by logical id."""
        return self._section("Resources")

    @property
    def outputs(self) -> MutableMapping[str, Any]:
        """Outputs by logical id."""
        return self._section("Outputs")

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The manifest that Copilot made the template from, which it tells in the template's metadata."""
        manifest: Mapping[str, Any] = YAML(typ="safe", pure=True).load(self._section("Metadata")["Manifest"])
        return manifest

    def describe(self, description: str) -> None:
        """Says in ``description`` what the template is, instead of what it said about itself so far."""
        self._sections.pop("Metadata", None)
        self._sections["Description"] = description

    def text(self) -> str:
        """The template as YAML, without sections that have become empty."""
        for name in [name for name, section in self._sections.items() if not section]:
            del self._sections[name]
        stream = io.StringIO()
        _yaml().dump(self._sections, stream)
        return stream.getvalue()

    def _section(self, name: str) -> MutableMapping[str, Any]:
        section: MutableMapping[str, Any] = self._sections.setdefault(name, {})
        return section


def used_names(entry: Any) -> set[str]:
    """What a resource or an output refers to by name, the resources that it waits for included."""
    return names_in(entry) | set(waits_for(entry))


def used_conditions(entry: Any) -> set[str]:
    """The conditions that a resource or an output depends on."""
    own = {str(entry["Condition"])} if "Condition" in entry else set()
    return conditions_in(entry) | own


def waits_for(entry: Any) -> list[str]:
    """The resources named by DependsOn."""
    named = entry.get("DependsOn", [])
    return [named] if isinstance(named, str) else list(named)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # Copilot breaks no lines
    yaml.indent(mapping=_INDENT, sequence=_INDENT + 2, offset=_INDENT)
    return yaml
