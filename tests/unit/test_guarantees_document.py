"""docs/guarantees.md: each promise has a module that keeps it and a test that shows it, and both are there."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.markdown import tables

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = REPOSITORY / "docs/guarantees.md"
ROWS = [row for head, rows in tables(DOCUMENT) if head[0] == "promise" for row in rows]
_LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
_CODE = re.compile(r"`([^`]+)`")


def test_there_are_promises_and_each_table_has_the_same_columns() -> None:
    assert len(ROWS) > 20
    assert [head for head, _ in tables(DOCUMENT)] == [["promise", "why it holds", "test"]] * len(list(tables(DOCUMENT)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_promise_has_modules_that_are_there(row: list[str]) -> None:
    _, modules, _ = row
    links = _LINK.findall(modules)
    assert links
    assert ", ".join(f"[{name}]({target})" for name, target in links) == modules
    for name, target in links:
        path = (DOCUMENT.parent / target).resolve()
        assert path.suffix == ".py"
        assert path.is_file(), target
        assert path.with_suffix("").as_posix().endswith(f"/{name}")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_promise_has_tests_that_are_there(row: list[str]) -> None:
    _, _, tests = row
    names = _CODE.findall(tests)
    assert names
    assert "<br>".join(f"`{name}`" for name in names) == tests
    for name in names:
        file, _, test = name.partition("::")
        assert (REPOSITORY / file).is_file(), file
        assert test in _tests_in(REPOSITORY / file), name


def test_no_promise_is_made_twice() -> None:
    promises = [row[0] for row in ROWS]
    assert sorted(promises) == sorted(set(promises))


@cache
def _tests_in(file: Path) -> frozenset[str]:
    """What pytest collects there, by the node ids' last parts and without parameters."""
    return frozenset(_tests(ast.parse(file.read_text(encoding="utf-8")).body))


def _tests(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, ast.FunctionDef) and statement.name.startswith("test_"):
            yield statement.name
        elif isinstance(statement, ast.ClassDef) and statement.name.startswith("Test"):
            yield from (f"{statement.name}::{name}" for name in _tests(statement.body))
