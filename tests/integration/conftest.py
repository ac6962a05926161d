"""What the integration tests share: one emulator for the whole run, and queues of its own for each test."""

from collections.abc import Iterator

import pytest

from tests.support.emulator import Emulator, running_emulator


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The emulator of SQS, SNS, S3 and CloudFormation."""
    with running_emulator(tmp_path_factory.mktemp("emulator") / "log.txt") as emulator:
        yield emulator


@pytest.fixture
def stack(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The outputs of a fresh stack, by name; boto3's environment leads to it."""
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    with emulator.fresh_stack() as outputs:
        yield outputs
