"""Dockerfiles are clean by hadolint, and alike where they must be."""

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

DOCKERFILES = sorted([*Path("services").glob("*/Dockerfile"), Path("model/Dockerfile"), Path("simulator/Dockerfile")])
#: Other people's images with this repository's files in them.
WATCHING = sorted(Path("monitoring").glob("*/Dockerfile"))
each = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)


def test_there_is_one_for_each_image() -> None:
    assert {path.parent.name for path in DOCKERFILES} == {
        "stream-getter",
        "classifier",
        "notifier",
        "model",
        "simulator",
    }
    assert {path.parent.name for path in WATCHING} == {"prometheus", "grafana"}


@pytest.mark.parametrize("dockerfile", [*DOCKERFILES, *WATCHING], ids=lambda path: path.parent.name)
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, dockerfile], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@each
def test_it_installs_by_hash_and_runs_as_a_plain_user(dockerfile: Path) -> None:
    text = dockerfile.read_text()
    assert f"COPY requirements/{dockerfile.parent.name}.lock" in text
    assert "--require-hashes" in text
    assert "\nUSER 10001\n" in text
    assert "\nHEALTHCHECK " in text
    assert "org.opencontainers.image.title" in text


@each
def test_code_comes_after_dependencies_so_that_a_change_rebuilds_in_seconds(dockerfile: Path) -> None:
    _, dependencies, image = dockerfile.read_text().split("\nFROM ")
    assert "src" not in dependencies
    assert image.index("/opt/venv /opt/venv") < image.index("/src")


def test_a_model_of_the_hub_is_kept_where_a_user_without_a_home_may_write() -> None:
    text = Path("model/Dockerfile").read_text()
    assert "--home-dir /nonexistent" in text
    assert " HF_HOME=/tmp/" in text


@pytest.mark.parametrize("dockerfile", WATCHING, ids=lambda path: path.parent.name)
def test_a_watching_image_is_the_one_that_compose_runs(dockerfile: Path) -> None:
    compose = YAML(typ="safe").load(Path("compose.yaml"))
    (base,) = [line.removeprefix("FROM ") for line in dockerfile.read_text().splitlines() if line.startswith("FROM ")]
    assert base == compose["services"][dockerfile.parent.name]["image"]
