"""Manifests against the fields that Copilot knows: each real one is right, and no misspelled key gets through."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import inspect
from ruamel.yaml import YAML

from deployment.copilot_package import package
from deployment.manifests import read_manifest
from deployment.manifests.backend_service import BackendService
from deployment.manifests.environment import Environment
from tests.support.manifests import (
    Trail,
    all_fields,
    branch,
    key_trails,
    misspellings,
    mistake_in,
    renamed,
    used_fields,
    write,
    written,
)

REPOSITORY = Path(__file__).parents[2]
REAL = sorted((REPOSITORY / "copilot").rglob("manifest.yml"))
#: A workspace of tests alone, in which every field of every section stands somewhere.
EVERY_FIELD = Path(__file__).parent / "every_field"
EVERY_FIELD_MANIFESTS = sorted(EVERY_FIELD.rglob("manifest.yml"))


def name_of(path: Path) -> str:
    return path.parent.name


def kind_of(path: Path) -> type[BackendService | Environment]:
    return Environment if path.parent.parent.name == "environments" else BackendService


def load(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path)


def every_field(folder: Path) -> Path:
    """A copy of that workspace, with the files that its manifests name."""
    shutil.copytree(EVERY_FIELD, folder, dirs_exist_ok=True)
    for name in ("images/everything/Dockerfile", "images/proxy/Dockerfile"):
        write(folder / name, "")
    for name in ("everything", "proxy", "logging"):
        write(folder / f"settings/{name}.env", "")
    return folder


def place_in_copy(path: Path, folder: Path) -> Path:
    """Where a manifest lies in an otherwise empty workspace of the same environments."""
    root = next(parent.parent for parent in path.parents if parent.name == "copilot")
    for environment in root.glob("copilot/environments/*/manifest.yml"):
        write(folder / environment.relative_to(root), "")
    return folder / path.relative_to(root)


def test_there_are_real_manifests() -> None:
    assert {"stream-getter", "classifier", "notifier", "test", "prod"} <= {name_of(path) for path in REAL}


@pytest.mark.parametrize("path", REAL, ids=name_of)
def test_each_real_manifest_is_right(path: Path) -> None:
    manifest = read_manifest(path)
    assert isinstance(manifest, kind_of(path))
    assert manifest.name == name_of(path)


@pytest.mark.parametrize("path", EVERY_FIELD_MANIFESTS, ids=name_of)
def test_a_manifest_may_have_every_field(path: Path, tmp_path: Path) -> None:
    read_manifest(every_field(tmp_path) / path.relative_to(EVERY_FIELD))


def test_every_field_stands_in_those_manifests() -> None:
    known: set[tuple[str, str]] = set()
    used: set[tuple[str, str]] = set()
    for path in EVERY_FIELD_MANIFESTS:
        type_ = inspect.type_info(kind_of(path))
        known |= set(all_fields(type_))
        used |= set(used_fields(load(path), type_))
    assert known
    assert known - used == set()


def test_copilot_itself_takes_every_field(tmp_path: Path) -> None:
    workspace = every_field(tmp_path / "workspace")
    # Copilot asks AWS about some of its fields, which nothing here can answer
    shutil.rmtree(workspace / "copilot/environments/guarded")
    packaged = package(workspace, tmp_path / "templates", "eu-west-1")
    assert set(packaged.environments) == {"imported", "made", "small"}
    assert all(set(environment.services) == {"everything"} for environment in packaged.environments.values())


@pytest.mark.parametrize("path", REAL, ids=name_of)
def test_a_misspelled_key_is_told_wherever_it_stands(path: Path, tmp_path: Path) -> None:
    changed = place_in_copy(path, tmp_path)
    document = load(path)
    trails = list(key_trails(document))
    assert trails
    for trail, misspelled in zip(trails, each_misspelled(trails), strict=True):
        # JSON is YAML too, and quick to write
        write(changed, json.dumps(renamed(document, trail, misspelled)))
        check_told(changed, trail, misspelled)


@pytest.mark.parametrize("path", EVERY_FIELD_MANIFESTS, ids=name_of)
def test_a_misspelling_of_any_field_is_told(path: Path, tmp_path: Path) -> None:
    changed = place_in_copy(path, tmp_path)
    document = load(path)
    trails = list(key_trails(document))
    assert trails
    for trail, misspelled in zip(trails, each_misspelled(trails), strict=True):
        # a part is read in much less time, and a key that is not known is told before one that is missing
        part = {"name": document["name"], "type": document["type"]} | branch(document, trail)
        write(changed, json.dumps(renamed(part, trail, misspelled)))
        check_told(changed, trail, misspelled)


def each_misspelled(trails: list[Trail]) -> Iterator[str]:
    """The last key of each, in one way after the other."""
    for number, trail in enumerate(trails):
        ways = misspellings(str(trail[-1]))
        yield ways[number % len(ways)]


def check_told(path: Path, trail: Trail, misspelled: str) -> None:
    said = mistake_in(path)
    if trail[:-1] == ("environments",):
        assert said.startswith("environments: expected an environment of the workspace (")
    else:
        assert said.startswith(f"{written(trail[:-1])}: expected one of the keys ")
    assert said.endswith(f", got {misspelled!r}")


def check(folder: Path) -> tuple[int, str, list[str]]:
    """How the command ends in a folder, and what it prints on standard output and error."""
    done = subprocess.run(
        [sys.executable, "-m", "deployment.manifests"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr.splitlines()


def test_the_command_is_silent_when_all_is_well() -> None:
    assert check(REPOSITORY) == (0, "", [])


def test_the_command_tells_of_every_manifest_that_is_wrong(tmp_path: Path) -> None:
    service = "name: api\ntype: Backend Service\nimage: {location: nginx}\n"
    write(tmp_path / "copilot/api/manifest.yml", f"{service}network: {{vcp: {{}}}}\n")
    write(tmp_path / "copilot/other/manifest.yml", service)
    write(tmp_path / "copilot/right/manifest.yml", service.replace("api", "right"))
    write(tmp_path / "copilot/environments/test/manifest.yml", "name: test\ntype: Environment\nnet: {}\n")
    assert check(tmp_path) == (
        2,
        "",
        [
            "copilot/api/manifest.yml: network: expected one of the keys vpc, connect, got 'vcp'",
            "copilot/environments/test/manifest.yml: the file: expected one of the keys name, type, network, "
            "observability, http, cdn, got 'net'",
            "copilot/other/manifest.yml: name: expected the folder's name 'other', got 'api'",
        ],
    )


def test_the_command_tells_when_there_is_nothing_to_check(tmp_path: Path) -> None:
    assert check(tmp_path) == (2, "", ["copilot: expected at least one manifest.yml, got none"])
