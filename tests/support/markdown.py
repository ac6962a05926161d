"""Markdown as plain data: tables and links."""

import re
from collections.abc import Iterator
from pathlib import Path

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def tables(document: Path) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Each table's head and rows, as cells."""
    for match in _TABLE.finditer(_text(document) + "\n"):
        head, _line, *rows = ([cell.strip() for cell in row.strip("|").split(" |")] for row in match[0].splitlines())
        yield head, rows


def relative_links(document: Path) -> list[str]:
    """Targets of links that do not lead to another host."""
    return [target for target in _LINK.findall(_text(document)) if "://" not in target]


def anchors(document: Path) -> set[str]:
    """What links may name after a #, made of headings as GitHub does it."""
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-")
        for heading in _HEADING.findall(_text(document))
    }


def _text(document: Path) -> str:
    return _FENCED.sub("", document.read_text(encoding="utf-8"))
