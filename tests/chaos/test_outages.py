"""What the services need is gone for a minute, under load: nothing is lost, and no receive count is burnt."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.chaos.http_proxy import Outage
from tests.support.chaos.road import Road
from tests.support.chaos.scenarios import assert_no_receive_count_burnt, cut_off_model, cut_off_queues, end

Tell = Callable[[Mapping[str, int]], None]
SECONDS = 60.0

of_each_kind = pytest.mark.parametrize("outage", Outage, ids=lambda outage: outage.value)


@of_each_kind
def test_queues_and_topic_are_gone_for_a_minute(tmp_path: Path, rng: random.Random, tell: Tell, outage: Outage) -> None:
    with Road(tmp_path, rng, seconds=400) as road:
        tell(cut_off_queues(road, SECONDS, outage, ending_claims=False))
        tell(end(road, ending_claims=False))
        tell(assert_no_receive_count_burnt(road))


@of_each_kind
def test_the_model_is_gone_for_a_minute(tmp_path: Path, rng: random.Random, tell: Tell, outage: Outage) -> None:
    with Road(tmp_path, rng, seconds=400) as road:
        tell(cut_off_model(road, SECONDS, outage))
        tell(end(road, ending_claims=False))
        tell(assert_no_receive_count_burnt(road))
