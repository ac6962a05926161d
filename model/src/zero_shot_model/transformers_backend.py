"""Any NLI model of Hugging Face's format, run by transformers' own zero-shot pipeline on the processor.

The pipeline makes the scores, so they are Hugging Face's. What is added here: bounds, turns and refusals.
"""

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from zero_shot_model.calls import CurrentCall
from zero_shot_model.encoder import MAX_CHARACTERS
from zero_shot_model.errors import BadRequest, EncoderClosed
from zero_shot_model.protocol import ClassificationRequest
from zero_shot_model.scoring import PLACEHOLDER, Classification

MAX_PAIR_TOKENS = 512
"""Longest text with its label sentence; the text's end is cut off beyond. NLI models are trained on less, and the
cost of attention grows with the square, so a model that would read more is not asked to."""

MAX_BATCH_PAIRS = 32
"""Pairs of a text and a label sentence that run together."""

MAX_BATCH_TOKENS = 4096
"""Pairs times tokens of the longest. Bounds what a batch of long texts takes in memory."""

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class TransformersBackend:
    """Answers with transformers' `ZeroShotClassificationPipeline`. See Backend.

    Requests take turns on one thread, a batch each, so that a long list does not hold up a single text. `current`:
    which request a thread works for, so that one whose caller has gone is dropped at its next turn.
    """

    knows_examples = False

    def __init__(self, pipeline: Any, current: CurrentCall | None = None, thread: Executor | None = None) -> None:
        self._pipeline = pipeline
        self._tokenizer = pipeline.tokenizer
        limits = (self._tokenizer.model_max_length, getattr(pipeline.model.config, "max_position_embeddings", None))
        # Many a tokenizer's files name no limit; the model then fails on a text that is longer than its positions.
        self._max_tokens = min(MAX_PAIR_TOKENS, *(limit for limit in limits if limit and limit > 0))
        self._tokenizer.model_max_length = self._max_tokens
        # The pipeline refuses to batch without one.
        self._pairs_may_run_together = self._tokenizer.pad_token_id is not None
        self._current = current or CurrentCall()
        self._closed = threading.Event()
        # Of every layer: a batch of MAX_BATCH_TOKENS takes a large model most of a minute.
        for module in pipeline.model.modules():
            module.register_forward_pre_hook(self._stop_when_closed)
        # One thread: a fast tokenizer must not be used by two, and the model spreads over the cores by itself.
        self._thread = thread or ThreadPoolExecutor(max_workers=1, thread_name_prefix="transformers")

    def classify(self, request: ClassificationRequest) -> list[Classification]:
        """See Backend. Examples are ignored. Raises RuntimeError when the model's scores are not numbers.

        Raises BadRequest where the pipeline would fail: an empty text in a list, or a label that leaves no room for
        a text.
        """
        call = self._current.get()
        for number, text in enumerate(request.texts):
            if not text:
                raise BadRequest(f"inputs[{number}]: expected a text, found an empty one")
        lengths, longest_hypothesis = self._in_turn(self._measured, request)
        results: dict[int, Classification] = {}
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        step = max(1, MAX_BATCH_PAIRS // len(request.labels))
        for start in range(0, len(order), step):
            call.check()
            turn = order[start : start + step]
            pair_tokens = min(self._max_tokens, lengths[turn[-1]] + longest_hypothesis)
            results.update(zip(turn, self._in_turn(self._run, request, turn, pair_tokens), strict=True))
        return [results[index] for index in range(len(request.texts))]

    def warm_up(self) -> None:
        """Answer once, as a batch where that can be. Raises whatever the pipeline raises."""
        request = ClassificationRequest(
            texts=["a flood", "a flood in the valley"],
            single=False,
            labels=["flood", "cat"],
            multi_label=True,
            template="This example is {}.",
        )
        self.classify(request)

    def close(self) -> None:
        """See Backend. What runs stops before the model's next layer, what waits for its turn does not begin."""
        self._closed.set()
        self._thread.shutdown(wait=False)

    def _in_turn(
        self, job: Callable[_Parameters, _Result], *arguments: _Parameters.args, **named: _Parameters.kwargs
    ) -> _Result:
        try:
            future = self._thread.submit(job, *arguments, **named)
        except RuntimeError:
            if not self._closed.is_set():
                raise  # there was no thread to be had
            raise EncoderClosed from None
        return future.result()

    def _measured(self, request: ClassificationRequest) -> tuple[list[int], int]:
        """Tokens of each text, and of the longest label sentence."""
        self._stop_when_closed()
        longest_hypothesis = self._longest_hypothesis(request)
        return self._token_counts([text[:MAX_CHARACTERS] for text in request.texts]), longest_hypothesis

    def _longest_hypothesis(self, request: ClassificationRequest) -> int:
        """Tokens of the longest label sentence with what separates it from a text."""
        hypotheses = [request.template.replace(PLACEHOLDER, label) for label in request.labels]
        separators: int = self._tokenizer.num_special_tokens_to_add(pair=True)
        counts = [count + separators for count in self._token_counts(hypotheses)]
        for number, count in enumerate(counts):
            # The pipeline cuts the text only, and runs on into the model's limit when that is not enough.
            if count >= self._max_tokens:
                expected = f"fewer than {self._max_tokens} tokens with its sentence"
                raise BadRequest(f"parameters.candidate_labels[{number}]: expected {expected}, found {count}")
        return max(counts)

    def _token_counts(self, texts: Sequence[str]) -> list[int]:
        encoded = self._tokenizer(list(texts), add_special_tokens=False, truncation=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def _run(self, request: ClassificationRequest, turn: Sequence[int], pair_tokens: int) -> list[Classification]:
        self._stop_when_closed()
        pairs = min(MAX_BATCH_PAIRS, MAX_BATCH_TOKENS // pair_tokens) if self._pairs_may_run_together else 1
        try:
            answers = self._answers(request, turn, max(1, pairs))
        except (ValueError, RuntimeError):
            if pairs <= 1:
                raise
            # Models of BART's kind want as many "</s>" in each text of a batch, and a post may have one in its words.
            answers = self._answers(request, turn, 1)
        if not all(map(math.isfinite, (score for answer in answers for score in answer["scores"]))):
            raise RuntimeError("the model gave scores that are not numbers")
        return [Classification(answer["labels"], answer["scores"]) for answer in answers]

    def _answers(self, request: ClassificationRequest, turn: Sequence[int], pairs: int) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = self._pipeline(
            [request.texts[index][:MAX_CHARACTERS] for index in turn],
            candidate_labels=request.labels,
            multi_label=request.multi_label,
            hypothesis_template=_for_format(request.template),
            batch_size=pairs,
        )
        return answers

    def _stop_when_closed(self, *_: object) -> None:
        if self._closed.is_set():
            raise EncoderClosed


def _for_format(template: str) -> str:
    """`template` such that str.format, which the pipeline uses, only ever puts in the label."""
    parts = template.split(PLACEHOLDER)
    return PLACEHOLDER.join(part.replace("{", "{{").replace("}", "}}") for part in parts)
