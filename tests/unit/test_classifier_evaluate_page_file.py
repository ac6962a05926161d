"""Where the page goes: what cannot be written is known before the first call, and costs no result afterwards."""

import io
import os
from pathlib import Path

import pytest

from classifier.evaluate.page_file import PageFile
from pipeline.dead_letters.tools import Terminal
from pipeline.errors import UserMistake

#: A device that takes no byte: every write fails as on a full disk.
FULL = "/dev/full"


class Gone(io.StringIO):
    """The end of a pipe that nobody reads any more."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


def terminal_of(out: io.StringIO | None = None) -> Terminal:
    return Terminal(io.StringIO(), out or io.StringIO(), io.StringIO())


def checked(path: Path) -> None:
    PageFile(str(path), terminal_of()).check()


def said(terminal: Terminal) -> tuple[str, str]:
    assert isinstance(terminal.out, io.StringIO)
    assert isinstance(terminal.err, io.StringIO)
    return terminal.out.getvalue(), terminal.err.getvalue()


def test_a_place_that_cannot_be_written_is_known_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserMistake, match=r"^--html: expected a file that can be written, got '.+': it is a folder$"):
        checked(tmp_path)
    with pytest.raises(UserMistake, match=r": File name too long$"):
        checked(tmp_path / ("x" * 300))
    with pytest.raises(UserMistake, match=r": no folder .+/no$"):
        checked(tmp_path / "no" / "x.html")
    old = tmp_path / "old.html"
    old.write_text("before")
    checked(old)
    # as whoever may write everything (root) the tests cannot make a file that they may not write
    asked: list[tuple[Path, int]] = []

    def denied(place: Path, mode: int) -> bool:
        asked.append((place, mode))
        return False

    monkeypatch.setattr(os, "access", denied)
    for place in (old, tmp_path / "new.html"):
        with pytest.raises(UserMistake, match=r": it may not be written$"):
            checked(place)
    assert asked == [(old, os.W_OK), (tmp_path, os.W_OK | os.X_OK)], "a file in a folder that is closed can be written"
    assert old.read_text() == "before"
    assert not (tmp_path / "new.html").exists()


def test_the_page_is_written_before_the_result_is_printed(tmp_path: Path) -> None:
    path, terminal = tmp_path / "report.html", terminal_of(Gone())
    with pytest.raises(BrokenPipeError), PageFile(str(path), terminal).beside(lambda: "<p>ä \udcff</p>"):
        terminal.say("result")
    assert path.read_text(encoding="utf-8") == "<p>ä \\udcff</p>", "a name that is no UTF-8 is no reason to lose it"
    assert said(terminal)[1] == f"classifier: written: {path}\n"


def test_the_result_is_printed_where_the_page_cannot_be_written() -> None:
    terminal = terminal_of()
    with (
        pytest.raises(UserMistake, match=r"^--html: .+ got '/dev/full': No space left on device$"),
        PageFile(FULL, terminal).beside(lambda: "page"),
    ):
        terminal.say("result")
    assert said(terminal) == ("result\n", "")


def test_a_page_that_is_not_there_is_told_to_whoever_reads_no_further() -> None:
    terminal = terminal_of(Gone())
    with pytest.raises(BrokenPipeError), PageFile(FULL, terminal).beside(lambda: "page"):
        terminal.say("result")
    assert said(terminal)[1].startswith("classifier: --html: expected a file that can be written, got '/dev/full': ")


def test_without_a_place_nothing_is_made() -> None:
    terminal = terminal_of()
    file = PageFile(None, terminal)
    file.check()
    with file.beside(lambda: str(1 / 0)):
        terminal.say("result")
    assert said(terminal) == ("result\n", "")
