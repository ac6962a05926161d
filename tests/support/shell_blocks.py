"""Shell commands in Markdown: its fenced blocks, and the simple commands that a block is made of."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_FENCED = re.compile(r"^```(?P<mark>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
#: What stands between commands. A redirection's target is no command.
_OPERATORS = "();|&\n"
_REDIRECTIONS = "<>"
_BEFORE_A_COMMAND = {"do", "then", "else", "{", "!", "if", "while"}
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
#: Stands in a word for what a command in it would have printed.
SUBSTITUTED = "SUBSTITUTED"


class Block(NamedTuple):
    """A fenced block: the words after its fence, what it holds, and the line that it begins in."""

    mark: str
    text: str
    line: int


def fenced_blocks(document: Path) -> list[Block]:
    """All of a document, in order."""
    text = document.read_text(encoding="utf-8")
    return [
        Block(match["mark"].strip(), match["text"], text.count("\n", 0, match.start()) + 1)
        for match in _FENCED.finditer(text)
    ]


def commands(text: str) -> Iterator[list[str]]:
    """The words of each simple command, those within substitutions and functions too, without assignments before it."""
    outer, inner = _taken_apart(text.replace("\\\n", " "))
    yield from _simple_commands(outer)
    for substituted in inner:
        yield from commands(substituted)


def _simple_commands(text: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=_OPERATORS + _REDIRECTIONS)
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    is_target = False
    for token in lexer:
        if set(token) <= set(_REDIRECTIONS):
            is_target = True
        elif set(token) <= set(_OPERATORS):
            yield from _command(words)
            words = []
        elif is_target:
            is_target = False
        else:
            words.append(token)
    yield from _command(words)


def _command(words: list[str]) -> Iterator[list[str]]:
    while words and (words[0] in _BEFORE_A_COMMAND or _ASSIGNMENT.match(words[0])):
        words = words[1:]
    if words and words != ["}"]:
        yield words


def _taken_apart(text: str) -> tuple[str, list[str]]:
    """The text with a word in place of each $(...) and <(...), and what was within them."""
    outer: list[str] = []
    inner: list[str] = []
    position = 0
    is_quoted = False
    while position < len(text):
        if text[position] == "'" and not is_quoted:
            end = text.index("'", position + 1) + 1
            outer.append(text[position:end])
            position = end
        elif text[position : position + 2] in ("$(", "<("):
            end = _closing(text, position + 2)
            inner.append(text[position + 2 : end])
            outer.append(SUBSTITUTED)
            position = end + 1
        else:
            is_quoted ^= text[position] == '"'
            length = 2 if text[position] == "\\" else 1
            outer.append(text[position : position + length])
            position += length
    return "".join(outer), inner


def _closing(text: str, start: int) -> int:
    depth = 1
    position = start
    while position < len(text):
        if text[position] == "'":
            position = text.index("'", position + 1)
        elif text[position] == '"':
            position = re.compile(r'(?:[^"\\]|\\.)*"').match(text, position + 1).end() - 1  # type: ignore[union-attr]
        else:
            depth += {"(": 1, ")": -1}.get(text[position], 0)
            if not depth:
                return position
        position += 1
    raise ValueError(f"expected a closing parenthesis after {text[start : start + 40]!r}")
