"""What a workspace's copilot/ folder says: the application, its environments, its workloads."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.errors import UserMistake


@dataclass(frozen=True)
class Workload:
    """A service or job: its name, Copilot's type of it, and the names of the SNS topics that it publishes to."""

    name: str
    type: str
    topics: tuple[str, ...]


@dataclass(frozen=True)
class Workspace:
    """The application of a copilot/ folder; environments and workloads are in the order of their folders' names."""

    application: str
    environments: tuple[str, ...]
    workloads: tuple[Workload, ...]


def read_workspace(folder: Path) -> Workspace:
    """What the copilot/ folder in ``folder`` describes. Raises UserMistake."""
    copilot = folder / "copilot"
    application = _Manifest(copilot / ".workspace").text("application")
    environments = _manifests(copilot / "environments", "environment")
    return Workspace(
        application=application,
        environments=tuple(environment.text("name") for environment in environments),
        workloads=tuple(_workload(service) for service in _manifests(copilot, "service")),
    )


def _workload(manifest: "_Manifest") -> Workload:
    return Workload(manifest.text("name"), manifest.text("type"), tuple(_topics(manifest.get("publish"))))


def _topics(publish: Any) -> list[str]:
    # what has another shape is Copilot's to refuse, which reads the manifest after us
    topics = publish.get("topics") if isinstance(publish, Mapping) else None
    named = [topic for topic in topics if isinstance(topic, Mapping)] if isinstance(topics, list) else []
    return [f"{topic.get('name')}.fifo" if topic.get("fifo") else str(topic.get("name")) for topic in named]


class _Manifest:
    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            document = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserMistake(f"{file}: expected a readable file, found: {error.strerror}") from error
        except MarkedYAMLError as error:
            line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
            raise UserMistake(f"{file}: {line}expected YAML, found: {_one_line(error.problem)}") from error
        except (YAMLError, ValueError) as error:  # ValueError: not UTF-8, or a value such as 2026-13-01
            raise UserMistake(f"{file}: expected YAML, found: {_one_line(error)}") from error
        if not isinstance(document, Mapping):
            raise UserMistake(f"{file}: expected keys with values, found {document!r}")
        self._document = document

    def get(self, key: str) -> Any:
        return self._document.get(key)

    def text(self, key: str) -> str:
        value = self.get(key)
        if not isinstance(value, str) or not value:
            found = "nothing" if value is None else repr(value)
            raise UserMistake(f"{self._file}: {key}: expected a text, found {found}")
        return value


def _manifests(folder: Path, kind: str) -> list[_Manifest]:
    found = sorted(folder.glob("*/manifest.yml"))
    if not found:
        raise UserMistake(f"{folder}: expected the folder of at least one {kind} with its manifest.yml, found none")
    return [_Manifest(file) for file in found]


def _one_line(problem: object) -> str:
    return " ".join(str(problem).split())
