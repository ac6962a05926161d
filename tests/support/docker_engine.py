"""Tests that need Docker: skipped where no engine answers, and a failure there if ``REQUIRE_DOCKER=1``."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

_ENGINE_SECONDS = 30.0
_PULL_SECONDS = 600.0
_RUN_SECONDS = 300.0


def require_docker(image: str | None = None) -> None:
    """Goes on only if an engine answers and, where one is named, ``image`` is there or can be pulled."""
    reason = why_no_engine() or (why_no_image(image) if image else None)
    if reason:
        skip_or_fail(reason)


def skip_or_fail(reason: str) -> NoReturn:
    """What is missing is skipped on a developer's machine, and fails where Docker is promised."""
    if os.environ.get("REQUIRE_DOCKER") == "1":
        pytest.fail(f"REQUIRE_DOCKER=1, and {reason}")
    pytest.skip(reason)


def why_no_engine() -> str | None:
    """None if an engine answers, otherwise in one line why not."""
    return _complaint(
        "no Docker engine answers", ["docker", "version", "--format", "{{.Server.Version}}"], _ENGINE_SECONDS
    )


def why_no_image(image: str) -> str | None:
    """None if ``image`` is there or was pulled now, otherwise in one line why not."""
    if _complaint("", ["docker", "image", "inspect", image], _ENGINE_SECONDS) is None:
        return None
    return _complaint(f"image {image} cannot be pulled", ["docker", "pull", "--quiet", image], _PULL_SECONDS)


def run_in_image(
    image: str, program: str, arguments: Sequence[str], folders: Mapping[Path, str]
) -> "subprocess.CompletedProcess[str]":
    """Runs ``program`` of an image to its end, with folders of this machine mounted to be read."""
    mounts = [f"--volume={folder.resolve()}:{target}:ro" for folder, target in folders.items()]
    command = ["docker", "run", "--rm", "--network=none", f"--entrypoint={program}", *mounts, image, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=_RUN_SECONDS, check=False)


def _complaint(what: str, command: Sequence[str], seconds: float) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except FileNotFoundError:
        return f"{what}: there is no command {command[0]}"
    except subprocess.TimeoutExpired:
        return f"{what}: nothing within {seconds:g} s"
    if done.returncode == 0:
        return None
    return f"{what}: {(done.stderr.strip().splitlines() or [f'exit code {done.returncode}'])[-1]}"
