"""The shapes of Hugging Face's zero-shot classification on SageMaker, and what is refused.

Source: Hugging Face, "Inference Toolkit API", and `ZeroShotClassificationPipeline` of transformers. `examples` and
`counter_examples` among the parameters are an extension.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from zero_shot_model.errors import BadRequest
from zero_shot_model.examples import NO_EXAMPLES, LabelExamples
from zero_shot_model.scoring import PLACEHOLDER, Classification

DEFAULT_TEMPLATE = "This example is {}."

MAX_LABEL_CHARACTERS = 1000
"""Of a label and of a template: they are keys of the cache of label vectors, which is to stay small."""

MAX_EXAMPLES = 50
"""Examples, and counter-examples, of one label. More hardly move its vector any further."""

MAX_EXAMPLES_IN_ALL = 2000
"""Examples and counter-examples of a request. The first request with them waits until they are encoded."""

MAX_EXAMPLE_CHARACTERS = 1000
"""What is read of an example; of the rest the model's 256 tokens would take in little. Bounds the cache's keys."""

SCORE_BYTES = 25
"""The longest a score takes in an answer, with its comma: 17 digits, and an exponent of three."""

FRAME_BYTES = 40
"""What an answer has for a text beside the text, the labels and the scores: names, brackets and commas."""

ATTRIBUTES_HEADER = "X-Amzn-SageMaker-Custom-Attributes"
"""The header of a container's answer that SageMaker hands to the caller of InvokeEndpoint as CustomAttributes."""

ATTRIBUTES = "zero-shot-model"
"""That header's value in each answer of a model that leaves examples out."""

ATTRIBUTES_WITH_EXAMPLES = "zero-shot-model; examples"
"""That header's value in each answer of a model that knows what to do with examples."""


@dataclass(frozen=True)
class Limits:
    """The most texts and labels that one request may have, and the most bytes of its answer."""

    inputs: int
    labels: int
    answer_bytes: int = 6 * 1024 * 1024


@dataclass(frozen=True)
class ClassificationRequest:
    """A request that can be answered. `single`: the texts came as one string, the answer is one object."""

    texts: list[str]
    single: bool
    labels: list[str]
    multi_label: bool
    template: str
    examples: LabelExamples = NO_EXAMPLES


class _Parameters(msgspec.Struct):
    candidate_labels: list[str] | str | None = None
    multi_label: bool | None = None
    hypothesis_template: str | None = None
    examples: dict[str, list[str]] | None = None
    counter_examples: dict[str, list[str]] | None = None


class _Body(msgspec.Struct):
    inputs: list[str] | str | None = None
    parameters: _Parameters | None = None


class _Answer(msgspec.Struct):
    sequence: str
    labels: list[str]
    scores: list[float]


def read_request(body: bytes, limits: Limits) -> ClassificationRequest:
    """The request in `body`, whatever its content type. Raises BadRequest, which quotes nothing of it."""
    content = _decoded(body)
    parameters = content.parameters or _Parameters()
    inputs = content.inputs
    if inputs is None:
        raise BadRequest("inputs: expected a string or a list of strings, found nothing")
    texts = [inputs] if isinstance(inputs, str) else inputs
    if not inputs:
        raise BadRequest("inputs: expected at least one text, found none")
    if len(texts) > limits.inputs:
        raise BadRequest(f"inputs: expected at most {limits.inputs} texts, found {len(texts)}")
    labels = _labels(parameters.candidate_labels, limits.labels)
    _check_answer(texts, labels, limits.answer_bytes)
    return ClassificationRequest(
        texts=texts,
        single=isinstance(inputs, str),
        labels=labels,
        multi_label=parameters.multi_label or False,
        template=_template(parameters.hypothesis_template),
        examples=_examples(parameters, labels),
    )


def answer(request: ClassificationRequest, classifications: Sequence[Classification]) -> bytes:
    """The body of the answer: one object for a single text, else a list in the order of the texts."""
    answers = [
        _Answer(text, classification.labels, classification.scores)
        for text, classification in zip(request.texts, classifications, strict=True)
    ]
    return msgspec.json.encode(answers[0] if request.single else answers)


