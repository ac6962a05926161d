"""The transformers backend before a pipeline that only records: batches, turns, bounds and its end."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.nli_pipeline import Config, CountingThread, Model, RecordingPipeline, WordTokenizer
from tests.support.polling import wait_until
from zero_shot_model.calls import Call, CurrentCall
from zero_shot_model.errors import BadRequest, CallerGone, EncoderClosed
from zero_shot_model.protocol import ClassificationRequest
from zero_shot_model.transformers_backend import MAX_BATCH_PAIRS, MAX_PAIR_TOKENS, TransformersBackend

TEMPLATE = "about {}"


def request(texts: list[str], labels: list[str], template: str = TEMPLATE) -> ClassificationRequest:
    return ClassificationRequest(texts=texts, single=False, labels=labels, multi_label=True, template=template)


@pytest.fixture
def pipeline() -> RecordingPipeline:
    pipeline = RecordingPipeline()
    pipeline.may_answer.set()
    return pipeline


@pytest.fixture
def backend(pipeline: RecordingPipeline) -> Iterator[TransformersBackend]:
    backend = TransformersBackend(pipeline)
    yield backend
    pipeline.may_answer.set()
    backend.close()


def test_texts_of_like_length_run_together_and_come_back_in_their_order(
    backend: TransformersBackend, pipeline: RecordingPipeline
) -> None:
    texts = [f"{number} {'word ' * (7 * number % 5)}" for number in range(40)]
    answers = backend.classify(request(texts, ["flood"] * 8))
    assert [answer.labels[0] for answer in answers] == [f"{text[:9]}/flood" for text in texts]
    assert [len(turn) for turn in pipeline.texts] == [MAX_BATCH_PAIRS // 8] * 10
    lengths = [len(text.split()) for turn in pipeline.texts for text in turn]
    assert lengths == sorted(lengths)


def test_the_pipeline_gets_what_was_asked(backend: TransformersBackend, pipeline: RecordingPipeline) -> None:
    backend.classify(request(["a b", "c"], ["flood", "cat"]))
    ((texts, options),) = pipeline.calls
    assert texts == ["c", "a b"]
    assert options == {
        "candidate_labels": ["flood", "cat"],
        "multi_label": True,
        "hypothesis_template": TEMPLATE,
        "batch_size": MAX_BATCH_PAIRS,
    }


def test_more_labels_than_a_batch_has_pairs_are_a_text_a_turn(
    backend: TransformersBackend, pipeline: RecordingPipeline
) -> None:
    backend.classify(request(["a", "b"], ["flood"] * (MAX_BATCH_PAIRS + 1)))
    assert pipeline.texts == [["a"], ["b"]]


def test_long_texts_run_in_smaller_batches() -> None:
    pipeline = RecordingPipeline(WordTokenizer(model_max_length=10**30))
    pipeline.may_answer.set()
    backend = TransformersBackend(pipeline)
    backend.classify(request(["word " * 10_000], ["flood"]))
    assert pipeline.calls[0][1]["batch_size"] == 8
    backend.close()


def test_without_a_padding_token_pairs_run_one_by_one() -> None:
    pipeline = RecordingPipeline(WordTokenizer(pad_token_id=None))
    pipeline.may_answer.set()
    backend = TransformersBackend(pipeline)
    backend.classify(request(["a", "b"], ["flood"]))
    assert pipeline.calls[0][1]["batch_size"] == 1
    backend.close()


def test_a_batch_that_fails_is_run_pair_by_pair(backend: TransformersBackend, pipeline: RecordingPipeline) -> None:
    pipeline.failure = ValueError("All examples must have the same number of <eos> tokens.")
    assert len(backend.classify(request(["a", "b"], ["flood"]))) == 2
    assert [options["batch_size"] for _, options in pipeline.calls] == [MAX_BATCH_PAIRS, 1]


def test_what_fails_alone_too_is_a_failure(backend: TransformersBackend, pipeline: RecordingPipeline) -> None:
    pipeline.failure, pipeline.fails_alone = ValueError("broken"), True
    with pytest.raises(ValueError, match="broken"):
        backend.classify(request(["a"], ["flood"]))


@pytest.mark.parametrize(
    ("tokenizers", "models", "expected"),
    [(100, 300, 100), (10**30, 300, 300), (10**30, None, MAX_PAIR_TOKENS), (8192, 8192, MAX_PAIR_TOKENS), (64, -1, 64)],
)
def test_a_pair_is_as_long_as_tokenizer_model_and_our_bound_allow(
    tokenizers: int, models: int | None, expected: int
) -> None:
    pipeline = RecordingPipeline(WordTokenizer(tokenizers), Model(config=Config(models)))
    TransformersBackend(pipeline).close()
    assert pipeline.tokenizer.model_max_length == expected


class BothInLine(threading.Event):
    """Holds each answer, after the first, until both callers stand in line: a turn of a real model takes longer."""

    def __init__(self, turns: CountingThread) -> None:
        super().__init__()
        self._turns = turns

    def wait(self, timeout: float | None = None) -> bool:
        released_before = self.is_set()
        released = super().wait(timeout)
        if released_before:
            wait_until(lambda: self._turns.asked_for >= 5, "both callers' next turns")
        return released


def test_a_single_text_waits_for_one_turn_of_a_long_list_only(
    pipeline: RecordingPipeline,
) -> None:
    turns = CountingThread()
    pipeline.may_answer = BothInLine(turns)
    backend = TransformersBackend(pipeline, thread=turns)
    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(backend.classify, request(["long list"] * 10, ["flood"] * MAX_BATCH_PAIRS))
        wait_until(lambda: pipeline.calls, "the list's first turn")
        single = pool.submit(backend.classify, request(["single"], ["flood"]))
        wait_until(lambda: turns.asked_for == 3, "the single text to stand in line")
        pipeline.may_answer.set()
        assert len(single.result(10)) == 1
        assert len(long.result(10)) == 10
    assert pipeline.texts.index(["single"]) <= 3
    backend.close()


def test_a_label_that_leaves_no_room_for_a_text_is_refused(
    backend: TransformersBackend, pipeline: RecordingPipeline
) -> None:
    pipeline.tokenizer.model_max_length = 100
    with pytest.raises(BadRequest) as caught:
        backend.classify(request(["a"], ["flood", "much " * 96]))
    assert str(caught.value) == (
        "parameters.candidate_labels[1]: expected fewer than 100 tokens with its sentence, found 100"
    )
    assert not pipeline.calls


def test_an_empty_text_in_a_list_is_refused(backend: TransformersBackend, pipeline: RecordingPipeline) -> None:
    with pytest.raises(BadRequest, match=r"^inputs\[1\]: expected a text, found an empty one$"):
        backend.classify(request(["a", ""], ["flood"]))
    assert not pipeline.calls


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_never_leave(
    backend: TransformersBackend, pipeline: RecordingPipeline, score: float
) -> None:
    pipeline.score = score
    with pytest.raises(RuntimeError, match="not numbers"):
        backend.classify(request(["a"], ["flood"]))


@pytest.mark.parametrize("template", ["{} {0.__class__}", "{:999999999}{}", "{} {", "{} }", "{{}}", "{!r} {}"])
def test_a_template_only_ever_takes_the_label(
    backend: TransformersBackend, pipeline: RecordingPipeline, template: str
) -> None:
    backend.classify(request(["a"], ["flood"], template))
    assert pipeline.calls[0][1]["hypothesis_template"].format("flood") == template.replace("{}", "flood")


def test_closing_stops_what_runs_within_its_batch_and_refuses_what_comes(
    backend: TransformersBackend, pipeline: RecordingPipeline
) -> None:
    pipeline.may_answer.clear()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(backend.classify, request(["a"], ["flood"]))
        wait_until(lambda: pipeline.calls, "the request to run")
        backend.close()
        pipeline.may_answer.set()
        with pytest.raises(EncoderClosed):
            running.result(10)
    with pytest.raises(EncoderClosed):
        backend.classify(request(["a"], ["flood"]))


def test_a_thread_that_cannot_be_had_is_a_failure_and_not_the_end(pipeline: RecordingPipeline) -> None:
    class NoThread(ThreadPoolExecutor):
        def submit(self, *arguments: Any, **named: Any) -> "Future[Any]":
            raise RuntimeError("can't start new thread")

    backend = TransformersBackend(pipeline, thread=NoThread())
    with pytest.raises(RuntimeError, match="can't start new thread"):
        backend.classify(request(["a"], ["flood"]))


def test_closing_ends_what_waits_for_its_turn_before_any_of_its_texts_is_read(pipeline: RecordingPipeline) -> None:
    pipeline.may_answer.clear()
    turns = CountingThread()
    backend = TransformersBackend(pipeline, thread=turns)
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(backend.classify, request(["a"], ["flood"]))
        wait_until(lambda: pipeline.calls, "the request to run")
        waiting = pool.submit(backend.classify, request(["waits"], ["flood"]))
        wait_until(lambda: turns.asked_for == 3, "the other to stand in line")
        backend.close()
        pipeline.may_answer.set()
        for each in (running, waiting):
            with pytest.raises(EncoderClosed):
                each.result(10)
    assert "waits" not in pipeline.tokenizer.texts
    assert len(pipeline.calls) == 1


def test_a_request_whose_caller_has_gone_is_dropped_at_its_next_turn(pipeline: RecordingPipeline) -> None:
    pipeline.may_answer.clear()
    current, call = CurrentCall(), Call()
    backend = TransformersBackend(pipeline, current)

    def classify() -> None:
        with current.working_for(call):
            backend.classify(request(["a", "b", "c"], ["flood"] * MAX_BATCH_PAIRS))

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(classify)
        wait_until(lambda: pipeline.calls, "the request to run")
        call.cancel()
        pipeline.may_answer.set()
        with pytest.raises(CallerGone):
            running.result(10)
    assert pipeline.texts == [["a"]]
    backend.close()


def test_examples_are_not_known(backend: TransformersBackend) -> None:
    assert not backend.knows_examples
