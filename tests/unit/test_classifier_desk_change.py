"""A change of labels at the desk: what waits is asked about by the new ones, what is known is forgotten."""

from classifier.cases import NotAsked
from pipeline.contracts import MatchedRule
from tests.support.classifier_parts import a_case, labels_of
from tests.support.desk_bench import Bench, judged, texts

FIRE = {"name": "fire"}


def test_what_waits_is_asked_about_by_the_new_labels_the_oldest_first() -> None:
    bench = Bench(labels_of({"name": "quake"}, {"name": "flood", "only_rules": ["water"]}))
    for number, rules in enumerate([[], [MatchedRule(id="1", tag="water")], []]):
        bench.submit(a_case(f"text number {number}", str(number), rules=rules))
        bench.clock.now += 0.01
    new = labels_of(FIRE)
    assert bench.desk.change(new) == []
    assert bench.desk.labels is new
    batch = bench.take()
    assert batch.label_set is new.everything
    assert texts(batch) == ["text number 0", "text number 1", "text number 2"]
    done = bench.desk.answered(batch.questions, [judged()] * 3)
    assert {case.label_set for case, _answer in done} == {new.everything}


def test_it_keeps_the_time_since_when_a_question_waits() -> None:
    bench = Bench()
    bench.submit(a_case("the dam broke"))
    bench.clock.now += 0.4
    bench.desk.change(labels_of(FIRE))
    bench.clock.now += 0.1
    assert bench.desk.take(0.0)


def test_questions_that_become_the_same_are_one() -> None:
    bench = Bench(labels_of({"name": "quake"}, {"name": "flood", "only_rules": ["water"]}))
    one, other = a_case("the dam broke", "1"), a_case("the dam broke", "2", rules=[MatchedRule(id="1", tag="water")])
    bench.submit(one, other)
    bench.desk.change(labels_of(FIRE))
    batch = bench.take()
    assert texts(batch) == ["the dam broke"]
    assert [case for case, _answer in bench.desk.answered(batch.questions, [judged()])] == [one, other]


def test_what_no_new_label_is_for_comes_back_at_once() -> None:
    bench = Bench()
    case = a_case("the dam broke")
    bench.submit(case)
    assert bench.desk.change(labels_of(FIRE | {"only_rules": ["smoke"]})) == [(case, NotAsked())]
    assert bench.nothing_waits()


def test_it_empties_the_cache_even_where_the_labels_read_the_same() -> None:
    bench = Bench()
    bench.submit(a_case("the dam broke", "1"))
    bench.desk.answered(bench.take().questions, [judged()])
    bench.desk.change(labels_of())
    assert len(bench.cache) == 0
    bench.submit(a_case("the dam broke", "2"))


def test_what_is_under_way_ends_by_the_old_labels_and_is_not_kept() -> None:
    bench = Bench()
    old = bench.labels.everything
    bench.submit(a_case("the dam broke", "1"))
    batch = bench.take()
    bench.desk.change(labels_of(FIRE))
    assert old.is_superseded
    newcomer = a_case("the dam broke", "2")
    bench.submit(newcomer)
    ((case, _answer),) = bench.desk.answered(batch.questions, [judged()])
    assert case.label_set is old
    assert len(bench.cache) == 0
    assert [each for each, _ in bench.desk.answered(bench.take().questions, [judged()])] == [newcomer]


def test_what_is_asked_again_goes_by_the_new_labels_and_before_what_came_later() -> None:
    bench = Bench(most=2)
    bench.submit(a_case("an answered one", "1"), a_case("the first text", "2"))
    batch = bench.take()
    bench.desk.answered(batch.questions[:1], [judged()])
    new = labels_of(FIRE)
    bench.desk.change(new)
    bench.submit(a_case("the second text", "3"), a_case("the third text!", "4"))
    assert bench.desk.ask_again(batch) == []
    again = bench.take()
    assert again.label_set is new.everything
    assert "the first text" in texts(again)
    assert len(bench.take().questions) == 1
    assert bench.desk.withdraw(batch) == []


def test_what_is_asked_again_has_waited_long_enough() -> None:
    bench = Bench()
    bench.submit(a_case("the first text"))
    batch = bench.take()
    bench.desk.change(labels_of(FIRE))
    bench.desk.ask_again(batch)
    assert bench.desk.take(0.0)
