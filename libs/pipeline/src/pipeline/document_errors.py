"""What is wrong with a document, in one line: the key, what was expected, and what was found.

Msgspec finds the mistake, but tells neither the value it found nor which entry of a mapping with free keys it is in.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from pipeline.text import cut

_PROBLEM = re.compile(r"(.*?)(?: - at `(key` in `)?\$(.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_IN_PLAIN_WORDS = {
    "array": "a list",
    "object": "keys with values",
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "a yes or no",
}
_NAME_OF: dict[type, str] = {
    inspect.ListType: "array",
    inspect.DictType: "object",
    inspect.StrType: "str",
    inspect.IntType: "int",
    inspect.FloatType: "float",
    inspect.BoolType: "bool",
}
_FOUND_LENGTH = 60


def describe(error: msgspec.ValidationError, document: Any, kind: type) -> str:
    """What ``msgspec.convert(document, kind)`` complained of, as "labels[0].threshold: expected …, got …".

    What was expected is the ``title`` (msgspec.Meta) of the type at that place, or else msgspec's own words; where
    several types are allowed, each of them.
    """
    match = _PROBLEM.fullmatch(str(error))
    problem, about_a_key, path = match.groups() if match else (str(error), None, None)
    key, value, type_ = _followed(path or "", document, kind, str(error))
    if about_a_key:
        value = next((name for name in value if not isinstance(name, str)), None)
        expected = "texts as keys"
    elif missing := re.fullmatch("Object missing required field `(.*)`", problem):
        key, value = f"{key}.{missing[1]}", None
        expected = _title(_field_type(type_, missing[1])) or "a value"
    elif unknown := re.fullmatch("Object contains unknown field `(.*)`", problem, re.DOTALL):
        value, expected = unknown[1], f"one of the keys {_keys(type_)}"
    else:
        expected = _title(type_) or _expected(problem, type_)
    found = "nothing" if value is None else cut(repr(value), _FOUND_LENGTH)
    return f"{key.lstrip('.') or 'the file'}: expected {expected}, got {found}"


def _followed(path: str, document: Any, kind: type, complaint: str) -> tuple[str, Any, Any]:
    """The place that a path of msgspec's leads to: its key with the entries' names, its value and its type."""
    key, value, type_ = "", document, inspect.type_info(kind)
    trail: list[str | int] = []
    for name, index in _STEP.findall(path):
        if name:
            key, value, type_ = f"{key}.{name}", value[name], _field_type(type_, name)
            trail.append(name)
        elif isinstance(value, dict):
            # narrowed for the steps to come too: entries of another name may hold the same mistake
            document = next(only for only in _with_one_entry(document, trail) if _complaint(only, kind) == complaint)
            (entry,) = _at(document, trail)
            key, value, type_ = f"{key}.{entry}", value[entry], _member(type_, inspect.DictType).value_type
            trail.append(entry)
        else:
            key, value, type_ = f"{key}[{index}]", value[int(index)], _member(type_, inspect.ListType).item_type
            trail.append(int(index))
    return key, value, type_


def _with_one_entry(document: Any, trail: list[str | int]) -> Iterator[Any]:
    """The document once for each entry of the mapping at the trail's end, which then holds that entry alone."""
    if not trail:
        yield from ({entry: value} for entry, value in document.items())
        return
    for inner in _with_one_entry(document[trail[0]], trail[1:]):
        copy = document.copy()
        copy[trail[0]] = inner
        yield copy


def _at(document: Any, trail: list[str | int]) -> Any:
    for step in trail:
        document = document[step]
    return document


def _complaint(document: Any, kind: type) -> str | None:
    try:
        msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _expected(problem: str, type_: Any) -> str:
    members = _members(type_)
    if len(members) > 1:
        return ", or ".join(map(_in_words, members))
    if isinstance(members[0], inspect.StructType):
        return _in_words(members[0])
    words = re.fullmatch("Expected (.*?)(?:, got .*)?", problem, re.DOTALL)
    text = words[1].replace("`", "").removesuffix(" | null") if words else "a valid value"
    return _IN_PLAIN_WORDS.get(text, text)


def _in_words(type_: Any) -> str:
    if isinstance(type_, inspect.StructType):
        return f"the keys {_keys(type_)}"
    return _title(type_) or _IN_PLAIN_WORDS.get(_NAME_OF.get(type(type_), ""), "a valid value")


def _keys(type_: Any) -> str:
    return ", ".join(field.encode_name for field in _member(type_, inspect.StructType).fields)


def _field_type(type_: Any, name: str) -> Any:
    fields = _member(type_, inspect.StructType).fields
    return next(field.type for field in fields if field.encode_name == name)


def _title(type_: Any) -> str | None:
    if isinstance(type_, inspect.Metadata):
        return (type_.extra_json_schema or {}).get("title")
    if isinstance(type_, inspect.UnionType) and len(members := _members(type_)) == 1:
        return _title(members[0])
    return None


def _members(type_: Any) -> list[Any]:
    """What the type allows beside None; a union that has a title counts as one."""
    if not isinstance(type_, inspect.UnionType):
        return [type_]
    return [member for member in type_.types if not isinstance(member, inspect.NoneType)]


def _member(type_: Any, wanted: type) -> Any:
    """The one member of this kind of what the type allows; msgspec lets a union have no second."""
    if isinstance(type_, inspect.Metadata):
        return _member(type_.type, wanted)
    if isinstance(type_, inspect.UnionType):
        return next(filter(None, (_member(member, wanted) for member in type_.types)), None)
    return type_ if isinstance(type_, wanted) else None
