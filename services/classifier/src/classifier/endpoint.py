"""The model endpoint: a Hugging Face zero-shot model behind SageMaker's invoke_endpoint.

Request and answer are those of the zero-shot-classification pipeline: ``{"inputs": [text], "parameters":
{"candidate_labels", "multi_label", "hypothesis_template"}}`` gives one ``{"sequence", "labels", "scores"}`` a text. Our
own model takes examples beside them, and says so in SageMaker's custom attributes of each answer.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from classifier.answer_body import read_body
from classifier.endpoint_errors import (
    ContentRefused,
    EndpointFailed,
    EndpointUnavailable,
    of_client_error,
    of_transport,
)
from classifier.labels import LabelSet, Scores
from classifier.metrics import EndpointMetrics
from pipeline.logs import get_logger
from pipeline.text import short_line

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

log = get_logger(__name__)

#: Seconds that an answer may take, body and all; a drain of 25 s must outlast it.
READ_TIMEOUT = 20.0
#: Characters of a text that are sent: several times what a zero-shot model reads (256 to 1,024 tokens).
TEXT_LIMIT = 10_000

#: Of the custom attributes of an answer (SageMaker Runtime API Reference, "InvokeEndpoint").
_KNOWS_EXAMPLES = "examples"
#: What the SDK trips over where an error answer is not what it expects: a JSON list, nested without end, or no UTF-8.
_UNREADABLE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
#: What an answer that is not of the zero-shot shape is to the decoder, which leaves its texts and depth to Python.
_NO_SCORES = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
#: How far above 1 a score may be for the way in which it was computed.
_ROUNDING = 1e-6


class _Answer(msgspec.Struct):
    labels: list[str]
    scores: list[float]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[_Answer] | _Answer)


class ModelEndpoint:
    """One endpoint. Safe for several threads. ``model`` is the name of the model behind it, as alerts carry it."""

    def __init__(
        self,
        sagemaker: "SageMakerRuntimeClient",
        name: str,
        model: str,
        metrics: EndpointMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.model = model
        self._sagemaker = sagemaker
        self._metrics = metrics
        self._clock = clock
        # unknown before the first answer, for which no examples are sent: another model might refuse them
        self._knows_examples: bool | None = None
        self._told = False
        #: what the last call was about, whatever came of it
        self.last_asked: LabelSet | None = None

    def classify(self, texts: Sequence[str], label_set: LabelSet) -> list[Scores]:
        """The scores of each text, in order, for the label set's candidates in theirs.

        Raises ContentRefused and EndpointUnavailable (classifier.endpoint_errors) for all texts together.
        """
        self.last_asked = label_set
        parameters = self._parameters(label_set)
        body = _encoder.encode({"inputs": [text[:TEXT_LIMIT] for text in texts], "parameters": parameters})
        started = self._clock()
        try:
            scores = self._scores(self._invoke(body, started + READ_TIMEOUT), len(texts), label_set.candidates)
        except (EndpointUnavailable, ContentRefused) as error:
            self._metrics.failed(error)
            raise
        self._metrics.answered(len(texts), self._clock() - started)
        return scores

    def forget_what_it_reads(self) -> None:
        """Another model may stand behind it now, which examples are too much for: none are sent until it answers."""
        self._knows_examples = None

    def _parameters(self, label_set: LabelSet) -> Mapping[str, Any]:
        if not label_set.examples:
            return label_set.parameters
        if self._knows_examples:
            return {**label_set.parameters, **label_set.examples}
        if self._knows_examples is False and not self._told:
            self._told = True
            log.warning("the labels' examples are left out: this model does not read them", model=self.model)
        return label_set.parameters

    def _invoke(self, body: bytes, until: float) -> bytes:
        try:
            response = self._sagemaker.invoke_endpoint(
                EndpointName=self.name, ContentType="application/json", Accept="application/json", Body=body
            )
            content = read_body(response["Body"], until, self._clock)
        except ClientError as error:
            raise of_client_error(error) from error
        except (BotoCoreError, HTTPError, OSError) as error:
            raise of_transport(error) from error
        except _UNREADABLE as error:
            raise EndpointFailed(f"an answer that the SDK cannot read: {short_line(str(error), 300)}") from error
        attributes = response.get("CustomAttributes", "")
        self._knows_examples = _KNOWS_EXAMPLES in (each.strip() for each in attributes.split(";"))
        return content

    def _scores(self, body: bytes, count: int, candidates: Sequence[str]) -> list[Scores]:
        try:
            answers = _decoder.decode(body)
        except _NO_SCORES as error:
            raise EndpointFailed(f"an answer that is not of the zero-shot shape: {error}") from error
        # an older toolkit gives a bare object for a list of one
        answers = [answers] if isinstance(answers, _Answer) else answers
        if len(answers) != count:
            raise EndpointFailed(f"{len(answers)} answers to {count} texts")
        return [_in_order(answer, candidates) for answer in answers]


def _in_order(answer: _Answer, candidates: Sequence[str]) -> Scores:
    by_candidate = dict(zip(answer.labels, answer.scores, strict=False))
    try:
        scores = [by_candidate[candidate] for candidate in candidates]
    except KeyError as missing:
        raise EndpointFailed(f"an answer without a score for {missing.args[0]!r}") from None
    if min(scores) < 0 or max(scores) > 1 + _ROUNDING:
        raise EndpointFailed("an answer with scores that are not between 0 and 1")
    return scores
