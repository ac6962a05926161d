"""Where posts wait for their judgement: what shares one, what is asked together, and what a change of labels does."""

import threading
from collections.abc import Callable
from unittest.mock import patch

from prometheus_client import CollectorRegistry

from classifier.batch_size import BatchSize
from classifier.cases import Case, Judged, NotAsked
from classifier.desk import Batch, Desk
from classifier.endpoint_errors import ContentRefused
from classifier.metrics import Metrics
from pipeline.contracts import MatchedRule
from tests.support.classifier_parts import a_cache, a_case, labels_of
from tests.support.desk_bench import MODEL, WAIT, Bench, judged, texts


def long(text: str, length: int) -> str:
    return text + " " + "x" * (length - len(text) - 1)


# what shares a judgement


def test_posts_that_say_the_same_are_one_question_and_all_have_its_answer() -> None:
    bench = Bench()
    one, other, different = a_case("the dam broke", "1"), a_case("RT @ana: The dam broke", "2"), a_case("nice day", "3")
    bench.submit(one, different, other)
    batch = bench.take()
    assert texts(batch) == ["the dam broke", "nice day"]
    answers = [judged(0.9), judged(0.1)]
    assert bench.desk.answered(batch.questions, answers) == [
        (one, answers[0]),
        (other, answers[0]),
        (different, answers[1]),
    ]
    assert (bench.answers("model"), bench.answers("shared"), bench.answers("cache")) == (2, 1, 0)


def test_a_post_joins_the_question_that_is_under_way() -> None:
    bench = Bench()
    one, other = a_case("the dam broke", "1"), a_case("The dam broke!".replace("!", ""), "2")
    bench.submit(one)
    batch = bench.take()
    bench.submit(other)
    assert bench.nothing_waits()
    refusal = ContentRefused("not this")
    assert bench.desk.answered(batch.questions, [refusal]) == [(one, refusal), (other, refusal)]


def test_a_post_is_answered_from_the_cache() -> None:
    bench = Bench()
    bench.submit(a_case("the dam broke", "1"))
    bench.desk.answered(bench.take().questions, [judged(0.9)])
    ((case, answer),) = bench.desk.submit([a_case("The dam  broke", "2")])
    assert (case.message.id, case.label_set) == ("2", bench.labels.everything)
    assert isinstance(answer, Judged)
    assert (list(answer.scores), answer.model) == ([0.9], MODEL)
    assert bench.answers("cache") == 1


def test_a_refusal_is_not_kept() -> None:
    bench = Bench()
    bench.submit(a_case("the dam broke", "1"))
    bench.desk.answered(bench.take().questions, [ContentRefused("not this")])
    bench.submit(a_case("the dam broke", "2"))


def test_what_another_model_answered_is_not_kept() -> None:
    bench = Bench()
    bench.submit(a_case("the dam broke", "1"))
    ((_case, answer),) = bench.desk.answered(bench.take().questions, [judged(0.9, "the second model")])
    assert answer == judged(0.9, "the second model")
    bench.submit(a_case("the dam broke", "2"))
    assert len(bench.cache) == 0


def test_the_same_text_under_other_rules_is_another_question() -> None:
    bench = Bench(labels_of({"name": "quake"}, {"name": "flood", "only_rules": ["water"]}))
    bench.submit(a_case("the dam broke", "1"), a_case("the dam broke", "2", rules=[MatchedRule(id="1", tag="water")]))
    first, second = bench.take(), bench.take()
    assert first.label_set.candidates == ("quake",)
    assert second.label_set.candidates == ("quake", "flood")
    assert texts(first) == texts(second) == ["the dam broke"]


def test_a_combination_of_labels_that_was_dropped_meanwhile_is_still_the_same() -> None:
    bench = Bench(labels_of(*({"name": tag, "only_rules": [tag]} for tag in ("water", "fire", "wind"))))

    def case(tag: str, id_: str) -> Case:
        return a_case("the dam broke", id_, rules=[MatchedRule(id="1", tag=tag)])

    with patch("classifier.labels._KEPT_SETS", 1):
        bench.submit(case("water", "1"), case("fire", "2"), case("water", "3"))
        first, second = bench.take(), bench.take()
        assert [len(question.cases) for question in (*first.questions, *second.questions)] == [2, 1]
        bench.desk.answered(first.questions, [judged(0.9)])
        bench.submit(case("wind", "4"))
        assert len(bench.desk.submit([case("water", "5")])) == 1


def test_a_post_that_no_label_is_for_is_answered_at_once() -> None:
    bench = Bench(labels_of({"name": "flood", "only_rules": ["water"]}))
    case = a_case("the dam broke")
    assert bench.desk.submit([case]) == [(case, NotAsked())]
    assert bench.nothing_waits()
    assert bench.answers("unasked") == 1


# what is asked together, and when


def test_a_batch_is_due_at_once_when_it_is_full() -> None:
    bench = Bench()
    bench.submit(*(a_case(f"text number {number}", str(number)) for number in range(3)))
    assert bench.desk.take(0.0) is None
    bench.submit(a_case("one more text", "3"))
    batch = bench.desk.take(0.0)
    assert batch
    assert len(batch.questions) == 4


def test_otherwise_it_is_due_once_its_oldest_has_waited() -> None:
    bench = Bench()
    bench.submit(a_case("the first text", "1"))
    bench.clock.now += 0.75 * WAIT
    bench.submit(a_case("the second text", "2"))
    assert bench.desk.take(0.0) is None
    bench.clock.now += 0.25 * WAIT
    batch = bench.desk.take(0.0)
    assert batch
    assert len(batch.questions) == 2


