"""Labelled posts as people write them: both shapes, mistakes in one line, and labels under other names."""

import io
import json
import os
import re
import shlex
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from classifier.evaluate.labelled_file import LabelledFile, opened
from classifier.evaluate.labelled_post import LabelledPost, NotLabelled, labelled_post
from classifier.evaluate.naming import Naming
from pipeline.errors import UserMistake
from pipeline.label_config import Label
from stream_getter.x.payload import parse_post

SAMPLES = [Path("samples/posts_dev.jsonl"), Path("samples/posts_test.jsonl")]
LABELS = [Label(name="cyber attack", threshold=0.5), Label(name="flood", threshold=0.5)]


def read(**fields: Any) -> LabelledPost:
    return labelled_post(json.dumps(fields).encode(), 1)


def everything(_: LabelledPost) -> bool:
    return True


def file_of(*lines: str) -> LabelledFile:
    return LabelledFile(io.BytesIO("\n".join(lines).encode()), "posts.jsonl")


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        ({"label": "flood"}, ("flood",)),
        ({"label": " flood "}, ("flood",)),
        ({"label": ["flood", "fire", "flood"]}, ("flood", "fire")),
        ({"labels": ["flood"]}, ("flood",)),
        ({"expected": ["flood"]}, ("flood",)),
        ({"label": "none"}, ()),
        ({"label": "None"}, ()),
        ({"labels": ["none"]}, ()),
        ({"labels": []}, ()),
        ({"label": "flood", "labels": None}, ("flood",)),
    ],
)
def test_labels_in_all_ways(given: dict[str, Any], labels: tuple[str, ...]) -> None:
    assert read(text="water", **given).labels == labels


def test_what_else_a_post_may_have() -> None:
    post = read(
        text="look", quoted_text="the river", label="flood", id=7, lang="en", rules=["a", {"tag": "b"}], more=[1]
    ).post
    assert (post.text, post.quoted_text, post.id, post.lang) == ("look", "the river", "7", "en")
    assert [rule.tag for rule in post.rules] == ["a", "b"]
    bare = read(text="look", label="flood", id=None, lang=None, rules=None, quoted_text=None, data="of mine", post=1)
    assert (bare.post.text, bare.post.id, bare.post.rules) == ("look", "", [])


def test_characters_that_no_queue_carries_are_what_the_service_would_get() -> None:
    assert read(text="a\x00b\ud800", label="flood").post.text == "a\ufffdb?"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "expected {"),
        ("[]", "expected {"),
        ("{}", "text: expected the words of a post, got nothing"),
        ('{"text": "   ", "label": "a"}', "text: expected the words of a post, got nothing"),
        ('{"text": "a"}', "expected one of label, labels and expected"),
        ('{"text": "a", "label": "b", "labels": ["c"]}', "got label and labels"),
        ('{"text": "a", "label": 5}', "label"),
        ('{"text": "a", "label": ""}', "label: expected names of labels, got ''"),
        ('{"text": "a", "label": "\\u200b\\u001b[2J"}', r"label: expected names of labels, got '\u200b\x1b[2J'"),
        ('{"text": "a", "labels": ["none", "flood"]}', 'labels: expected "none" alone'),
        ('{"data": {"id": "1"}, "expected": []}', "text"),
        ('{"text": "\\ud800x"', "expected {"),
        ('{"text": "a", "label": "b", "id": NaN}', "expected {"),
        ("[" * 100_000, "expected {"),
    ],
)
def test_a_line_that_is_no_labelled_post_is_told_in_one(line: str, said: str) -> None:
    with pytest.raises(NotLabelled) as mistake:
        labelled_post(line.encode(), 3)
    assert said in str(mistake.value)
    assert "\n" not in str(mistake.value)
    with pytest.raises(UserMistake, match=r"^posts\.jsonl:2: .+") as told:
        file_of('{"text": "a", "label": "b"}', line).survey(everything)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 500


@pytest.mark.parametrize("sample", SAMPLES)
def test_posts_in_xs_shape_are_read_as_the_stream_getter_reads_them(sample: Path) -> None:
    for number, line in enumerate(sample.read_bytes().splitlines(), start=1):
        row = json.loads(line)
        theirs = parse_post(json.dumps(row["post"]).encode(), datetime.now(UTC), "")
        recorded = json.dumps({**row["post"], "expected": row["expected"]}).encode()
        for ours in (labelled_post(line, number), labelled_post(recorded, number)):
            assert ours.post.text == theirs.text
            assert ours.post.quoted_text == theirs.quoted_text
            assert ours.post.lang == theirs.lang
            assert [rule.tag for rule in ours.post.rules] == [rule.tag for rule in theirs.rules]
            assert f"x:{ours.post.id}" == theirs.id
            assert ours.labels == tuple(row["expected"])


