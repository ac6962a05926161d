"""The shapes of Hugging Face's zero-shot classification on SageMaker, and what is refused.

Source: Hugging Face, "Inference Toolkit API", and `ZeroShotClassificationPipeline` of transformers.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from zero_shot_model.errors import BadRequest
from zero_shot_model.scoring import PLACEHOLDER, Classification

DEFAULT_TEMPLATE = "This example is {}."

MAX_LABEL_CHARACTERS = 1000
"""Of a label and of a template: they are keys of the cache of label vectors, which is to stay small."""


@dataclass(frozen=True)
class Limits:
    """The most texts and labels that one request may have."""

    inputs: int
    labels: int


@dataclass(frozen=True)
class ClassificationRequest:
    """A request that can be answered. `single`: the texts came as one string, the answer is one object."""

    texts: list[str]
    single: bool
    labels: list[str]
    multi_label: bool
    template: str


class _Parameters(msgspec.Struct):
    candidate_labels: list[str] | str | None = None
    multi_label: bool | None = None
    hypothesis_template: str | None = None


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
    return ClassificationRequest(
        texts=texts,
        single=isinstance(inputs, str),
        labels=_labels(parameters.candidate_labels, limits.labels),
        multi_label=parameters.multi_label or False,
        template=_template(parameters.hypothesis_template),
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
    return template


def _check_length(field: str, text: str) -> None:
    if len(text) > MAX_LABEL_CHARACTERS:
        raise BadRequest(f"{field}: expected at most {MAX_LABEL_CHARACTERS} characters, found {len(text)}")


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
