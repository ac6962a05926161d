"""What a request may look like, what is refused and why, and the shape of the answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zero_shot_model.errors import BadRequest
from zero_shot_model.examples import NO_EXAMPLES, LabelExamples
from zero_shot_model.protocol import (
    ATTRIBUTES,
    ATTRIBUTES_WITH_EXAMPLES,
    DEFAULT_TEMPLATE,
    MAX_EXAMPLE_CHARACTERS,
    ClassificationRequest,
    Limits,
    answer,
    read_request,
)
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
        ({"hypothesis_template": "{} {text}"}, "hypothesis_template: expected no brace beside {}"),
        ({"hypothesis_template": "{{}}"}, "hypothesis_template: expected no brace beside {}"),
        ({"hypothesis_template": "{:999999999}{}"}, "hypothesis_template: expected no brace beside {}"),
        ({"hypothesis_template": "{}" + "a" * 1000}, "hypothesis_template: expected at most 1000 characters"),
        ({"multi_label": "yes"}, "$.parameters.multi_label"),
        ({"examples": ["a post"]}, "$.parameters.examples"),
        ({"examples": {"flood": "a post"}}, "$.parameters.examples[...]"),
        ({"examples": {"flood": ["a post", 3]}}, "$.parameters.examples[...][1]"),
        ({"examples": {"fire": ["a post"]}}, "parameters.examples, key 1: expected one of the candidate_labels"),
        ({"counter_examples": {"flood": [], "x": []}}, "counter_examples, key 2: expected one of the candidate_labels"),
        ({"examples": {"flood": ["a post", " \n"]}}, "examples, key 1[1]: expected a text, found a blank one"),
        ({"examples": {"flood": ["a"] * 51}}, "examples, key 1: expected at most 50 texts, found 51"),
        ({"counter_examples": {"flood": ["a"] * 51}}, "counter_examples, key 1: expected at most 50 texts, found 51"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_with_the_reason(parameters: dict[str, Any], expected: str) -> None:
    assert expected in refusal_of_parameters(**parameters)


def test_examples_that_are_absent_null_or_empty_are_none() -> None:
    absent: list[Any] = [None, {}, {"flood": []}]
    for none in absent:
        assert request_of(examples=none, counter_examples=none) == request_of()
    assert request_of().examples == NO_EXAMPLES


def test_examples_are_read_by_label_each_text_once() -> None:
    labels = ["fire", "flood"]
    examples = {"flood": ["rain", "rain", "river"], "fire": []}
    request = request_of(candidate_labels=labels, examples=examples, counter_examples={"fire": ["you are fired"]})
    assert request.examples == LabelExamples({"flood": ["rain", "river"]}, {"fire": ["you are fired"]})


def test_examples_of_labels_in_one_string_go_by_the_label_without_its_blanks() -> None:
    request = request_of(candidate_labels="flood , fire", examples={"flood": ["rain"], "fire": ["smoke"]})
    assert request.examples.examples == {"flood": ["rain"], "fire": ["smoke"]}


def test_of_a_long_example_the_beginning_is_read() -> None:
    request = request_of(examples={"flood": ["rain " * 5000, "rain " * 6000]})
    assert request.examples.examples == {"flood": [("rain " * 5000)[:MAX_EXAMPLE_CHARACTERS]]}


def test_examples_are_bounded_over_all_labels_and_both_kinds() -> None:
    labels = [f"label {number}" for number in range(21)]
    examples = {label: [f"{label}, post {number}" for number in range(50)] for label in labels}
    body: dict[str, Any] = {"inputs": "a post", "parameters": {"candidate_labels": labels}}
    body["parameters"] |= {"examples": examples, "counter_examples": {label: examples[label] for label in labels[:19]}}
    read_request(json.dumps(body).encode(), Limits(1, 21))
    body["parameters"]["counter_examples"][labels[20]] = ["one more"]
    with pytest.raises(BadRequest, match="expected at most 2000 texts in all, found 2001"):
        read_request(json.dumps(body).encode(), Limits(1, 21))


def test_a_model_that_knows_examples_can_be_told_from_one_that_does_not() -> None:
    parts = [{part.strip() for part in attributes.split(";")} for attributes in (ATTRIBUTES, ATTRIBUTES_WITH_EXAMPLES)]
    assert parts == [{"zero-shot-model"}, {"zero-shot-model", "examples"}]


def test_a_label_named_twice_stays_twice() -> None:
    assert request_of(candidate_labels=["flood", "flood"]).labels == ["flood", "flood"]


def test_inputs_of_the_pipelines_own_argument_names_are_refused() -> None:
    assert "$.inputs" in refusal_of(b'{"inputs": {"sequences": "a post", "candidate_labels": ["flood"]}}')


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
