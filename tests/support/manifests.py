"""Walks through manifests and the types that they are read by."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import inspect

from deployment.manifests import read_manifest
from pipeline.errors import UserMistake

#: Mappings whose keys are names that the user gives.
NAMES = {
    *("variables", "secrets", "secretOptions", "labels", "args", "destination", "from_tags"),
    *("sidecars", "volumes", "depends_on"),
}

Trail = tuple[str | int, ...]


def write(path: Path, content: str) -> None:
    """Writes a file, and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def mistake_in(path: Path) -> str:
    """The one line that is wrong with a manifest, without the file's name."""
    with pytest.raises(UserMistake) as caught:
        read_manifest(path)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(f"{path}: ")
    return said.removeprefix(f"{path}: ")


def members(type_: Any) -> Iterator[Any]:
    """The types that a type allows, without what only describes them."""
    if isinstance(type_, inspect.Metadata):
        yield from members(type_.type)
    elif isinstance(type_, inspect.UnionType):
        for each in type_.types:
            yield from members(each)
    else:
        yield type_


def all_fields(type_: Any) -> Iterator[tuple[str, str]]:
    """Each field of each section below a type, with the section's name."""
    for each in members(type_):
        if isinstance(each, inspect.StructType):
            for field in each.fields:
                yield _owner(each.cls, field.name), field.encode_name
                yield from all_fields(field.type)
        elif isinstance(each, inspect.ListType):
            yield from all_fields(each.item_type)
        elif isinstance(each, inspect.DictType):
            yield from all_fields(each.value_type)


def used_fields(document: Any, type_: Any) -> Iterator[tuple[str, str]]:
    """Those of them that stand in a document."""
    for each in members(type_):
        if isinstance(each, inspect.StructType) and isinstance(document, dict):
            for field in each.fields:
                if field.encode_name in document:
                    yield _owner(each.cls, field.name), field.encode_name
                    yield from used_fields(document[field.encode_name], field.type)
        elif isinstance(each, inspect.ListType) and isinstance(document, list):
            for item in document:
                yield from used_fields(item, each.item_type)
        elif isinstance(each, inspect.DictType) and isinstance(document, dict):
            for value in document.values():
                yield from used_fields(value, each.value_type)


def _owner(cls: type, field: str) -> str:
    """The section that a field was first defined in."""
    return next(each.__name__ for each in reversed(cls.__mro__) if field in getattr(each, "__annotations__", {}))


def key_trails(document: Any, trail: Trail = ()) -> Iterator[Trail]:
    """The way to each key of a manifest that Copilot must know."""
    if isinstance(document, dict):
        for key, value in document.items():
            if not trail or trail[-1] not in NAMES:
                yield (*trail, key)
            # Copilot hands the value of an override of the task definition on as it is
            if trail[:1] != ("taskdef_overrides",) or key != "value":
                yield from key_trails(value, (*trail, key))
    elif isinstance(document, list):
        for index, item in enumerate(document):
            yield from key_trails(item, (*trail, index))


def misspellings(key: str) -> list[str]:
    """A letter twice, one lost, capitals, letters in another order, a dash for an underscore."""
    return sorted({key + key[-1], key[:-1], key.upper(), key[1:] + key[0], key.replace("_", "-")} - {key})


def renamed(document: Any, trail: Trail, name: str) -> Any:
    """The document with another key at the trail's end."""
    first, *rest = trail
    if isinstance(document, list):
        return [renamed(item, tuple(rest), name) if at == first else item for at, item in enumerate(document)]
    if rest:
        return document | {first: renamed(document[first], tuple(rest), name)}
    return {name if key == first else key: value for key, value in document.items()}


def branch(document: Any, trail: Trail) -> Any:
    """The document with nothing but what stands at the trail, on the way to it and before it in lists."""
    if not trail:
        return document
    first, *rest = trail
    if isinstance(first, int):
        return [*document[:first], branch(document[first], tuple(rest))]
    return {first: branch(document[first], tuple(rest))}


def written(trail: Trail) -> str:
    """The trail as mistakes tell it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in trail)[1:] or "the file"
