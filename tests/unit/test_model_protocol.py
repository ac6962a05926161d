"""What a request may look like, what is refused and why, and the shape of the answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zero_shot_model.errors import BadRequest
from zero_shot_model.protocol import DEFAULT_TEMPLATE, ClassificationRequest, Limits, answer, read_request
from zero_shot_model.scoring import Classification

LIMITS = Limits(inputs=3, labels=2)


def request_of(inputs: Any = "a post", **parameters: Any) -> ClassificationRequest:
    body = {"inputs": inputs, "parameters": {"candidate_labels": ["flood"], **parameters}}
    return read_request(json.dumps(body).encode(), LIMITS)


def refusal_of(body: bytes) -> str:
    with pytest.raises(BadRequest) as caught:
        read_request(body, LIMITS)
    message = str(caught.value)
    assert "\n" not in message
    return message


def refusal_of_parameters(**parameters: Any) -> str:
    body = {"inputs": "a post", "parameters": {"candidate_labels": ["flood"], **parameters}}
    return refusal_of(json.dumps(body).encode())


def test_what_is_left_out_takes_hugging_faces_defaults() -> None:
    request = request_of("a post")
    assert request == ClassificationRequest(["a post"], True, ["flood"], False, DEFAULT_TEMPLATE)
    assert DEFAULT_TEMPLATE == "This example is {}."


def test_a_list_stays_a_list_even_of_one() -> None:
    assert request_of(["a post"]).single is False


def test_null_parameters_count_as_left_out() -> None:
    assert request_of(multi_label=None, hypothesis_template=None) == request_of()


def test_unknown_parameters_are_ignored() -> None:
    assert request_of(multi_class=True, batch_size=8) == request_of()


def test_labels_in_one_string_are_parted_at_commas() -> None:
    assert request_of(candidate_labels="flood , building fire,").labels == ["flood", "building fire"]


def test_labels_in_a_list_stay_as_they_are() -> None:
    assert request_of(candidate_labels=[" fire, flood"]).labels == [" fire, flood"]


def test_one_blank_text_among_others_is_no_mistake() -> None:
    assert request_of(["", "a post"]).texts == ["", "a post"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "body: expected JSON in UTF-8"),
        (b'{"inputs": "a post"', "body: expected JSON in UTF-8"),
        (b'{"inputs": "a \xff post"}', "body: expected JSON in UTF-8"),
        (b'{"x": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"inputs": "\\ud800", "x": ' + b"[" * 100_000, "nested too deeply"),
        (b'["a post"]', "Expected `object`, got `array`"),
        (b"{}", "inputs: expected a string or a list of strings, found nothing"),
        (b'{"inputs": ""}', "inputs: expected at least one text, found none"),
        (b'{"inputs": []}', "inputs: expected at least one text, found none"),
        (b'{"inputs": 3}', "$.inputs"),
        (b'{"inputs": ["a post", 3]}', "$.inputs[1]"),
        (b'{"inputs": ["a", "b", "c", "d"]}', "inputs: expected at most 3 texts, found 4"),
        (b'{"inputs": "a post"}', "parameters.candidate_labels: expected at least one label, found none"),
        (b'{"inputs": "a post", "parameters": []}', "$.parameters"),
    ],
)
def test_a_body_that_cannot_be_answered_is_refused_with_the_reason(body: bytes, expected: str) -> None:
    assert expected in refusal_of(body)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"candidate_labels": []}, "candidate_labels: expected at least one label"),
        ({"candidate_labels": " , "}, "candidate_labels: expected at least one label"),
        ({"candidate_labels": 3}, "$.parameters.candidate_labels"),
        ({"candidate_labels": ["flood", " "]}, "candidate_labels[1]: expected a label, found a blank one"),
        ({"candidate_labels": ["a", "b", "c"]}, "candidate_labels: expected at most 2 labels, found 3"),
        ({"candidate_labels": ["a" * 1001]}, "candidate_labels[0]: expected at most 1000 characters"),
        ({"hypothesis_template": "It is flood."}, "hypothesis_template: expected one {}"),
        ({"hypothesis_template": "{} and {}"}, "hypothesis_template: expected one {}"),
        ({"hypothesis_template": "{}" + "a" * 1000}, "hypothesis_template: expected at most 1000 characters"),
        ({"multi_label": "yes"}, "$.parameters.multi_label"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_with_the_reason(parameters: dict[str, Any], expected: str) -> None:
    assert expected in refusal_of_parameters(**parameters)


def test_a_lone_surrogate_becomes_a_replacement_character_and_whole_pairs_stay() -> None:
    assert request_of(["cut \ud83d", "low \udc00", "whole 😀"]).texts == ["cut �", "low �", "whole 😀"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_other_text_arrives_as_it_was_sent(text: str) -> None:
    assert request_of(text).texts == [text]


@given(st.binary())
def test_no_body_does_anything_but_be_read_or_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_request(body, LIMITS)


def test_one_string_is_answered_by_one_object() -> None:
    body = answer(request_of("a post"), [Classification(["flood"], [0.5])])
    assert json.loads(body) == {"sequence": "a post", "labels": ["flood"], "scores": [0.5]}


def test_a_list_is_answered_by_a_list_in_its_order() -> None:
    body = answer(request_of(["a", "b"]), [Classification(["flood"], [0.5]), Classification(["flood"], [0.25])])
    assert json.loads(body) == [
        {"sequence": "a", "labels": ["flood"], "scores": [0.5]},
        {"sequence": "b", "labels": ["flood"], "scores": [0.25]},
    ]
