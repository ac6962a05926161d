"""The compose system, brought up once for all tests that use it."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.compose_system import ComposeSystem
from tests.support.compose_tests import uses_the_compose_system
from tests.support.docker_engine import require_docker

_SYSTEM = pytest.StashKey[ComposeSystem]()


@pytest.fixture(scope="session")
def bearer_token() -> str:
    """A token that exists nowhere else, so that finding it anywhere is a leak."""
    return "token-" + secrets.token_hex(16)


@pytest.fixture(scope="session")
def system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, bearer_token: str
) -> Iterator[ComposeSystem]:
    require_docker()
    folder: Path = tmp_path_factory.mktemp("compose")
    token_file = folder / "x-bearer-token"
    token_file.write_text(bearer_token)
    with ComposeSystem(f"tweet-alerts-test-{os.getpid()}", token_file, folder) as system:
        request.config.stash[_SYSTEM] = system
        yield system


@pytest.hookimpl(trylast=True)  # after the fixtures of the test itself, which may need the system once more
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """A system that is no longer needed must not take the processor from the tests that follow."""
    is_last = uses_the_compose_system(item) and not (nextitem and uses_the_compose_system(nextitem))
    if is_last and (system := item.config.stash.get(_SYSTEM, None)):
        system.stop()