def test_more_than_a_batch_waits_for_the_next() -> None:
    bench = Bench(most=4)
    bench.submit(*(a_case(f"text number {number}", str(number)) for number in range(9)))
    sizes = [len(bench.take().questions) for _ in range(3)]
    assert sizes == [4, 4, 1]
    assert bench.nothing_waits()


def test_texts_times_labels_are_bounded() -> None:
    bench = Bench(labels_of(*({"name": f"label {number}"} for number in range(5))), most=4, most_pairs=10)
    bench.submit(*(a_case(f"text number {number}", str(number)) for number in range(5)))
    assert [len(bench.take().questions) for _ in range(3)] == [2, 2, 1]


def test_texts_of_like_length_go_together_with_the_oldest_always_among_them() -> None:
    bench = Bench(most=4)
    lengths = [200, 20, 210, 25, 190, 30, 220, 35]
    bench.submit(*(a_case(long(f"text {number}", length), str(number)) for number, length in enumerate(lengths)))
    assert sorted(len(text) for text in texts(bench.take())) == [190, 200, 210, 220]
    assert sorted(len(text) for text in texts(bench.take())) == [20, 25, 30, 35]


def test_the_oldest_never_starves_however_many_of_another_length_come() -> None:
    bench = Bench(most=4)
    bench.submit(a_case(long("the only long text", 900), "long"))
    bench.submit(*(a_case(f"a short text {number}", str(number)) for number in range(20)))
    assert any(len(text) == 900 for text in texts(bench.take()))


def test_a_label_set_that_is_rare_has_its_turn_however_many_ask_about_another() -> None:
    bench = Bench(labels_of({"name": "quake"}, {"name": "flood", "only_rules": ["water"]}), most=4)
    bench.submit(a_case("a rare one", "rare", rules=[MatchedRule(id="1", tag="water")]))
    bench.clock.now += WAIT
    bench.submit(*(a_case(f"text number {number}", str(number)) for number in range(20)))
    assert texts(bench.take()) == ["a rare one"]


def started(wait: Callable[[], Batch | None]) -> tuple[threading.Thread, list[Batch | None]]:
    found: list[Batch | None] = []
    thread = threading.Thread(target=lambda: found.append(wait()), daemon=True)
    thread.start()
    return thread, found


def test_callers_that_wait_are_woken_for_all_that_is_due_not_one_for_all() -> None:
    labels = labels_of({"name": "quake"}, {"name": "flood", "only_rules": ["water"]})
    metrics = Metrics(CollectorRegistry())
    desk = Desk(labels, BatchSize(4, 1000), a_cache(), MODEL, metrics, 0.001)
    callers = [started(lambda: desk.take(600.0)) for _ in range(2)]
    desk.submit([a_case("the dam broke", "1"), a_case("the dam broke", "2", rules=[MatchedRule(id="1", tag="water")])])
    for thread, _found in callers:
        thread.join(10.0)
    assert [len(found) for _thread, found in callers] == [1, 1]


def test_who_waits_hears_of_the_close() -> None:
    desk = Bench().desk
    thread, found = started(lambda: desk.take(600.0))
    desk.close()
    thread.join(10.0)
    assert found == [None]


# what is not answered


def test_what_is_withdrawn_comes_back_with_all_that_joined_it_but_for_what_was_answered() -> None:
    bench = Bench()
    answered, one, other = a_case("nice day today", "1"), a_case("the dam broke", "2"), a_case("The dam broke", "3")
    bench.submit(answered, one)
    batch = bench.take()
    bench.submit(other)
    bench.desk.answered(batch.questions[:1], [judged()])
    assert bench.desk.withdraw(batch) == [one, other]
    assert bench.desk.withdraw(batch) == []
    bench.submit(a_case("the dam broke", "4"))


def test_what_was_withdrawn_does_not_take_a_newer_question_of_the_same_text_along() -> None:
    bench = Bench()
    bench.submit(a_case("the dam broke", "1"))
    old = bench.take()
    bench.desk.answered(old.questions, [judged(0.9, "the second model")])
    newer = a_case("the dam broke", "2")
    bench.submit(newer)
    assert bench.desk.withdraw(old) == []
    assert bench.desk.answered(bench.take().questions, [judged()]) == [(newer, judged())]


def test_closed_it_gives_what_waits_back_and_what_is_under_way_may_still_be_answered() -> None:
    bench = Bench(most=1)
    under_way, joined, waits = a_case("the dam broke", "1"), a_case("The dam broke", "2"), a_case("nice day today", "3")
    bench.submit(under_way, waits, joined)
    batch = bench.take()
    assert bench.desk.close() == [waits]
    assert bench.desk.take(0.0) is None
    assert bench.desk.submit([a_case("one more text", "4")]) == []
    assert bench.desk.close() == []
    assert bench.desk.answered(batch.questions, [judged()]) == [(under_way, judged()), (joined, judged())]


def test_after_the_close_nothing_is_asked_again_and_the_cases_can_be_withdrawn() -> None:
    bench = Bench()
    case = a_case("the dam broke", "1")
    bench.submit(case)
    batch = bench.take()
    bench.desk.close()
    assert bench.desk.ask_again(batch) == []
    assert bench.desk.withdraw(batch) == [case]
