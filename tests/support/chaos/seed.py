"""The seed of a test: of what is sent, and of the moments at which something is broken."""

import os
import random

import pytest


def seeded(request: pytest.FixtureRequest, default: int) -> random.Random:
    """Seeded by the environment's SEED, to have a failed test once more, else by the default; a failure tells which.

    The same seed gives the same posts and the same moments; what the processes do in between is theirs.
    """
    seed = int(os.environ.get("SEED", "") or default)
    request.node.add_report_section("setup", "seed", f"SEED={seed}")
    return random.Random(seed)