def _labels(given: list[str] | str | None, most: int) -> list[str]:
    field = "parameters.candidate_labels"
    if isinstance(given, str):
        given = [label.strip() for label in given.split(",") if label.strip()]
    labels = given or []
    if not labels:
        raise BadRequest(f"{field}: expected at least one label, found none")
    if len(labels) > most:
        raise BadRequest(f"{field}: expected at most {most} labels, found {len(labels)}")
    for number, label in enumerate(labels):
        if not label.strip():
            raise BadRequest(f"{field}[{number}]: expected a label, found a blank one")
        _check_length(f"{field}[{number}]", label)
    return labels


def _template(given: str | None) -> str:
    field = "parameters.hypothesis_template"
    template = DEFAULT_TEMPLATE if given is None else given
    _check_length(field, template)
    # The label is put in by replacement, not by str.format: a template like "{:999999999}" is a caller's too.
    found = template.count(PLACEHOLDER)
    if found != 1:
        raise BadRequest(f"{field}: expected one {PLACEHOLDER} to take the label, found {found}")
    # The pipeline's str.format fails on most of them, and gives others a meaning.
    if template.count("{") + template.count("}") > len(PLACEHOLDER):
        raise BadRequest(f"{field}: expected no brace beside {PLACEHOLDER}, found one")
    return template


def _examples(parameters: _Parameters, labels: Sequence[str]) -> LabelExamples:
    read = LabelExamples(
        _texts_of_labels("parameters.examples", parameters.examples or {}, labels),
        _texts_of_labels("parameters.counter_examples", parameters.counter_examples or {}, labels),
    )
    found = sum(len(texts) for kind in (read.examples, read.counter_examples) for texts in kind.values())
    if found > MAX_EXAMPLES_IN_ALL:
        fields = "parameters.examples and parameters.counter_examples"
        raise BadRequest(f"{fields}: expected at most {MAX_EXAMPLES_IN_ALL} texts in all, found {found}")
    return read


def _texts_of_labels(field: str, given: Mapping[str, list[str]], labels: Sequence[str]) -> dict[str, list[str]]:
    """The texts, each once; labels without any are left out."""
    known = set(labels)
    read = {}
    for number, (label, texts) in enumerate(given.items(), start=1):
        key = f"{field}, key {number}"
        if label not in known:
            raise BadRequest(f"{key}: expected one of the candidate_labels, found another")
        if len(texts) > MAX_EXAMPLES:
            raise BadRequest(f"{key}: expected at most {MAX_EXAMPLES} texts, found {len(texts)}")
        for position, text in enumerate(texts):
            if not text.strip():
                raise BadRequest(f"{key}[{position}]: expected a text, found a blank one")
        if texts:
            read[label] = list(dict.fromkeys(text[:MAX_EXAMPLE_CHARACTERS] for text in texts))
    return read


def _check_length(field: str, text: str) -> None:
    if len(text) > MAX_LABEL_CHARACTERS:
        raise BadRequest(f"{field}: expected at most {MAX_LABEL_CHARACTERS} characters, found {len(text)}")


def _check_answer(texts: Sequence[str], labels: Sequence[str], most: int) -> None:
    """Every text's answer repeats all labels, so that a small request could ask for gigabytes."""
    of_labels = len(msgspec.json.encode(labels)) + len(labels) * SCORE_BYTES
    found = len(msgspec.json.encode(texts)) + len(texts) * (FRAME_BYTES + of_labels)
    if found > most:
        expected = f"an answer of at most {most} bytes"
        raise BadRequest(f"request: expected {expected}, found that texts times labels come to some {found}")


def _decoded(body: bytes) -> _Body:
    try:
        return _decoded_strictly(body)
    except msgspec.ValidationError as error:
        raise BadRequest(f"request: {error}") from None
    except ValueError as error:  # msgspec.DecodeError and UnicodeDecodeError are among them
        raise BadRequest(f"body: expected JSON in UTF-8, found: {_one_line(error)}") from None
    except RecursionError:
        raise BadRequest("body: expected JSON, found it nested too deeply") from None


def _decoded_strictly(body: bytes) -> _Body:
    try:
        return msgspec.json.decode(body, type=_Body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if b"\\ud" not in body.lower():
            raise
        return _decoded_leniently(body)


def _decoded_leniently(body: bytes) -> _Body:
    """As msgspec does, but U+FFFD for each lone surrogate, which json.dumps writes and msgspec refuses.

    One cut emoji would otherwise cost the whole list of posts.
    """
    content = json.loads(body.decode())
    text = json.dumps(content, ensure_ascii=False)
    return msgspec.json.decode(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"), type=_Body)


def _one_line(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"{error.reason} at byte {error.start}"
    return " ".join(str(error).split())
