"""What the long forms share: a seed, another in each run, and a place for the figures."""

import random
from collections.abc import Callable, Mapping

import pytest

from tests.support.chaos.seed import seeded


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Seeded by SEED, or at random."""
    return seeded(request, random.SystemRandom().getrandbits(32))


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[Mapping[str, int]], None]:
    """Shows figures at once, whatever becomes of the test."""
    terminal = request.config.pluginmanager.getplugin("terminalreporter")
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def show(figures: Mapping[str, int]) -> None:
        with capture.global_and_fixture_disabled():
            for what, number in figures.items():
                terminal.ensure_newline()
                terminal.write_line(f"    {number:>6} {what}")

    return show
