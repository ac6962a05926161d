"""From a manifest's file to its checked fields."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from deployment.manifests.backend_service import BackendService, ServiceFields
from deployment.manifests.environment import Environment
from deployment.manifests.overriding import overridden
from deployment.manifests.rules import broken_rules
from pipeline.document_errors import describe
from pipeline.errors import UserMistake
from pipeline.text import cut
from pipeline.yaml_text import load_yaml

ENVIRONMENTS = "environments"
FILE_NAME = "manifest.yml"
_FOUND_LENGTH = 60

_IN_PLACE_OF_A_SECRET = re.compile(r"(\S+\.)?(secrets|secretOptions)\.\S+: expected (?!one of the keys)")

M = TypeVar("M")


def read_manifest(path: Path) -> BackendService | Environment:
    """The checked manifest at copilot/NAME/manifest.yml or copilot/environments/NAME/manifest.yml.

    Its place tells which of the two it must be, as it tells Copilot. A service is checked as it stands and once more
    with what each environment overrides. Raises UserMistake for the first mistake found.
    """
    document = _document(path)
    folder = path.resolve().parent
    manifest: BackendService | Environment
    if folder.parent.name == ENVIRONMENTS:
        manifest = _converted(path, document, Environment)
    else:
        manifest = _converted(path, document, BackendService)
        _check_service(path, document, manifest, folder.parent)
    if manifest.name != folder.name:
        raise UserMistake(f"{path}: name: expected the folder's name {folder.name!r}, got {manifest.name!r}")
    return manifest


def _document(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserMistake(f"{path}: expected a readable file, got: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserMistake(f"{path}: expected a readable file, got: not UTF-8") from error
    return load_yaml(text, str(path))


def _converted(path: Path, document: Any, kind: type[M]) -> M:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        said = describe(error, document, kind)
        if _IN_PLACE_OF_A_SECRET.match(said):
            said = f"{said.rpartition(', got ')[0]}, got something else (not shown: it may be the secret itself)"
        raise UserMistake(f"{path}: {said}") from error


def _check_service(path: Path, document: Any, service: BackendService, copilot: Path) -> None:
    environments = sorted(each.parent.name for each in (copilot / ENVIRONMENTS).glob(f"*/{FILE_NAME}"))
    for name in service.environments:
        if name not in environments:
            known = ", ".join(environments) or "there is none yet"
            raise UserMistake(f"{path}: environments: expected an environment of the workspace ({known}), got {name!r}")
    for place, deployed in _as_deployed(document, service):
        for key, expected, found in broken_rules(deployed, copilot.parent):
            got = "nothing" if found is None else cut(repr(found), _FOUND_LENGTH)
            raise UserMistake(f"{path}: {place}{key}: expected {expected}, got {got}")


def _as_deployed(document: Any, service: BackendService) -> Iterator[tuple[str, ServiceFields]]:
    """The service in an environment that overrides nothing, and in each that does, with the place of what it says."""
    yield "", service
    base = {key: value for key, value in document.items() if key not in ("name", "type", "environments")}
    for name in service.environments:
        fields = overridden(base, document["environments"][name])
        yield f"environments.{name}.", msgspec.convert(fields, ServiceFields)
