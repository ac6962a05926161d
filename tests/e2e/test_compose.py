"""The whole system in containers: it comes up, posts get through, parts may stop or die, and nothing is lost."""

import random
import re
import subprocess
import time
from functools import partial

import pytest

from tests.support.compose_system import SERVICES, ComposeSystem, eventually
from tests.support.load import DUE, Load, load, service_metrics

EVERY_PART = (*SERVICES, "model", "simulator", "localstack", "prometheus", "alertmanager")
#: A killed part's messages come back when their invisibility ends (60 s).
AFTER_A_KILL = 150.0


def all_accounted_for(system: ComposeSystem, running: Load, seconds: float) -> None:
    assert running.due
    # the witness at the entrance agrees that these were on the stream
    assert {*running.due, *running.not_due} <= system.sent()
    system.wait_until_notified(running.due, seconds)
    assert not system.notified.keys() & set(running.not_due)


def test_everything_is_healthy_after_up(system: ComposeSystem) -> None:
    assert [part for part in EVERY_PART if not system.healthy([part])] == []


def test_an_alert_reaches_a_receiver(system: ComposeSystem) -> None:
    with load(system, "first") as running:
        running.wait_for_more(5)
    all_accounted_for(system, running, 60)
    repeats = {id_ for id_ in running.due if system.notified[id_] > 1}
    assert not repeats


def test_parts_that_are_stopped_in_turn_lose_nothing(system: ComposeSystem) -> None:
    with load(system, "terminated") as running:
        for part in (*SERVICES, "model"):
            running.wait_for_more(5)
            (container,) = system.container_ids(part)
            system.docker("stop", "--timeout", "30", part)
            # what it was at is known to its log alone, which is gone with the system
            assert system.inspect(container)["State"]["ExitCode"] == 0, system.docker("logs", "--tail", "60", part)
            system.docker("start", part)
    all_accounted_for(system, running, AFTER_A_KILL)


def test_parts_that_are_killed_at_random_moments_lose_nothing(system: ComposeSystem) -> None:
    moments = random.Random(3)
    parts = [*SERVICES, "model"]
    moments.shuffle(parts)
    with load(system, "killed") as running:
        for part in parts:
            running.wait_for_more(5)
            time.sleep(moments.uniform(0.0, 1.0))
            system.docker("kill", "--signal", "SIGKILL", part)
            system.docker("start", part)
    all_accounted_for(system, running, AFTER_A_KILL)


def test_three_classifiers_share_the_work(system: ComposeSystem) -> None:
    system.docker("up", "--detach", "--wait", "--no-recreate", "--scale", "classifier=3")
    try:
        with load(system, "shared") as running:

            def all_have_judged() -> bool:
                return all(judged > 0 for judged in judged_by_each(system, 3))

            eventually(all_have_judged, 90, lambda: str(judged_by_each(system, 3)))
        all_accounted_for(system, running, 60)
    finally:
        system.docker("up", "--detach", "--wait", "--no-recreate", "--scale", "classifier=1")


def judged_by_each(system: ComposeSystem, replicas: int) -> list[float]:
    totals = []
    for index in range(1, replicas + 1):
        text = service_metrics(system, "classifier", index)
        judged = [line for line in text.splitlines() if line.startswith("classifier_posts_judged_total{")]
        totals.append(sum(float(line.rsplit(" ", 1)[1]) for line in judged))
    return totals


def test_a_threshold_that_is_changed_counts_without_a_restart(system: ComposeSystem) -> None:
    before = system.config.read_text()
    began = [system.inspect(container)["State"]["StartedAt"] for container in system.container_ids("classifier")]
    try:
        system.put_config(re.sub("threshold: .*", "threshold: 1", before))
        wait_for_reloads(system, 1)
        kept_back = [system.post(DUE.format(f"while thresholds are at 1, {number}")) for number in range(5)]
        wait_for_more_judged(system)
    finally:
        system.put_config(before)
    wait_for_reloads(system, 2)
    told = [system.post(DUE.format(f"after thresholds were put back, {number}")) for number in range(5)]
    system.wait_until_notified(told, 60)
    assert not system.notified.keys() & set(kept_back)
    assert began == [
        system.inspect(container)["State"]["StartedAt"] for container in system.container_ids("classifier")
    ]


def wait_for_reloads(system: ComposeSystem, count: int) -> None:
    line = f'config_reloads_total{{outcome="applied"}} {count:.1f}\n'
    for service in ("classifier", "notifier"):
        eventually(lambda of=service: line in service_metrics(system, of), 60, partial(str, service))  # type: ignore[misc]


def wait_for_more_judged(system: ComposeSystem) -> None:
    """Until so many posts have been judged that those which had been sent before are among them."""
    (before,) = judged_by_each(system, 1)
    eventually(lambda: judged_by_each(system, 1)[0] >= before + 20, 60)


@pytest.mark.parametrize("part", [*SERVICES, "model", "simulator"])
def test_an_image_runs_as_a_plain_user_on_a_read_only_file_system(system: ComposeSystem, part: str) -> None:
    assert system.docker("exec", "-T", part, "id", "-u").strip() != "0"
    for path in ("/probe", "/app/probe", "/opt/venv/probe", "/etc/probe"):
        with pytest.raises(AssertionError, match="Read-only file system"):
            system.docker("exec", "-T", part, "touch", path)


@pytest.mark.parametrize("part", EVERY_PART)
def test_a_container_has_no_more_rights_than_it_needs(system: ComposeSystem, part: str) -> None:
    (container,) = system.container_ids(part)
    host = system.inspect(container)["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["CapAdd"] in (None, [])
    assert host["ReadonlyRootfs"] is True
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    for bindings in (host["PortBindings"] or {}).values():
        assert all(binding["HostIp"] == "127.0.0.1" for binding in bindings)


def test_the_token_shows_nowhere(system: ComposeSystem, bearer_token: str) -> None:
    assert bearer_token not in system.docker("logs", "--no-color")
    for part in EVERY_PART:
        for container in system.container_ids(part):
            description = run("docker", "inspect", container)
            assert bearer_token not in description
            image = system.inspect(container)["Image"]
            assert bearer_token not in run("docker", "history", "--no-trunc", image)
            assert bearer_token not in run("docker", "inspect", image)
    for part in (*SERVICES, "model", "simulator"):
        # the image's own files; the secret itself is mounted below /run
        found = system.docker("exec", "-T", part, "sh", "-c", f"grep -rlF {bearer_token} /app /opt /etc /tmp || true")
        assert found == ""


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_no_build_tools_are_left_in_an_image(system: ComposeSystem) -> None:
    for part in (*SERVICES, "model", "simulator"):
        left = (
            "for tool in gcc cc g++ make; do command -v $tool; done; ls -d /root/.cache /opt/venv/bin/pip 2>/dev/null"
        )
        assert system.docker("exec", "-T", part, "sh", "-c", f"{left}; true") == ""


def test_the_system_recovers_from_a_restart_of_the_emulator_and_of_the_simulator(system: ComposeSystem) -> None:
    for part in ("simulator", "localstack"):
        system.docker("restart", "--timeout", "5", part)
        eventually(lambda: system.healthy(EVERY_PART), 90)
    # the emulator keeps no state: queues and topic are made anew by itself, this subscription is the test's
    system.subscribe_receiver()
    with load(system, "recovered") as running:
        running.wait_for_more(5)
    all_accounted_for(system, running, 90)
