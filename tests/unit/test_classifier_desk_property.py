"""Whatever is asked of the desk in whatever order: every case comes back exactly once, and no text is asked twice."""

from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from prometheus_client import CollectorRegistry

from classifier.batch_size import BatchSize
from classifier.cases import Answer, Answered, Case, Judged, NotAsked
from classifier.desk import Batch, Desk
from classifier.endpoint_errors import ContentRefused
from classifier.judgement_cache import JudgementCache
from classifier.labels import Labels
from classifier.metrics import Metrics
from pipeline.contracts import MatchedRule
from tests.support.classifier_parts import a_case, labels_of, value

MODEL, SECOND = "minilm", "the second model"
WAIT = 0.5
TAGS = ["water", "smoke"]
#: Few texts, so that many posts say the same, in several spellings.
TEXTS = [f"{'very ' * length}long text {number}" for number in range(3) for length in (0, 4, 30)]
SPELLINGS = ["{}", "RT @ana: {}", "{} https://t.co/1"]
CONFIGURATIONS: list[list[dict[str, object]]] = [
    [{"name": "quake"}],
    [{"name": "quake"}, {"name": "flood", "only_rules": ["water"]}],
    [{"name": "flood", "only_rules": ["water"]}, {"name": "fire", "only_rules": ["smoke"]}],
]


class TheDesk(RuleBasedStateMachine):
    """Books of what was submitted and what came back, beside a desk that several callers use."""

    batches = Bundle("batches")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.registry = CollectorRegistry()
        self.inside: dict[str, Case] = {}
        self.submitted = 0
        self.by_message = 0
        self.under_way: dict[int, Batch] = {}
        self.closed = False

    @initialize(number=st.integers(0, len(CONFIGURATIONS) - 1), most=st.integers(1, 6), pairs=st.integers(1, 12))
    def start(self, number: int, most: int, pairs: int) -> None:
        self.labels = self.made(number)
        self.size = BatchSize(most, pairs)
        self.cache = JudgementCache(3_000, 10.0, lambda: self.now)
        self.desk = Desk(self.labels, self.size, self.cache, MODEL, Metrics(self.registry), WAIT, lambda: self.now)

    def made(self, number: int) -> Labels:
        return labels_of(*CONFIGURATIONS[number])

    def come_back(self, cases: Sequence[Case]) -> None:
        for case in cases:
            assert self.inside.pop(case.message.id) is case, "it came back twice"

    def told(self, answered: Sequence[Answered]) -> None:
        for case, answer in answered:
            if isinstance(answer, NotAsked):
                assert self.labels.for_post(case.post) is None
            elif isinstance(answer, Judged):
                assert len(answer.scores) == len(case.label_set.candidates)
                # the score tells the text that it belongs to
                assert answer.scores[0] == (TEXTS.index(self.words(case)) + 1) / 100
                assert answer.model in (MODEL, SECOND)
        self.come_back([case for case, _answer in answered])

    @staticmethod
    def words(case: Case) -> str:
        return case.text.removeprefix("RT @ana: ").removesuffix(" https://t.co/1")

    @rule(
        posts=st.lists(
            st.tuples(st.sampled_from(TEXTS), st.sampled_from(SPELLINGS), st.sets(st.sampled_from(TAGS))), max_size=10
        )
    )
    def submit(self, posts: list[tuple[str, str, set[str]]]) -> None:
        cases = []
        for text, spelling, tags in posts:
            self.submitted += 1
            rules = [MatchedRule(id=tag, tag=tag) for tag in sorted(tags)]
            cases.append(a_case(spelling.format(text), str(self.submitted), rules=rules))
        if self.closed:
            assert self.desk.submit(cases) == []
            return
        self.inside.update({case.message.id: case for case in cases})
        answered = self.desk.submit(cases)
        assert not any(isinstance(answer, Judged) and answer.model != MODEL for _case, answer in answered)
        self.told(answered)

    @rule(seconds=st.sampled_from([0.0, 0.1, WAIT, 20.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(target=batches)
    def take(self) -> int:
        batch = self.desk.take(0.0)
        if batch is None:
            return -1
        assert not self.closed
        assert not batch.label_set.is_superseded
        assert 1 <= len(batch.questions) <= self.size.for_labels(len(batch.label_set.candidates))
        under_way = {question.key for other in self.under_way.values() for question in other.questions}
        keys = [question.key for question in batch.questions]
        assert len(set(keys)) == len(keys)
        assert not under_way & set(keys), "a text is under way twice"
        self.by_message += 1
        self.under_way[self.by_message] = batch
        return self.by_message

    @rule(number=batches, share=st.floats(0, 1), model=st.sampled_from([MODEL, MODEL, SECOND]), refused=st.booleans())
    def answer_some(self, number: int, share: float, model: str, refused: bool) -> None:
        """As the halves of a batch are."""
        batch = self.under_way.get(number)
        if batch is None:
            return
        many = round(share * len(batch.questions))
        asked, left = batch.questions[:many], batch.questions[many:]
        answers: list[Answer] = [
            ContentRefused("not this")
            if refused
            else Judged(
                [(TEXTS.index(self.words(question.cases[0])) + 1) / 100] * len(batch.label_set.candidates), model
            )
            for question in asked
        ]
        self.told(self.desk.answered(asked, answers))
        if left:
            self.under_way[number] = Batch(batch.label_set, left)
        else:
            del self.under_way[number]

    @rule(number=consumes(batches))
    def withdraw(self, number: int) -> None:
        if batch := self.under_way.pop(number, None):
            self.come_back(self.desk.withdraw(batch))

    @rule(number=consumes(batches))
    def ask_again(self, number: int) -> None:
        if batch := self.under_way.pop(number, None):
            self.told(self.desk.ask_again(batch))
            self.come_back(self.desk.withdraw(batch))

    @rule(number=st.integers(0, len(CONFIGURATIONS) - 1))
    def change(self, number: int) -> None:
        self.labels = self.made(number)
        self.told(self.desk.change(self.labels))
        assert len(self.cache) == 0

    @precondition(lambda self: self.submitted > 20)
    @rule()
    def close(self) -> None:
        self.come_back(self.desk.close())
        self.closed = True

    @invariant()
    def what_is_inside_waits_or_is_under_way(self) -> None:
        if not hasattr(self, "desk"):
            return
        asked = [question for batch in self.under_way.values() for question in batch.questions]
        waiting = [question for questions in self.desk._waiting.values() for question in questions]
        held = [case.message.id for question in [*asked, *waiting] for case in question.cases]
        assert sorted(held) == sorted(self.inside)
        assert not (self.closed and waiting)
        by = sum(
            value(self.registry, "classifier_answers_total", by=by) for by in ("model", "shared", "cache", "unasked")
        )
        assert by <= self.submitted

    def teardown(self) -> None:
        if not hasattr(self, "desk"):
            return
        for batch in self.under_way.values():
            self.come_back(self.desk.withdraw(batch))
        self.come_back(self.desk.close())
        assert self.inside == {}
        assert self.desk._open == {}


def test_every_case_comes_back_exactly_once_and_no_text_is_asked_about_twice_at_a_time() -> None:
    run_state_machine_as_test(TheDesk, settings=settings(deadline=None, max_examples=80, stateful_step_count=40))
