"""Which tests share one compose system."""

import pytest


def uses_the_compose_system(item: pytest.Item) -> bool:
    """By the name of its file, which begins with ``test_compose``."""
    return item.path.name.startswith("test_compose")
