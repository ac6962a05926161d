"""The endpoint beside the real thing: transformers' zero-shot pipeline, called as Hugging Face's toolkit calls it.

Both run one tiny model with random weights, made on the spot; the embedded model must give the same shapes.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.model_process import ModelProcess, running_model
from tests.support.transformers_installed import require_transformers

require_transformers()

import transformers  # noqa: E402 - not before it is known to be there

from tests.support.tiny_nli_model import MAX_TOKENS, save_tiny_nli_model  # noqa: E402

QUAKE = "Strong earthquake of magnitude 6.1 shakes the coast, people run into the streets"
CAT = "I love my cat so much today"
LABELS = ["earthquake", "flood", "cat"]
PRECISION = 1e-5

ANSWERED: dict[str, tuple[Any, dict[str, Any]]] = {
    "a string": (QUAKE, {"candidate_labels": LABELS}),
    "a list of one": ([QUAKE], {"candidate_labels": LABELS}),
    "a list": ([QUAKE, CAT, "the valley"], {"candidate_labels": LABELS}),
    "a list, each label alone": ([QUAKE, CAT, "the valley"], {"candidate_labels": LABELS, "multi_label": True}),
    "labels in a string": (CAT, {"candidate_labels": "earthquake, flood,cat , ,"}),
    "one label": (CAT, {"candidate_labels": ["cat"]}),
    "one label in a string": ([CAT, QUAKE], {"candidate_labels": "cat", "multi_label": False}),
    "one label alone": (CAT, {"candidate_labels": ["cat"], "multi_label": True}),
    "a label with a comma in a list": (CAT, {"candidate_labels": ["cat, dog", "flood"]}),
    "a label with braces": (CAT, {"candidate_labels": ["{cat}", "{}", "{0}"], "multi_label": True}),
    "equal labels": (CAT, {"candidate_labels": ["cat", "flood", "cat"]}),
    "equal texts": ([CAT, QUAKE, CAT], {"candidate_labels": LABELS, "multi_label": True}),
    "another template": (CAT, {"candidate_labels": LABELS, "hypothesis_template": "This post is about {}."}),
    "a template of nothing else": (CAT, {"candidate_labels": LABELS, "hypothesis_template": "{}"}),
    "unicode": (["地震 Ünïcödé \u202e 🌊", "\x07 \x1b[31m"], {"candidate_labels": ["地震", "größe", "🌊"]}),
    "a blank text": ([" ", "\n\t"], {"candidate_labels": LABELS, "multi_label": True}),
    "a text longer than the model": (["flood " * 5 * MAX_TOKENS, CAT], {"candidate_labels": LABELS}),
    "more than a batch": ([f"{QUAKE} {CAT * (n % 4)}" for n in range(40)], {"candidate_labels": LABELS}),
    "what is unknown": (CAT, {"candidate_labels": LABELS, "multi_class": True, "top_k": 1}),
    "examples": (CAT, {"candidate_labels": LABELS, "examples": {"cat": [CAT]}}),
}

REFUSED: dict[str, tuple[Any, dict[str, Any]]] = {
    "no text": ("", {"candidate_labels": LABELS}),
    "no texts": ([], {"candidate_labels": LABELS}),
    "an empty text in a list": ([CAT, ""], {"candidate_labels": LABELS}),
    "a text that is a number": (5, {"candidate_labels": LABELS}),
    "no parameters": (CAT, {}),
    "no labels": (CAT, {"candidate_labels": []}),
    "no labels in a string": (CAT, {"candidate_labels": " , "}),
    "labels that are a number": (CAT, {"candidate_labels": 5}),
    "a template without a place for the label": (CAT, {"candidate_labels": LABELS, "hypothesis_template": "a post"}),
    "a template with another name": (CAT, {"candidate_labels": LABELS, "hypothesis_template": "{} {text}"}),
    "a template with half a brace": (CAT, {"candidate_labels": LABELS, "hypothesis_template": "{} {"}),
    "a label longer than the model": (CAT, {"candidate_labels": ["cat", "flood " * MAX_TOKENS]}),
}

#: What the pipeline takes and the endpoint does not; "Request and answer" in model/README.md says so.
STRICTER: dict[str, tuple[Any, dict[str, Any]]] = {
    "a blank label": (CAT, {"candidate_labels": ["cat", " "]}),
    "a template with a number": (CAT, {"candidate_labels": LABELS, "hypothesis_template": "about {0}"}),
    "a template with a width": (CAT, {"candidate_labels": LABELS, "hypothesis_template": "about {:>20}"}),
    "a list in a list": ([[CAT]], {"candidate_labels": LABELS}),
}

answered = pytest.mark.parametrize(("inputs", "parameters"), ANSWERED.values(), ids=ANSWERED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_nli_model(tmp_path_factory.mktemp("tiny-nli-model")))


@pytest.fixture(scope="module")
def pipeline(folder: str) -> Any:
    return transformers.pipeline("zero-shot-classification", folder, device="cpu")


@pytest.fixture(scope="module")
def ours(folder: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelProcess]:
    options = ("--backend", "transformers", "--hf-model-id", folder, "--hf-task", "zero-shot-classification")
    with running_model(tmp_path_factory.mktemp("ours") / "log", *options) as process:
        yield process


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelProcess]:
    with running_model(tmp_path_factory.mktemp("embedded") / "log") as process:
        yield process


def ask(server: ModelProcess, inputs: Any, parameters: dict[str, Any]) -> requests.Response:
    body = {"inputs": inputs, "parameters": parameters}
    return requests.post(f"{server.url}/invocations", json=body, timeout=60)


def listed(answer: Any) -> list[dict[str, Any]]:
    return answer if isinstance(answer, list) else [answer]


@answered
def test_the_answer_is_transformers_answer(
    ours: ModelProcess, pipeline: Any, inputs: Any, parameters: dict[str, Any]
) -> None:
    response = ask(ours, inputs, parameters)
    assert response.status_code == 200, response.text
    found, expected = response.json(), pipeline(inputs, **parameters)
    assert type(found) is type(expected)
    assert len(listed(found)) == len(listed(expected))
    for mine, theirs in zip(listed(found), listed(expected), strict=True):
        assert list(mine) == list(theirs)
        assert mine["sequence"] == theirs["sequence"]
        assert mine["labels"] == theirs["labels"]
        assert mine["scores"] == pytest.approx(theirs["scores"], abs=PRECISION)


@answered
def test_the_embedded_models_answer_has_the_same_shape(
    embedded: ModelProcess, pipeline: Any, inputs: Any, parameters: dict[str, Any]
) -> None:
    response = ask(embedded, inputs, parameters)
    assert response.status_code == 200, response.text
    found, expected = response.json(), pipeline(inputs, **parameters)
    assert type(found) is type(expected)
    assert len(listed(found)) == len(listed(expected))
    for mine, theirs in zip(listed(found), listed(expected), strict=True):
        assert list(mine) == list(theirs)
        assert mine["sequence"] == theirs["sequence"]
        assert sorted(mine["labels"]) == sorted(theirs["labels"])
        assert mine["scores"] == sorted(mine["scores"], reverse=True)
        assert all(0 < score < 1 for score in mine["scores"])
        competing = not parameters.get("multi_label") and len(theirs["labels"]) > 1
        assert (sum(mine["scores"]) == pytest.approx(1)) == competing
        assert (sum(theirs["scores"]) == pytest.approx(1)) == competing


@pytest.mark.parametrize(("inputs", "parameters"), REFUSED.values(), ids=REFUSED)
def test_where_transformers_raises_the_answer_is_400_with_one_line(
    ours: ModelProcess, pipeline: Any, inputs: Any, parameters: dict[str, Any]
) -> None:
    with pytest.raises((ValueError, TypeError, LookupError, RuntimeError)):
        pipeline(inputs, **parameters)
    response = ask(ours, inputs, parameters)
    assert response.status_code == 400, response.text
    assert list(response.json()) == ["error"]
    assert "\n" not in response.json()["error"]


@pytest.mark.parametrize(("inputs", "parameters"), STRICTER.values(), ids=STRICTER)
def test_what_transformers_takes_and_we_do_not(
    ours: ModelProcess, pipeline: Any, inputs: Any, parameters: dict[str, Any]
) -> None:
    assert pipeline(inputs, **parameters)
    assert ask(ours, inputs, parameters).status_code == 400


def test_the_model_does_not_fail_on_what_it_refuses(ours: ModelProcess) -> None:
    for inputs, parameters in REFUSED.values():
        ask(ours, inputs, parameters)
    assert "Traceback" not in ours.log


def test_nothing_of_a_text_is_logged(ours: ModelProcess) -> None:
    ask(ours, ["zebras " * 500], {"candidate_labels": LABELS})
    assert "zebras" not in ours.log
