"""Which image each container runs, and the repositories that keep them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from deployment.templates.copilot import containers
from deployment.templates.template import Template
from pipeline.errors import UserMistake


@dataclass(frozen=True)
class Images:
    """Images of one build: their repositories lie under ``registry``, and all have the same ``tag``."""

    registry: str
    tag: str

    def name(self, repository: str) -> str:
        """The name that a container runtime pulls."""
        return f"{self.registry}/{repository}:{self.tag}"


@dataclass
class Repositories:
    """The repositories that are needed, each named after the folder of its image's Dockerfile."""

    _dockerfiles: dict[str, str] = field(default_factory=dict)

    def of(self, template: Template, manifest: Mapping[str, Any], what: str) -> dict[str, str]:
        """Repository by the parameter of ``template`` that takes its image, for images that are built.

        Raises UserMistake, naming ``what``.
        """
        images = _images(template, manifest)
        return {parameter: self._add(image["build"], what) for parameter, image in images if "build" in image}

    def __iter__(self) -> Iterator[str]:
        yield from sorted(self._dockerfiles)

    def _add(self, build: Any, what: str) -> str:
        dockerfile = f"{build.get('context', '.')}/Dockerfile" if isinstance(build, Mapping) else build
        if isinstance(build, Mapping):
            dockerfile = build.get("dockerfile", dockerfile)
        repository = PurePosixPath(dockerfile).parent.name if isinstance(dockerfile, str) else ""
        if not repository:
            raise UserMistake(f"{what}: image.build: expected a Dockerfile in a folder of its own, found {build!r}")
        known = self._dockerfiles.setdefault(repository, str(dockerfile))
        if known != dockerfile:
            raise UserMistake(
                f"{what}: image.build: expected a folder's name that no other image has, as its repository gets it; "
                f"found {dockerfile} beside {known}"
            )
        return repository


def _images(template: Template, manifest: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for container in containers(template):
        parameter = str(getattr(container["Image"], "value", ""))
        if parameter == "ContainerImage":
            yield parameter, manifest["image"]
        elif parameter:
            yield parameter, manifest["sidecars"][container["Name"]]["image"]
