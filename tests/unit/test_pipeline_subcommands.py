"""What the subcommands have in common: how Ctrl-C ends them."""

import io
import sys
from typing import Any

import pytest

from pipeline.command_line import run_subcommand
from pipeline.dead_letters.tools import Terminal


class HalfMade:
    """As http.client's answers are where Ctrl-C comes while one is being made."""

    def __del__(self) -> None:
        raise AttributeError("'HTTPResponse' object has no attribute 'fp'")


def test_what_ctrl_c_has_left_half_made_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    complaints: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda complaint: complaints.append(str(complaint.exc_value)))
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(io.BytesIO()))

    def interrupted(*_: Any) -> int:
        half_made = HalfMade()
        raise KeyboardInterrupt(half_made)

    said = io.StringIO()
    terminal = Terminal(io.StringIO(), io.StringIO(), said)
    assert run_subcommand("stream-getter", {"wait": (interrupted, "")}, ["wait"], {}, terminal) == 130
    assert said.getvalue() == "stream-getter: stopped\n"
    assert complaints == []
