"""What is wrong with a document, in one line: the key, what was expected, and what was found.

Msgspec finds the mistake, but tells neither the value it found nor which entry of a mapping with free keys it is in.
"""

import re
from typing import Any

import msgspec

from pipeline.text import cut

_PROBLEM = re.compile(r"(.*?)(?: - at `(key` in `)?\$(.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_IN_PLAIN_WORDS = {
    "array": "a list",
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "a yes or no",
}
_FOUND_LENGTH = 60


def describe(error: msgspec.ValidationError, document: Any, kind: type) -> str:
    """What ``msgspec.convert(document, kind)`` complained of, as "labels[0].threshold: expected …, got …".

    What was expected is the ``title`` (msgspec.Meta) of the type at that place, or else msgspec's own words. The values
    of mappings with free keys must be structs.
    """
    match = _PROBLEM.fullmatch(str(error))
    problem, about_a_key, path = match.groups() if match else (str(error), None, None)
    key, value, type_ = _followed(path or "", document, msgspec.inspect.type_info(kind))
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


def _followed(path: str, value: Any, type_: Any) -> tuple[str, Any, Any]:
    """The place that a path of msgspec's leads to: its key with the entries' names, its value and its type."""
    key = ""
    for name, index in _STEP.findall(path):
        if name:
            key, value, type_ = f"{key}.{name}", value[name], _field_type(type_, name)
        elif isinstance(value, dict):
            type_ = _bare(type_).value_type
            entry = next(entry for entry in value if not _fits(value[entry], type_))
            key, value = f"{key}.{entry}", value[entry]
        else:
            key, value, type_ = f"{key}[{index}]", value[int(index)], _bare(type_).item_type
    return key, value, type_


def _fits(value: Any, type_: Any) -> bool:
    try:
        msgspec.convert(value, _bare(type_).cls)
    except msgspec.ValidationError:
        return False
    return True


def _expected(problem: str, type_: Any) -> str:
    if isinstance(_bare(type_), msgspec.inspect.StructType):
        return f"the keys {_keys(type_)}"
    words = re.fullmatch("Expected (.*?)(?:, got .*)?", problem, re.DOTALL)
    text = words[1].replace("`", "") if words else "a valid value"
    return _IN_PLAIN_WORDS.get(text, text)


def _keys(type_: Any) -> str:
    return ", ".join(field.encode_name for field in _bare(type_).fields)


def _field_type(type_: Any, name: str) -> Any:
    return next(field.type for field in _bare(type_).fields if field.encode_name == name)


def _title(type_: Any) -> str | None:
    if isinstance(type_, msgspec.inspect.Metadata):
        return (type_.extra_json_schema or {}).get("title")
    if isinstance(type_, msgspec.inspect.UnionType):
        return next(filter(None, map(_title, type_.types)), None)
    return None


def _bare(type_: Any) -> Any:
    """The type without what only describes it, and without None."""
    if isinstance(type_, msgspec.inspect.Metadata):
        return _bare(type_.type)
    if isinstance(type_, msgspec.inspect.UnionType):
        return _bare(next(each for each in type_.types if not isinstance(each, msgspec.inspect.NoneType)))
    return type_
