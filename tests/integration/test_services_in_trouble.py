"""The three services as real processes under load, killed, cut off from their queues and from the model.

Short forms of what tests/chaos does for longer: `make chaos`.
"""

import random
from pathlib import Path

import pytest

from tests.support.chaos.http_proxy import Outage
from tests.support.chaos.road import Road
from tests.support.chaos.scenarios import (
    assert_no_receive_count_burnt,
    cut_off_model,
    cut_off_queues,
    end,
    kill_each_service,
)
from tests.support.chaos.seed import seeded


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    return seeded(request, default=5)


def test_services_are_killed_and_the_accounts_balance_each_time(tmp_path: Path, rng: random.Random) -> None:
    with Road(tmp_path, rng, seconds=150) as road:
        kill_each_service(road, rng, 2)
        end(road, ending_claims=True)


def test_queues_and_model_are_gone_in_turn_and_no_post_or_receive_count_is_lost(
    tmp_path: Path, rng: random.Random
) -> None:
    with Road(tmp_path, rng, seconds=150) as road:
        cut_off_queues(road, 10.0, Outage.REFUSED, ending_claims=True)
        cut_off_model(road, 10.0, Outage.REFUSED)
        end(road, ending_claims=True)
        assert_no_receive_count_burnt(road)
