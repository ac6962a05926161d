"""classifier alone meets SIGKILL and poison under load, for longer than `make test` has time for."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.classifier_kills import kill_under_load
from tests.support.classifier_process import ClassifierProcess, numbered
from tests.support.endpoint_answers import MISSING_LABEL, NAN
from tests.support.endpoint_stand_in import Crash, Cut, Outcome, model_error, poisoned

Tell = Callable[[Mapping[str, int]], None]
#: Seconds that a storm of poison may last.
_SECONDS = 600.0


def test_classifier_is_killed_twenty_times_and_the_books_balance_each_time(
    tmp_path: Path, rng: random.Random, tell: Tell
) -> None:
    tell(kill_under_load(tmp_path, rng, 20))


def test_every_tenth_post_is_poison_of_a_kind_that_takes_several_tries(
    tmp_path: Path, rng: random.Random, tell: Tell
) -> None:
    kinds: dict[str, Outcome] = {
        "poison-a": model_error(500),
        "poison-b": NAN,
        "poison-c": MISSING_LABEL,
        "poison-d": Cut(),
    }
    numbers = rng.sample(range(500), 50)
    words = {number: rng.choice(list(kinds)) for number in numbers}
    with ClassifierProcess(tmp_path) as work:
        work.endpoint.behave = poisoned(kinds)
        work.send(numbered(range(500), words))
        work.start()
        work.wait_until_settled(_SECONDS)
        work.assert_balanced()
        work.assert_received_once()
        tell({"posts": 500, "of these poison": 50, "calls": len(work.endpoint.calls)})


def test_some_posts_bring_the_endpoint_down_for_a_second(tmp_path: Path, rng: random.Random, tell: Tell) -> None:
    words = dict.fromkeys(rng.sample(range(400), 5), "poison-a")
    with ClassifierProcess(tmp_path) as work:
        work.endpoint.behave = poisoned({"poison-a": Crash(1.0)})
        work.send(numbered(range(400), words))
        work.start()
        work.wait_until_settled(_SECONDS)
        work.assert_balanced()
        work.assert_received_once()
        tell({"posts": 400, "of these poison": 5, "calls": len(work.endpoint.calls)})
