"""How tests are shared out between processes (`make test`): a file at a time, and all of the compose system to one."""

import pytest

_COMPOSE_SYSTEM = "system"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        group = "compose" if _uses_the_compose_system(item) else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
    # what waits longest begins first, beside what needs the processor
    items.sort(key=lambda item: "/e2e/" not in item.nodeid)


def _uses_the_compose_system(item: pytest.Item) -> bool:
    return "/e2e/" in item.nodeid and _COMPOSE_SYSTEM in getattr(item, "fixturenames", ())
