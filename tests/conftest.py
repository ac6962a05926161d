"""How tests are shared out between processes (`make test`): a file at a time, and all of the compose system to one."""

import pytest

from tests.support.compose_tests import uses_the_compose_system


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        group = "compose" if uses_the_compose_system(item) else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
    # what waits longest begins first, beside what needs the processor
    items.sort(key=lambda item: "/e2e/" not in item.nodeid)
