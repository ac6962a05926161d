"""The command line of `pipeline dead-letters`: what is understood, and each mistake in one line."""

import pytest

from pipeline.dead_letters.arguments import options_from
from pipeline.dead_letters.options import ListOptions, PurgeOptions, RedriveOptions, ShowOptions
from pipeline.dead_letters.selection import Selection
from pipeline.errors import UserMistake


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("list", ListOptions()),
        ("list alerts --json", ListOptions(queue="alerts", json=True)),
        ("list --env test", ListOptions(prefix="tweet-alerts-test-")),
        ("list --prefix mine-", ListOptions(prefix="mine-")),
        ("list --visibility 60", ListOptions(visibility=60)),
        ("show posts abc", ShowOptions(queue="posts", message_id="abc")),
        ("show posts --first 3 --json", ShowOptions(queue="posts", first=3, json=True)),
        ("redrive posts", RedriveOptions(queue="posts", rate=20)),
        ("redrive posts --rate 5/s --limit 7 --yes", RedriveOptions(queue="posts", rate=5, limit=7, yes=True)),
        ("redrive posts --rate 5 --dry-run", RedriveOptions(queue="posts", rate=5, dry_run=True)),
        ("redrive posts --rate unlimited", RedriveOptions(queue="posts", rate=None)),
        ("redrive posts --by-server --rate 500/s", RedriveOptions(queue="posts", rate=500, by_server=True)),
        (
            "redrive deliveries --reason HTTP --service notifier --older-than 10m --newer-than 2d",
            RedriveOptions(
                queue="deliveries",
                rate=20,
                selection=Selection(reason="HTTP", service="notifier", older_than=600.0, newer_than=172_800.0),
            ),
        ),
        ("purge alerts --older-than 90s", PurgeOptions(queue="alerts", selection=Selection(older_than=90.0))),
        ("purge alerts --newer-than 3h", PurgeOptions(queue="alerts", selection=Selection(newer_than=10_800.0))),
    ],
)
def test_what_is_understood(line: str, options: object) -> None:
    assert options_from(["dead-letters", *line.split()]) == options


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "the following arguments are required: COMMAND"),
        ("lst", "invalid choice: 'lst'"),
        ("list letters", "argument QUEUE: invalid choice: 'letters' (choose from "),
        ("list --env test --prefix mine-", "argument --prefix: not allowed with argument --env"),
        ("list --env=", "argument --env: expected a text that is not empty"),
        ("list --visibility 4", "argument --visibility: expected whole seconds from 5 to 43,200, got '4'"),
        ("list --visibility 43201", "expected whole seconds from 5 to 43,200, got '43201'"),
        ("show posts", "one of the arguments MESSAGE_ID --first is required"),
        ("show posts abc --first 2", "not allowed with argument"),
        ("show posts --first 101", "argument --first: expected a whole number from 1 to 100, got '101'"),
        ("show posts --first 0", "expected a whole number from 1 to 100, got '0'"),
        ("redrive", "the following arguments are required: QUEUE"),
        ("redrive posts --rate 0/s", "expected messages a second such as 20/s, or unlimited, got '0/s'"),
        ("redrive posts --rate 1.5/s", "expected messages a second such as 20/s, or unlimited, got '1.5/s'"),
        ("redrive posts --rate fast", "expected messages a second such as 20/s, or unlimited, got 'fast'"),
        ("redrive posts --limit -1", "argument --limit: expected a whole number from 1 up, got '-1'"),
        ("redrive posts --limit ²", "expected a whole number from 1 up, got '²'"),
        (
            "redrive posts --older-than 10",
            "argument --older-than: expected a time such as 90s, 10m, 2h or 3d, got '10'",
        ),
        ("redrive posts --older-than m", "expected a time such as 90s, 10m, 2h or 3d, got 'm'"),
        ("redrive posts --reason=", "argument --reason: expected a text that is not empty"),
        ("redrive posts --by-server --limit 1", "--by-server: expected no filter, --limit or --dry-run beside it"),
        ("redrive posts --by-server --dry-run", "--by-server: expected no filter, --limit or --dry-run beside it"),
        ("redrive posts --by-server --reason x", "--by-server: expected no filter, --limit or --dry-run beside it"),
        ("redrive posts --by-server --rate 501/s", "--rate: expected 500/s at most, or unlimited, with --by-server"),
        ("purge posts --rate 5/s", "unrecognized arguments: --rate 5/s"),
        ("purge posts --ye", "unrecognized arguments: --ye"),
    ],
)
def test_a_mistake_is_one_line(line: str, told: str) -> None:
    with pytest.raises(UserMistake) as mistake:
        options_from(["dead-letters", *line.split()])
    assert told in str(mistake.value)
    assert len(str(mistake.value).splitlines()) == 1


def test_no_command_at_all_is_a_mistake() -> None:
    with pytest.raises(UserMistake, match="required: COMMAND"):
        options_from([])


@pytest.mark.parametrize("command", ["list", "show", "redrive", "purge"])
def test_each_command_tells_of_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        options_from(["dead-letters", command, "--help"])
    assert end.value.code == 0
    assert f"usage: pipeline dead-letters {command}" in capsys.readouterr().out
