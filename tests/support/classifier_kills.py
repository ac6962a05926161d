"""classifier is killed at random moments under load: in a short form for `make test`, a long one for `make chaos`."""

import random
import time
from pathlib import Path

from tests.support.classifier_process import ClassifierProcess, numbered
from tests.support.endpoint_stand_in import THROTTLED, Call, Outcome, model_error, poisoned

#: Posts for each life of the process: more than it can judge before it is killed.
_POSTS = 150
#: Seconds after the first judgement of a life within which it is killed.
_LATEST_KILL = 0.4
#: Seconds that a call takes, so that kills meet calls.
_BUSY = 0.05
_POISON = poisoned({"poison-a": model_error(400)})


def kill_under_load(folder: Path, rng: random.Random, times: int) -> dict[str, int]:
    """SIGKILL meets it so many times, and the books must balance each time; figures for people.

    What the killed one had in hand is made visible at once, which the queue would do after its visibility timeout.
    Raises AssertionError where a post is lost, or no kill met one in hand.
    """
    fate = random.Random(rng.getrandbits(32))

    def behave(call: Call) -> Outcome:
        return THROTTLED if fate.random() < 0.1 else _POISON(call)

    met = 0
    with ClassifierProcess(folder) as work:
        work.endpoint.behave = behave
        work.endpoint.seconds = _BUSY
        for life in range(times):
            numbers = range(life * _POSTS, (life + 1) * _POSTS)
            work.send(numbered(numbers, {rng.choice(numbers): "poison-a"}))
            before = work.left()
            work.start()
            work.wait_until(lambda left=before: work.left() < left, "the first judgements")  # type: ignore[misc]
            time.sleep(rng.uniform(0.0, _LATEST_KILL))
            work.kill()
            met += len(work.hidden())
            work.end_claims()
            work.assert_balanced(some_are_left=True, alerts_may_repeat=True)
        assert met, "no kill met a post in hand"
        work.start()
        work.wait_until_settled()
        work.assert_balanced(alerts_may_repeat=True)
        alerts = work.alerts()
        return {
            "kills": times,
            "posts": len(work.sent),
            "posts in hand when it was killed": met,
            "alerts sent again": len(alerts) - len({alert.post.id for alert in alerts}),
        }
