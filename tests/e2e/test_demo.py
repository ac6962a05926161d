"""The road of `make demo` as a user runs it, from the simulator's stream to the topic's subscriber."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from demo.accounts import read_sample, take_accounts
from pipeline.alerts_config import read_alerts_config
from tests.support import jetstream_messages
from tests.support.jetstream_server import JetstreamServer

SAMPLE = [Path("samples/posts_dev.jsonl"), Path("samples/posts_test.jsonl")]
DEADLINE = 120.0


class Demo:
    """One run as a process; its folder name is on the command line of what it starts, which tells them apart."""

    def __init__(self, folder: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.output = folder / "output.txt"
        command = [sys.executable, "-m", "demo", "--folder", str(folder), *arguments]
        with self.output.open("wb") as output:
            environment = {**os.environ, **(variables or {})}
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)

    def wait_for_output(self, text: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while text not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.1)

    def descendants(self) -> dict[int, str]:
        """Command lines of everything that was started by this run, by process id."""
        children: dict[int, str] = {}
        for process in psutil.process_iter():
            try:
                if process.environ().get("DEMO_RUN") == str(self.process.pid):
                    children[process.pid] = " ".join(process.cmdline())
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return children


def test_every_post_of_the_sample_is_accounted_for(tmp_path: Path) -> None:
    demo = Demo(tmp_path, "--once", "--rate", "60")
    assert demo.process.wait(DEADLINE) == 0, demo.output.read_text()
    config = read_alerts_config(Path("config/alerts.yaml"))
    accounts = take_accounts(tmp_path / "simulator.jsonl", tmp_path / "recorder.jsonl", read_sample(SAMPLE), config)
    assert len(accounts.sent_at) == 160
    assert accounts.repeats_sent == 16
    assert accounts.balanced
    assert len(accounts.due) > 30
    output = demo.output.read_text()
    assert "first alert" in output
    assert "Every post is accounted for." in output
    assert demo.descendants() == {}
    # whatever posts try, nothing but plain text reaches the terminal
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\u2066"} & set(output)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGHUP], ids=["Ctrl-C", "closed terminal"])
def test_the_end_of_the_demo_leaves_no_process_behind(tmp_path: Path, ending: signal.Signals) -> None:
    demo = Demo(tmp_path, "--rate", "5")
    demo.wait_for_output("first alert")
    assert len(demo.descendants()) >= 7
    demo.process.send_signal(ending)
    assert demo.process.wait(60) == 130, demo.output.read_text()
    assert demo.descendants() == {}
    assert "Traceback" not in demo.output.read_text()


def test_a_post_of_ones_own_reaches_the_terminal(tmp_path: Path) -> None:
    demo = Demo(tmp_path, "--rate", "200")
    try:
        demo.wait_for_output("the stream stays open")
        address = (tmp_path / "simulator_url").read_text()
        environment = {**os.environ, "TEXT": "Huge wildfire near Bellbrook, bushfire burning towards the town"}
        command = [sys.executable, "-m", "demo.post", address]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=30)
        assert json.loads(answer.stdout)["id"]
        demo.wait_for_output("Huge wildfire near Bellbrook")
    finally:
        demo.process.send_signal(signal.SIGTERM)
        # after the sample the verdict on it is the exit code
        assert demo.process.wait(60) == 0


def test_posts_of_another_source_reach_the_terminal(tmp_path: Path) -> None:
    with JetstreamServer() as bluesky:
        demo = Demo(tmp_path, "--source", "bluesky", variables={"BLUESKY_URLS": bluesky.url})
        try:
            demo.wait_for_output("posts come from bluesky")
            text = "Huge wildfire near Bellbrook, bushfire burning towards the town"
            bluesky.publish(jetstream_messages.post(1, time.time_ns() // 1000, text))
            demo.wait_for_output("Huge wildfire near Bellbrook")
        finally:
            demo.process.send_signal(signal.SIGTERM)
            assert demo.process.wait(60) == 130
    assert "simulator " not in demo.output.read_text()


def test_a_source_without_an_end_cannot_be_played_once(tmp_path: Path) -> None:
    demo = Demo(tmp_path, "--source", "bluesky", "--once")
    assert demo.process.wait(60) == 2
    assert "--once: expected --source x" in demo.output.read_text()


def test_a_service_that_dies_ends_the_demo_with_its_name(tmp_path: Path) -> None:
    demo = Demo(tmp_path, "--rate", "5")
    demo.wait_for_output("first alert")
    victim = next(pid for pid, line in demo.descendants().items() if line.endswith("bin/classifier"))
    os.kill(victim, signal.SIGKILL)
    assert demo.process.wait(60) == 1
    assert "failed: classifier ended by itself with exit code -9" in demo.output.read_text()
    assert demo.descendants() == {}


def test_a_mistake_in_the_configuration_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "alerts.yaml"
    config.write_text(Path("config/alerts.yaml").read_text().replace("desk]", "dsek]"))
    run = subprocess.run(
        [sys.executable, "-m", "demo", "--once", "--config", str(config), "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert run.returncode == 2
    assert run.stderr == (
        f"demo: {config}: routes[0].channels: expected a channel of this file (terminal, desk), got 'dsek'\n"
    )


def test_a_reader_that_has_gone_does_not_keep_the_demo_from_ending(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "demo", "--once", "--rate", "60", "--folder", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait(DEADLINE) == 1
