"""What is done to a road while its stream goes on, in a long form for `make chaos` and in a short one for `make test`.

Each raises AssertionError where a post is lost, and returns figures for people. Several may follow each other on one
road; ``end`` is the last.
"""

import random
import time
from collections import Counter
from collections.abc import Mapping

from demo.road import SERVICES
from tests.support.chaos.balance import (
    assert_nothing_false,
    assert_stream_goes_on,
    rarely,
    wait_for_notifications,
    wait_until_balanced,
    wait_until_empty,
)
from tests.support.chaos.http_proxy import Outage
from tests.support.chaos.posts import LABEL
from tests.support.chaos.road import BATCH_TEXTS, CALLS, START_SECONDS, Road
from tests.support.polling import wait_until

#: Posts that classifier may hold while its endpoint is away: what its reader buffers, what it has in hand at most (see
#: its bootstrap), and two receives that were begun before.
_MOST_IN_CLASSIFIER = 30 + 2 * CALLS * BATCH_TEXTS + 200 + 2 * 10
#: Posts that an outage must meet at least: more than would wait in a process.
_MET = _MOST_IN_CLASSIFIER + 60
#: Notifications that show that all are at work.
_AT_WORK = 10
#: Seconds that an endpoint takes by which classifier's callers are busy with the stream, so that kills meet work.
_BUSY = 0.1
#: Seconds that an endpoint takes at whose answer nobody waits any more.
_TOO_LONG = 60.0

Figures = Mapping[str, int]


def kill_each_service(road: Road, rng: random.Random, times: int) -> Figures:
    """SIGKILL meets each service so many times under load, in random order and at random moments.

    Each is started again at once, and the accounts must balance before the next kill. What the killed one had in hand
    is made visible at once, which the queue would do when its visibility timeout (60 s) is over.
    """
    road.model.seconds = _BUSY
    victims = [name for name in SERVICES for _ in range(times)]
    rng.shuffle(victims)
    in_hand = Counter(dict.fromkeys(SERVICES, 0))
    road.wait_until_ready()
    wait_for_notifications(road, _AT_WORK)
    for name in victims:
        time.sleep(rng.uniform(0.0, 1.0))
        in_hand[name] += road.services[name].kill()
        road.services[name].start()
        road.wait_until_ready()
        wait_until_balanced(road, ending_claims=True)
        assert_stream_goes_on(road)
    assert in_hand["classifier"], "no kill of classifier met a post in hand"
    met = {f"messages in hand when {name} was killed": count for name, count in in_hand.items() if count}
    return {"kills of each service": times, **met}


def kill_all_at_once(road: Road) -> Figures:
    """SIGKILL meets all services at the same time. What they had in hand comes back by itself, in the queues' time."""
    road.model.seconds = _BUSY
    road.wait_until_ready()
    wait_for_notifications(road, _AT_WORK)
    in_hand = sum(service.kill() for service in road.services.values())
    assert in_hand, "the kills met no message in hand"
    for service in road.services.values():
        service.start()
    road.wait_until_ready()
    wait_until_balanced(road, ending_claims=False)
    return {"messages in hand when all were killed": in_hand}


def cut_off_queues(road: Road, seconds: float, outage: Outage, *, ending_claims: bool) -> Figures:
    """Queues and topic are gone for all services, for so long at least.

    ``ending_claims`` is for an outage shorter than the visibility timeout, which then spares waiting for that.
    """
    road.wait_until_ready()
    wait_for_notifications(road, _AT_WORK)
    road.cut_off_queues(outage)
    met = _meet_posts(road, seconds)
    road.restore_queues()
    wait_until_balanced(road, ending_claims=ending_claims)
    return {"posts sent in the outage": met, "messages in flight at the cut": len(road.may_come_twice)}


def cut_off_model(road: Road, seconds: float, outage: Outage) -> Figures:
    """The model endpoint is gone for so long at least; posts must wait in their queue then, and not in a process."""
    road.wait_until_ready()
    wait_for_notifications(road, _AT_WORK)
    books = road.services["classifier"].books
    before = len(books.hand_outs())
    road.model_door.cut_off(outage)
    met = _meet_posts(road, seconds)
    received = len(books.hand_outs()) - before
    assert received <= _MOST_IN_CLASSIFIER, f"{received} of {met} posts were received in the outage: it did not pause"
    road.model_door.restore()
    wait_until_balanced(road, ending_claims=False)
    return {"posts sent in the outage": met, "posts received in it": received}


