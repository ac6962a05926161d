"""Real processes meet SIGKILL and SIGTERM under load, and every post is accounted for."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.chaos.road import Road
from tests.support.chaos.scenarios import (
    assert_no_receive_count_burnt,
    drain_with_a_slow_model,
    end,
    fail_and_redrive_twice,
    kill_all_at_once,
    kill_each_service,
)

Tell = Callable[[Mapping[str, int]], None]


def test_each_service_is_killed_twenty_times_and_the_accounts_balance_each_time(
    tmp_path: Path, rng: random.Random, tell: Tell
) -> None:
    with Road(tmp_path, rng, seconds=1800) as road:
        tell(kill_each_service(road, rng, 20))
        tell(end(road, ending_claims=True))


def test_what_killed_services_had_in_hand_comes_back_by_itself(tmp_path: Path, rng: random.Random, tell: Tell) -> None:
    with Road(tmp_path, rng, seconds=300) as road:
        tell(kill_all_at_once(road))
        tell(end(road, ending_claims=False))


def test_sigterm_drains_in_time_though_the_model_takes_a_minute(tmp_path: Path, rng: random.Random, tell: Tell) -> None:
    with Road(tmp_path, rng, seconds=300) as road:
        tell(drain_with_a_slow_model(road))
        tell(end(road, ending_claims=False))
        tell(assert_no_receive_count_burnt(road))


def test_posts_that_fail_are_redriven_fail_again_and_are_redriven(
    tmp_path: Path, rng: random.Random, tell: Tell
) -> None:
    with Road(tmp_path, rng, seconds=300) as road:
        tell(fail_and_redrive_twice(road))
