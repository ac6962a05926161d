"""One line for each mistake in a document, whatever shapes its type allows."""

import copy
from typing import Annotated, Any, Literal

import msgspec
import pytest

from pipeline.document_errors import describe

Size = Annotated[Literal["small", "large"], msgspec.Meta(title="small or large")]
Scalar = Annotated[str | int, msgspec.Meta(title="a text or a whole number")]


class Detail(msgspec.Struct, forbid_unknown_fields=True):
    depth: int | None = None
    tags: dict[str, Scalar] = msgspec.field(default_factory=dict)


class Required(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class Document(msgspec.Struct, forbid_unknown_fields=True):
    size: Size | Detail | None = None
    switch: bool | Detail | None = None
    names: list[str | Required] | Detail | None = None
    limit: Annotated[int, msgspec.Meta(ge=0)] | None = None
    note: str | None = None
    values: dict[str, Scalar | Required] = msgspec.field(default_factory=dict)
    groups: dict[str, Detail | None] = msgspec.field(default_factory=dict)
    lists: dict[str, list[int]] = msgspec.field(default_factory=dict)
    deep: dict[str, dict[str, bool]] = msgspec.field(default_factory=dict)


@pytest.mark.parametrize(
    ("document", "line"),
    [
        # one of several types: all of them are told, and a mapping is held against the one that is a mapping
        ({"size": "huge"}, "size: expected small or large, or the keys depth, tags, got 'huge'"),
        ({"size": {"deep": 1}}, "size: expected one of the keys depth, tags, got 'deep'"),
        ({"size": {"depth": "1"}}, "size.depth: expected a whole number, got '1'"),
        ({"switch": "on"}, "switch: expected a yes or no, or the keys depth, tags, got 'on'"),
        ({"switch": {"depht": 1}}, "switch: expected one of the keys depth, tags, got 'depht'"),
        ({"names": 3}, "names: expected a list, or the keys depth, tags, got 3"),
        ({"names": ["a", {"nmae": "b"}]}, "names[1]: expected one of the keys name, got 'nmae'"),
        ({"names": ["a", {}]}, "names[1].name: expected a value, got nothing"),
        ({"names": ["a", 3]}, "names[1]: expected a text, or the keys name, got 3"),
        ({"names": {"depth": "a"}}, "names.depth: expected a whole number, got 'a'"),
        ({"size": {3: 1}}, "size: expected texts as keys, got 3"),
        # one type that may be left out
        ({"limit": -1}, "limit: expected int >= 0, got -1"),
        ({"note": 3}, "note: expected a text, got 3"),
        # entries of mappings with free keys
        ({"values": {"a": 1, "b": []}}, "values.b: expected a text or a whole number, or the keys name, got []"),
        ({"values": {"a": 1, "b": None}}, "values.b: expected a text or a whole number, or the keys name, got nothing"),
        ({"values": {"a": {"name": "x"}, "b": {"nam": "x"}}}, "values.b: expected one of the keys name, got 'nam'"),
        ({"values": 3}, "values: expected keys with values, got 3"),
        ({"lists": {"a": [1], "b": [1, "2"]}}, "lists.b[1]: expected a whole number, got '2'"),
        ({"deep": {"a": {"x": True}, "b": {"x": True, "y": 0}}}, "deep.b.y: expected a yes or no, got 0"),
        (
            {"groups": {"a": None, "b": {"tags": {"x": 1, "y": []}}}},
            "groups.b.tags.y: expected a text or a whole number, got []",
        ),
        # the same mistake in two entries: the first, and not half of each
        ({"deep": {"a": {"x": True, "y": 0}, "b": {"z": 0}}}, "deep.a.y: expected a yes or no, got 0"),
        (
            {"groups": {"a": {"tags": {"x": 1, "y": []}}, "b": {"tags": {"z": []}}}},
            "groups.a.tags.y: expected a text or a whole number, got []",
        ),
    ],
)
def test_the_place_what_was_expected_and_what_was_found(document: Any, line: str) -> None:
    before = copy.deepcopy(document)
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(document, Document)
    assert describe(caught.value, document, Document) == line
    assert document == before
