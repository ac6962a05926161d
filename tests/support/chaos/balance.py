"""Whether every post is accounted for, and nothing else has come: what a scenario waits for and asserts."""

import time
from collections.abc import Callable

from tests.support.chaos.road import Road
from tests.support.polling import wait_until

#: Seconds after which posts that are not accounted for count as lost: three visibility timeouts.
SECONDS = 180.0
#: Seconds between two looks: each costs processor time that the services need.
_PAUSE = 0.2


def wait_for_notifications(road: Road, more: int) -> None:
    """Until so many more posts have been notified than by now: the road is under load from end to end."""
    enough = len(road.accounts().notified_at) + more
    wait_until(rarely(lambda: len(road.accounts().notified_at) >= enough), f"{more} more notifications", SECONDS)


def wait_until_balanced(road: Road, *, ending_claims: bool) -> None:
    """Until every post that X has sent by now is judged, and notified where it is due.

    Raises AssertionError where that does not come about, where a post was notified without reason or a message lies in
    the dead letters. ``ending_claims``: see Road.end_claims_of_the_dead.
    """
    now = time.time()

    def look() -> bool:
        for service in road.services.values():
            service.assert_running()
        if ending_claims:
            road.end_claims_of_the_dead()
        return not _missing(road, now)

    try:
        wait_until(rarely(look), "the accounts to balance", SECONDS)
    except TimeoutError as late:
        raise AssertionError(f"{late}: {_missing(road, now)}; in the queues: {road.depths()}") from late
    assert_nothing_false(road)


def assert_nothing_false(road: Road) -> None:
    """Raises AssertionError where a post was notified without reason or a message lies in the dead letters."""
    unexpected = road.accounts().notified_at.keys() - road.due
    assert not unexpected, f"notified without reason: {sorted(unexpected)}"
    dead = {queue: count for queue, count in road.depths().items() if queue.endswith("-dlq") and count}
    assert not dead, f"in the dead letters: {dead}"


def assert_stream_goes_on(road: Road) -> None:
    """Raises AssertionError where X has no more posts: what was shown then was shown without load."""
    assert not road.accounts().finished, "X has come to the end of its posts: give the road more seconds"


def wait_until_empty(road: Road, *, ending_claims: bool) -> None:
    """Until nothing is left in any queue. Raises AssertionError where that does not come about."""

    def look() -> bool:
        if ending_claims:
            road.end_claims_of_the_dead()
        return not any(road.depths().values())

    try:
        wait_until(rarely(look), "the queues to be empty", SECONDS)
    except TimeoutError as late:
        raise AssertionError(f"{late}: {road.depths()}") from late


def _missing(road: Road, sent_by: float) -> dict[str, list[str]]:
    accounts = road.accounts()
    sent = {id_ for id_, at in accounts.sent_at.items() if at <= sent_by}
    missing = {
        "never judged": sent - accounts.judged,
        "due and not notified": (sent & road.due) - accounts.notified_at.keys(),
    }
    return {what: sorted(ids) for what, ids in missing.items() if ids}


def rarely(look: Callable[[], bool]) -> Callable[[], bool]:
    def after_a_pause() -> bool:
        time.sleep(_PAUSE)
        return look()

    return after_a_pause