def test_a_survey_counts_what_is_judged() -> None:
    file = file_of(
        '\ufeff{"text": "a", "label": "flood"}',
        "",
        '{"text": "b", "label": ["flood", "x"]}',
        '{"text": "c", "label": "x"}',
    )
    survey = file.survey(lambda labelled: labelled.post.text != "c")
    assert (survey.posts, survey.left_out, survey.labels) == (2, 1, Counter(flood=2, x=1))
    again = list(file.again(survey, lambda labelled: labelled.post.text != "c"))
    assert [(each.line, each.post.text) for each in again] == [(1, "a"), (3, "b")]


def test_files_that_are_not_as_expected(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match=r"^posts\.jsonl: expected at least one labelled post, got an empty file$"):
        file_of("", " ").survey(everything)
    with pytest.raises(UserMistake, match="got only examples of the configuration"):
        file_of('{"text": "a", "label": "b"}').survey(lambda _: False)
    with pytest.raises(UserMistake, match=r"posts\.jsonl:1: expected at most 1,048,576 bytes a line"):
        file_of('{"text": "' + "a" * 1_100_000).survey(everything)
    for place, said in ((tmp_path / "no.jsonl", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(UserMistake, match=said), opened(str(place), io.BytesIO):
            raise AssertionError("it was opened")


def test_a_file_whose_name_is_no_utf8_has_one_that_a_report_can_carry(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"posts\xff\x1b[2J.jsonl")
    with pytest.raises(UserMistake) as told, opened(str(path), io.BytesIO):
        raise AssertionError("it was opened")
    assert str(told.value).isprintable()
    path.write_text('{"text": "a", "label": "b"}')
    with opened(str(path), io.BytesIO) as file:
        assert file.survey(everything).posts == 1
        assert file.name == f"{tmp_path}/posts .jsonl"


def test_a_file_that_changes_between_two_looks_is_noticed() -> None:
    stream = io.BytesIO(b'{"text": "a", "label": "b"}\n')
    file = LabelledFile(stream, "posts.jsonl")
    survey = file.survey(everything)
    stream.seek(0, io.SEEK_END)
    stream.write(b'{"text": "c", "label": "b"}\n')
    with pytest.raises(UserMistake, match="expected a file that stays as it is"):
        list(file.again(survey, everything))


def test_standard_input_can_be_read_again() -> None:
    with opened("-", lambda: io.BytesIO(b'{"text": "a", "label": "b"}\n')) as file:
        survey = file.survey(everything)
        assert [each.post.text for each in file.again(survey, everything)] == ["a"]
        assert [each.post.text for each in file.again(survey, everything)] == ["a"]


def test_an_error_of_whoever_reads_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_text("{}")
    with pytest.raises(BrokenPipeError), opened(str(path), io.BytesIO):
        raise BrokenPipeError


def test_labels_of_the_file_are_found_in_the_configuration() -> None:
    naming = Naming(LABELS, {"cybersecurity": "cyber attack", "rumour": "none"})
    assert naming.split(["FLOOD", "Cybersecurity", "rumour", "haze"]) == (
        frozenset({"flood", "cyber attack"}),
        ("haze",),
    )
    naming.check("alerts.yaml")


def test_labels_that_the_configuration_lacks_are_told_with_their_counts() -> None:
    naming = Naming(LABELS, {})
    [remark] = naming.remarks(Counter({"flood": 3, "haze": 2, "\x1b[31mred": 1}), "posts.jsonl", "alerts.yaml")
    assert remark.startswith("posts.jsonl has labels that alerts.yaml lacks: 'haze' (2), ")
    assert "\x1b" not in remark


def test_a_file_without_any_label_of_the_configuration_is_a_mistake_that_says_how_to_go_on() -> None:
    with pytest.raises(UserMistake, match=r"'cybersecurity' \(119\) \(--labels-as 'cybersecurity=cyber attack' names"):
        Naming(LABELS, {}).remarks(Counter(cybersecurity=119), "posts.jsonl", "alerts.yaml")


def test_what_is_said_of_a_hostile_name_can_be_shown_and_pasted() -> None:
    hostile = "haze'; \x1b[31mrm -rf ~\n'"
    with pytest.raises(UserMistake) as told:
        Naming(LABELS, {}).remarks(Counter({hostile: 1}), "posts.jsonl", "alerts.yaml")
    assert str(told.value).isprintable()
    [pasted] = re.findall(r"\(--labels-as (.+) names one\)", str(told.value))
    assert shlex.split(pasted) == ["haze'; rm -rf ~ '=cyber attack"]


def test_a_file_of_none_only_can_still_tell_false_alarms() -> None:
    [remark] = Naming(LABELS, {}).remarks(Counter(), "posts.jsonl", "alerts.yaml")
    assert remark == "posts.jsonl: no post is about any label of alerts.yaml: only false alarms can be told"


def test_mappings_that_lead_nowhere_are_told() -> None:
    with pytest.raises(UserMistake, match=r"^--labels-as: expected a label of a\.yaml \(cyber attack, flood\) or none"):
        Naming(LABELS, {"x": "y"}).check("a.yaml")
    remarks = Naming(LABELS, {"x": "flood"}).remarks(Counter(flood=1), "posts.jsonl", "a.yaml")
    assert remarks == ["--labels-as: posts.jsonl has no post with the label 'x'"]
