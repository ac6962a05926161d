"""What the tests of copilot/ share: everything that Copilot makes of it, packaged once."""

from pathlib import Path

import pytest

from deployment.copilot_package import PackagedWorkspace, package

_REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> PackagedWorkspace:
    """The repository's own workspace, packaged for eu-west-1 by Copilot's real program."""
    return package(_REPOSITORY, tmp_path_factory.mktemp("packaged"), "eu-west-1")