def drain_with_a_slow_model(road: Road) -> Figures:
    """classifier gets SIGTERM while an endpoint that takes 60 s has just been asked. It must end in time and with 0.

    What it held must be visible at once, and is judged after its next start.
    """
    road.wait_until_ready()
    wait_for_notifications(road, _AT_WORK)
    classifier = road.services["classifier"]
    usual, road.model.seconds = road.model.seconds, _TOO_LONG
    wait_until(lambda: road.model.under_way == CALLS, "all callers to ask the endpoint", START_SECONDS)
    # then no receive is under way, which could take what is given back once more
    wait_until(rarely(lambda: road.visible("posts") >= _MET), "posts to wait, for the buffer is full", START_SECONDS)
    classifier.begin_to_end()
    classifier.assert_ends_well()
    left = classifier.books.in_hand()
    assert not left, f"neither deleted nor given back: {left}"
    wait_until(rarely(lambda: not road.hidden("posts")), "what was given back to be visible", START_SECONDS)
    given_back = {hand_out.message_id for hand_out in classifier.books.given_back()}
    road.may_come_twice |= given_back
    road.model.seconds = usual
    classifier.start()
    wait_until_balanced(road, ending_claims=False)
    return {"messages given back": len(given_back)}


def fail_and_redrive_twice(road: Road) -> Figures:
    """The endpoint refuses the posts that are due; they are redriven, refused again, and redriven once it is mended."""
    road.wait_until_ready()
    wait_for_notifications(road, _AT_WORK)
    road.model.refuses = lambda text: LABEL in text
    wait_until(rarely(lambda: road.depths()["posts-dlq"] >= _AT_WORK), "posts to be refused", START_SECONDS)
    road.end_stream()
    wait_until(rarely(lambda: not road.depths()["posts"]), "all posts to be judged or refused", START_SECONDS)
    refused = road.depths()["posts-dlq"]
    texts = road.model.refusals.keys()
    assert len(texts) == refused, "each refused post lies in the dead letters"

    road.redrive_posts()
    wait_until(rarely(lambda: min(road.model.refusals.values()) >= 2), "all to be refused again", START_SECONDS)
    wait_until(rarely(lambda: road.depths()["posts-dlq"] == refused), "all in the dead letters", START_SECONDS)

    road.model.refuses = lambda _text: False
    road.redrive_posts()
    wait_until_balanced(road, ending_claims=False)
    return {"posts refused twice": refused}


def end(road: Road, *, ending_claims: bool) -> Figures:
    """X ends, everything is worked off, the services drain: nothing may be left anywhere then."""
    road.end_stream()
    wait_until_balanced(road, ending_claims=ending_claims)
    wait_until_empty(road, ending_claims=ending_claims)
    road.end_services()
    assert_nothing_false(road)
    depths = road.depths()
    assert not any(depths.values()), f"left in the queues: {depths}"
    accounts = road.accounts()
    return {
        "posts sent": len(accounts.sent_at),
        "sent again by X": accounts.repeats_sent,
        "due, and notified": len(accounts.notified_at),
        "repeats notified": sum(accounts.notifications.values()) - len(accounts.notified_at),
    }


def assert_no_receive_count_burnt(road: Road) -> Figures:
    """Raises AssertionError where a message was received twice that had no reason to be, or any three times.

    The counts are the queues' own, as they were handed out.
    """
    hand_outs = road.hand_outs()
    may_come_twice = road.may_come_twice | _twins_put_off(road)
    burnt = [
        hand_out
        for hand_out in hand_outs
        if hand_out.receive_count > (2 if hand_out.message_id in may_come_twice else 1)
    ]
    assert not burnt, f"receive counts were burnt: {burnt}"
    messages = {hand_out.message_id for hand_out in hand_outs}
    twice = {hand_out.message_id for hand_out in hand_outs if hand_out.receive_count == 2}
    return {"messages received": len(messages), "of these twice": len(twice)}


def _twins_put_off(road: Road) -> set[str]:
    """Deliveries that came in one batch with their repeat, made by a lost answer: notifier puts off the second."""
    messages_of: dict[str, set[str]] = {}
    books = road.services["notifier"].books
    for hand_out in books.hand_outs():
        messages_of.setdefault(hand_out.content_id, set()).add(hand_out.message_id)
    put_off = {hand_out.message_id for hand_out in books.given_back() if len(messages_of[hand_out.content_id]) > 1}
    return put_off - messages_of.get("", set())


def _meet_posts(road: Road, seconds: float) -> int:
    """Lets an outage last, and until X has sent so many posts that they cannot all wait in a process; how many."""
    before = len(road.accounts().sent_at)
    time.sleep(seconds)
    enough = before + _MET
    wait_until(rarely(lambda: len(road.accounts().sent_at) >= enough), "posts in the outage", START_SECONDS)
    assert_stream_goes_on(road)
    return len(road.accounts().sent_at) - before
