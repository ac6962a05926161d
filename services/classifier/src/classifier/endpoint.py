"""The model endpoint: a Hugging Face zero-shot model behind SageMaker's invoke_endpoint.

Request and answer are those of the zero-shot-classification pipeline: ``{"inputs": [text], "parameters":
{"candidate_labels", "multi_label", "hypothesis_template"}}`` gives one ``{"sequence", "labels", "scores"}`` a text.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from classifier.metrics import Metrics

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

#: Seconds to wait for an answer; a drain of 25 s must outlast it.
READ_TIMEOUT = 20.0
#: Characters of a text that are sent: several times what a zero-shot model reads (256 to 1,024 tokens).
TEXT_LIMIT = 10_000

#: HTTP statuses of the model's container that blame the content of the request.
_CONTENT_STATUSES = frozenset({400, 413, 415, 422})
#: HTTP statuses, of SageMaker or the container, that say that it is too much at this moment.
_BUSY_STATUSES = frozenset({429, 503})

#: Scores by label name, in the order of the labels that were asked for.
Scores = Mapping[str, float]


class EndpointUnavailable(Exception):
    """The endpoint cannot answer now; the same call may succeed later."""


class EndpointBusy(EndpointUnavailable):
    """The endpoint has more to do than it can: fewer calls at a time would succeed."""


class ContentRefused(Exception):
    """The endpoint answered that it cannot judge this content; the same call will never succeed."""


class _Answer(msgspec.Struct):
    labels: list[str]
    scores: list[float]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[_Answer] | _Answer)


class ModelEndpoint:
    """One endpoint, asked about fixed labels: ``candidates`` maps each label's name to the words the model reads."""

    def __init__(
        self,
        sagemaker: "SageMakerRuntimeClient",
        name: str,
        candidates: Mapping[str, str],
        hypothesis_template: str,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._sagemaker = sagemaker
        self._names = {words: label for label, words in candidates.items()}
        self._parameters = {
            "candidate_labels": list(candidates.values()),
            # each label judged by itself; otherwise the scores add up to 1 and every post is about something
            "multi_label": True,
            "hypothesis_template": hypothesis_template,
        }
        self._metrics = metrics
        self._clock = clock

    def classify(self, texts: Sequence[str]) -> list[Scores]:
        """The scores of each text, in order.

        Raises ContentRefused and EndpointUnavailable, of which EndpointBusy is one, for all texts together.
        """
        body = _encoder.encode({"inputs": [text[:TEXT_LIMIT] for text in texts], "parameters": self._parameters})
        started = self._clock()
        try:
            scores = self._scores(self._invoke(body), len(texts))
        except (EndpointUnavailable, ContentRefused) as error:
            self._metrics.endpoint_calls.labels(type(error).__name__).inc()
            raise
        self._metrics.endpoint_calls.labels("ok").inc()
        self._metrics.endpoint_seconds.observe(self._clock() - started)
        self._metrics.endpoint_texts.observe(len(texts))
        return scores

    def _invoke(self, body: bytes) -> bytes:
        try:
            response = self._sagemaker.invoke_endpoint(
                EndpointName=self.name, ContentType="application/json", Accept="application/json", Body=body
            )
            return response["Body"].read()
        except ClientError as error:
            raise _meaning(error) from error
        except (BotoCoreError, OSError) as error:
            raise EndpointUnavailable(str(error)) from error

    def _scores(self, body: bytes, count: int) -> list[Scores]:
        try:
            answers = _decoder.decode(body)
        except msgspec.MsgspecError as error:
            raise EndpointUnavailable(f"an answer that is not of the zero-shot shape: {error}") from error
        # an older toolkit gives a bare object for a list of one
        answers = [answers] if isinstance(answers, _Answer) else answers
        if len(answers) != count:
            raise EndpointUnavailable(f"{len(answers)} answers to {count} texts")
        return [self._by_name(answer) for answer in answers]

    def _by_name(self, answer: _Answer) -> Scores:
        scores = dict(zip(answer.labels, answer.scores, strict=False))
        missing = self._names.keys() - scores.keys()
        if missing:
            raise EndpointUnavailable(f"an answer without a score for {sorted(missing)[0]!r}")
        return {name: scores[words] for words, name in self._names.items()}


def _meaning(error: ClientError) -> EndpointUnavailable | ContentRefused:
    details: Any = error.response
    message = " ".join(str(details.get("Error", {}).get("Message", error)).split())[:300]
    code = details.get("Error", {}).get("Code", "")
    status = details.get("OriginalStatusCode" if code == "ModelError" else "ResponseMetadata", 0)
    if isinstance(status, dict):
        status = status.get("HTTPStatusCode", 0)
    # SageMaker answers ValidationError for an endpoint that does not exist (yet) too
    missing_endpoint = code == "ValidationError" and "not found" in message
    is_throttled = "Throttling" in code
    if status in _CONTENT_STATUSES and not missing_endpoint and not is_throttled:
        return ContentRefused(message)
    kind = EndpointBusy if is_throttled or status in _BUSY_STATUSES else EndpointUnavailable
    return kind(f"{code}: {message}")
