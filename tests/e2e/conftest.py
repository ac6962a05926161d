"""The compose system, brought up once for all tests that use it."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.compose_system import ComposeSystem
from tests.support.docker_engine import require_docker


@pytest.fixture(scope="session")
def bearer_token() -> str:
    """A token that exists nowhere else, so that finding it anywhere is a leak."""
    return "token-" + secrets.token_hex(16)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, bearer_token: str) -> Iterator[ComposeSystem]:
    require_docker()
    folder: Path = tmp_path_factory.mktemp("compose")
    token_file = folder / "x-bearer-token"
    token_file.write_text(bearer_token)
    with ComposeSystem(f"tweet-alerts-test-{os.getpid()}", token_file, folder) as system:
        yield system
