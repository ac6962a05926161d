"""classifier as a real process, its queues and its endpoint in trouble at the same time: the books balance."""

import random
from pathlib import Path

import pytest

from tests.support.classifier_process import ClassifierProcess, numbered
from tests.support.endpoint_answers import MISSING_LABEL, NAN
from tests.support.endpoint_stand_in import THROTTLED, Call, Cut, Outcome, model_error, poisoned
from tests.support.service_process import asked
from tests.support.strict_sqs import FaultRates, What

RATES = FaultRates(
    never_arrives=0.03,
    throttled=0.03,
    internal_error=0.03,
    answer_lost=0.05,
    receives_nothing=0.05,
    reordered=0.3,
    duplicated=0.2,
    entry_fails=0.05,
    entry_fails_though_done=0.05,
    late_visibility=0.05,
)
TROUBLE: list[Outcome] = [THROTTLED, model_error(503), model_error(500), model_error(429), NAN, MISSING_LABEL, Cut()]
POISON = poisoned({"poison-a": model_error(400)})


@pytest.mark.parametrize("seed", [11, 12])
def test_queues_and_endpoint_in_trouble_at_once_lose_nothing(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    fate = random.Random(rng.getrandbits(32))

    def stormy(call: Call) -> Outcome:
        return fate.choice(TROUBLE) if fate.random() < 0.15 else POISON(call)

    posts = numbered(range(400), dict.fromkeys(rng.sample(range(400), 4), "poison-a"))
    with ClassifierProcess(tmp_path, rng=rng) as work:
        work.endpoint.behave = stormy
        work.send(posts[:200])
        work.start_and_wait()
        work.sqs.faults.at_random(RATES)
        deleted = work.sqs.ledger.count(What.DELETED, "posts")
        work.wait_until(lambda: work.sqs.ledger.count(What.DELETED, "posts") >= deleted + 60, "posts to be judged")
        # as after a pause of the machine: the receipts of what is in hand are worth nothing any more
        work.sqs.faults.clear()
        work.end_claims()
        work.send(posts[200:])
        work.sqs.faults.at_random(RATES)
        work.wait_until(lambda: work.sqs.ledger.count(What.DELETED, "posts") >= deleted + 120, "more to be judged")
        with work.front.unreachable():
            work.wait_until(lambda: "queue" in readiness(work), "the process to notice that its queues are away")

        # what is hidden then was handed out in an answer that was lost, or its dead letter could not be written
        work.wait_until(lambda: not work.sqs.visible("posts"), "all posts to be received")
        work.sqs.faults.clear()
        work.end_claims()
        work.wait_until_settled()
        work.assert_balanced(alerts_may_repeat=True)


def readiness(work: ClassifierProcess) -> str:
    response = asked(work.variables, "/readyz")
    return "" if response is None or response.status_code == 200 else response.text
