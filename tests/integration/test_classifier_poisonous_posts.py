"""classifier as a real process and texts that the endpoint cannot stand: they are found, and nobody else is blamed."""

from collections import Counter
from pathlib import Path

from tests.support.classifier_process import HARMLESS, ClassifierProcess, numbered
from tests.support.endpoint_answers import MISSING_LABEL, NAN
from tests.support.endpoint_stand_in import Crash, Cut, Outcome, model_error, poisoned

#: Texts of a full call.
BATCH_TEXTS = 32

REFUSED = "refused by the model: the model answered 400"
FAILS = "refused by the model: the model fails at it again and again: "
#: By what stands in a text: what becomes of a call with it, and what is said of it in the dead letters.
KINDS: dict[str, tuple[Outcome, str]] = {
    "poison-a": (model_error(400), REFUSED),
    "poison-b": (model_error(500), FAILS + "the model answered 500"),
    "poison-c": (NAN, FAILS + "an answer that is not of the zero-shot shape"),
    "poison-d": (MISSING_LABEL, FAILS + "an answer without a score for 'flood'"),
    "poison-e": (Cut(), FAILS + "Connection was closed"),
    "poison-f": (Crash(0.2), FAILS + "Connection was closed"),
}
POISON = poisoned({word: outcome for word, (outcome, _reason) in KINDS.items()})


def assert_alone_in_the_dead_letters(work: ClassifierProcess, words: dict[int, str]) -> None:
    reasons = work.dead_letters()
    assert reasons.keys() == {f"x:{number}" for number in words}
    for number, word in words.items():
        assert reasons[f"x:{number}"].startswith(KINDS[word][1])


def test_one_text_in_two_hundred_and_one_in_ten_is_found_and_the_others_are_judged(tmp_path: Path) -> None:
    words = {200 * number + 57: word for number, word in enumerate(KINDS)}
    # the one that brings the endpoint down comes later and among few: while it does, others are tried more often
    *first, crashing = range(0, 200 * len(KINDS), 200)
    with ClassifierProcess(tmp_path, {"BATCH_TEXTS": str(BATCH_TEXTS)}) as work:
        work.endpoint.behave = POISON
        work.start_and_wait()
        for numbers in (range(first[0], crashing), range(crashing + 50, crashing + 66)):
            work.send(numbered(numbers, words))
            work.wait_until_settled()
        work.assert_balanced()
        work.assert_received_once()
        assert_alone_in_the_dead_letters(work, words)
        asked = [call.texts for call in work.endpoint.calls if call.texts != (HARMLESS,)]
        with_poison = Counter(word for texts in asked for word in words.values() if word in "".join(texts))
        assert max(map(len, asked)) <= BATCH_TEXTS
        # halves down to one text, twice where it may be the endpoint's own trouble, and then that text alone
        assert max(with_poison.values()) <= 2 * 5 + 12
        # the harmless text, and what was cut off together with what crashed the endpoint
        assert len(work.endpoint.calls) <= len(work.sent) / BATCH_TEXTS + 5 * sum(with_poison.values())
        # a neighbour is judged once, but for those that were cut off
        again = sum(times - 1 for times in work.endpoint.judged.values()) - work.endpoint.judged[HARMLESS]
        assert again <= len(work.sent) / 10

        # and now a storm, of a kind that is known at once: tests/chaos has the others
        words |= dict.fromkeys(range(1203, 1500, 10), "poison-a")
        work.send(numbered(range(1200, 1500), words))
        work.wait_until_settled()
        work.assert_balanced()
        work.assert_received_once()
        assert_alone_in_the_dead_letters(work, words)
