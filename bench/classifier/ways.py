"""What classifier is compared with: the AWS sample's way, the endpoint by itself, and the queues by themselves.

All of them use plain boto3. They are told what the labels are and from which score on they pass.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.classifier.posts import number_in
from bench.classifier.stub_endpoint import is_alert

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from mypy_boto3_sqs import SQSClient

#: Texts of a full list.
FULL_LIST = 32
#: The endpoint's name: any will do for those that are asked here.
ENDPOINT_NAME = "bench"
#: Seconds between two posts of a quiet stream.
QUIET_SECONDS = 0.1
_SAMPLE_RECEIVES = 3
_BATCH = 10


@dataclass(frozen=True)
class Labels:
    """``thresholds`` by the words that the model reads, and the sentence that they stand in."""

    thresholds: Mapping[str, float]
    template: str

    def request(self, texts: Sequence[str]) -> str:
        """The body of a call for these texts."""
        parameters = {
            "candidate_labels": list(self.thresholds),
            "multi_label": True,
            "hypothesis_template": self.template,
        }
        return json.dumps({"inputs": texts, "parameters": parameters})

    def margin(self, answer: Mapping[str, Any]) -> float:
        """By how much a text passes, by the label for which that is most; below 0 it passes for none."""
        scores = zip(answer["labels"], answer["scores"], strict=True)
        return float(max(score - self.thresholds[label] for label, score in scores))


@dataclass(frozen=True)
class Errand:
    """``posts`` lie in the queue at ``posts_url``, alerts go to ``alerts_url``; or ``texts`` for the endpoint alone.

    ``threads`` are how many do it at a time, where it can be more than one.
    """

    posts: int
    posts_url: str
    alerts_url: str
    texts: Sequence[str]
    labels: Labels
    threads: int


#: Does the errand. What it gives belongs to the errand's texts, and is empty where there are none.
Way = Callable[["SQSClient", "SageMakerRuntimeClient", Errand], "list[float]"]


class BatchFailed(Exception):
    """An entry has failed, which no server of a benchmark should let happen."""


def sample(sqs: "SQSClient", sagemaker: "SageMakerRuntimeClient", errand: Errand) -> list[float]:
    """The AWS sample's way: receive three, and for each a call of the endpoint, one for its alert, one to delete it."""
    done = 0
    while done < errand.posts:
        answer = sqs.receive_message(QueueUrl=errand.posts_url, MaxNumberOfMessages=_SAMPLE_RECEIVES, WaitTimeSeconds=5)
        for message in answer.get("Messages", []):
            post = json.loads(message["Body"])
            (judged,) = _judged(sagemaker, [post["text"]], errand.labels)
            if errand.labels.margin(judged) >= 0:
                sqs.send_message(QueueUrl=errand.alerts_url, MessageBody=json.dumps({"post": post, "scores": judged}))
            _delete(sqs, errand.posts_url, [message["ReceiptHandle"]])
            done += 1
    return []


def direct(_sqs: "SQSClient", sagemaker: "SageMakerRuntimeClient", errand: Errand) -> list[float]:
    """The endpoint's limit: full lists from several threads, no queue, and each answer read. Gives the margins."""
    lists = [errand.texts[start : start + FULL_LIST] for start in range(0, len(errand.texts), FULL_LIST)]
    with ThreadPoolExecutor(errand.threads) as pool:
        answers = list(pool.map(lambda texts: _judged(sagemaker, texts, errand.labels), lists))
    return [errand.labels.margin(judged) for answer in answers for judged in answer]


def paced(_sqs: "SQSClient", sagemaker: "SageMakerRuntimeClient", errand: Errand) -> list[float]:
    """A call for each text, ten a second, as a quiet stream's posts come: the seconds of each call."""
    seconds = []
    for text in errand.texts:
        began = time.perf_counter()
        _judged(sagemaker, [text], errand.labels)
        seconds.append(time.perf_counter() - began)
        time.sleep(max(0.0, QUIET_SECONDS - seconds[-1]))
    return seconds


def carry(sqs: "SQSClient", _sagemaker: "SageMakerRuntimeClient", errand: Errand) -> list[float]:
    """The queues' limit: receive ten, send on those that the stub endpoint makes alerts of, delete ten; no model."""
    done = threading.Event()
    counting = threading.Lock()
    left = errand.posts

    def loop() -> None:
        nonlocal left
        while not done.is_set():
            # no long poll: at the end it would wait for what nobody sends
            answer = sqs.receive_message(QueueUrl=errand.posts_url, MaxNumberOfMessages=_BATCH)
            messages = answer.get("Messages", [])
            if not messages:
                continue
            _send(sqs, errand.alerts_url, [message["Body"] for message in messages if _is_alert(message["Body"])])
            _delete(sqs, errand.posts_url, [message["ReceiptHandle"] for message in messages])
            with counting:
                left -= len(messages)
                if left <= 0:
                    done.set()

    with ThreadPoolExecutor(errand.threads) as pool:
        for future in [pool.submit(loop) for _ in range(errand.threads)]:
            future.result()
    return []


WAYS: Mapping[str, Way] = {"sample": sample, "direct": direct, "paced": paced, "carry": carry}


def _judged(sagemaker: "SageMakerRuntimeClient", texts: Sequence[str], labels: Labels) -> list[Mapping[str, Any]]:
    answer = sagemaker.invoke_endpoint(
        EndpointName=ENDPOINT_NAME, ContentType="application/json", Body=labels.request(texts)
    )
    judged: list[Mapping[str, Any]] = json.loads(answer["Body"].read())
    if len(judged) != len(texts):
        raise BatchFailed(f"expected {len(texts)} answers, got {len(judged)}")
    return judged


def _is_alert(body: str) -> bool:
    number = number_in(body)
    return number is not None and is_alert(number)


def _send(sqs: "SQSClient", url: str, bodies: Sequence[str]) -> None:
    if bodies:
        entries: Any = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies)]
        _check(sqs.send_message_batch(QueueUrl=url, Entries=entries))


def _delete(sqs: "SQSClient", url: str, receipts: Sequence[str]) -> None:
    entries: Any = [{"Id": str(index), "ReceiptHandle": receipt} for index, receipt in enumerate(receipts)]
    _check(sqs.delete_message_batch(QueueUrl=url, Entries=entries))


def _check(answer: Mapping[str, Any]) -> None:
    if failed := answer.get("Failed"):
        raise BatchFailed(f"expected no entry to fail, got: {json.dumps(failed)}")
