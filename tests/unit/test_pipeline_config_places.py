"""Where a configuration lies: the first place that exists counts, and no trouble leads past a place."""

import os
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError
from mypy_boto3_s3 import S3Client

from pipeline.config_places import LIMIT, ConfigPlaces, read_config_file
from pipeline.errors import NotThere, Unavailable, UserMistake
from tests.support.fake_s3 import FakeS3, s3_error
from tests.support.fake_ssm import FakeSsm, ssm_error

OBJECT = "s3://config/alerts.yaml"
PARAMETER = "ssm:/tweet-alerts/alerts"


def no_client() -> S3Client:
    raise AssertionError("a client was made, though no place is in S3")


def no_ssm() -> FakeSsm:
    raise AssertionError("a client was made, though no place is in SSM")


def s3_with(content: bytes) -> FakeS3:
    s3 = FakeS3()
    s3.objects["alerts.yaml"] = content
    return s3


def places(text: str, s3: FakeS3) -> ConfigPlaces:
    return ConfigPlaces(text, lambda: s3.client, no_ssm)


def mistake_in(text: str, s3: FakeS3 | None = None) -> str:
    with pytest.raises(UserMistake) as caught:
        ConfigPlaces(text, (lambda: s3.client) if s3 else no_client, no_ssm).read()
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "alerts.yaml"
    file.write_text("the file's", encoding="utf-8")
    return file


def test_a_file_needs_no_client(file: Path) -> None:
    document = ConfigPlaces(str(file), no_client, no_ssm).read()
    assert (document.place, document.text, document.missing) == (str(file), "the file's", ())


def test_a_files_version_changes_with_its_content_only(file: Path) -> None:
    places = ConfigPlaces(str(file), no_client, no_ssm)
    # printf "the file's" | sha256sum
    assert places.read().version == "sha256 0ddba31eeb16"
    os.utime(file, (1, 1))
    assert places.read().version == "sha256 0ddba31eeb16"
    file.write_text("another", encoding="utf-8")
    assert places.read().version != "sha256 0ddba31eeb16"


def test_an_object_in_s3() -> None:
    s3 = s3_with("Überschwemmung".encode())
    s3.version_id = "v1"
    assert places(OBJECT, s3).read() == (OBJECT, "version v1", "Überschwemmung", ())


def test_a_key_may_have_folders_and_blanks() -> None:
    s3 = FakeS3()
    s3.objects["teams/news desk/alerts.yaml"] = b"text"
    assert places("'s3://config/teams/news desk/alerts.yaml'", s3).read().text == "text"


def test_the_client_is_made_once_however_often_is_read() -> None:
    made = []

    def client() -> S3Client:
        made.append(1)
        return s3.client

    s3 = s3_with(b"one")
    places = ConfigPlaces(f"s3://config/other.yaml {OBJECT}", client, no_ssm)
    assert places.read().text == "one"
    s3.objects["alerts.yaml"] = b"two"
    assert places.read().text == "two"
    assert len(made) == 1


def test_an_object_is_transferred_again_only_where_it_has_changed() -> None:
    s3 = s3_with(b"one")
    s3.version_id = "v1"
    asked = places(OBJECT, s3)
    assert [asked.read() for _ in range(3)] == [(OBJECT, "version v1", "one", ())] * 3
    assert (s3.calls, len(s3.streams)) == (3, 1)
    s3.objects["alerts.yaml"], s3.version_id = b"two", "v2"
    assert [asked.read() for _ in range(2)] == [(OBJECT, "version v2", "two", ())] * 2
    assert (s3.calls, len(s3.streams)) == (5, 2)


def test_an_object_that_cannot_be_understood_is_refused_each_time() -> None:
    s3 = s3_with(b"one")
    asked = places(OBJECT, s3)
    asked.read()
    s3.objects["alerts.yaml"] = b"\xff"
    for _ in range(2):
        with pytest.raises(UserMistake, match=r"got: not UTF-8$"):
            asked.read()
    s3.objects["alerts.yaml"] = b"one"
    assert asked.read().text == "one"


def test_an_object_that_was_gone_for_a_while_counts_again(file: Path) -> None:
    s3 = s3_with(b"one")
    asked = places(f"{OBJECT} {file}", s3)
    assert asked.read().place == OBJECT
    content = s3.objects.pop("alerts.yaml")
    assert asked.read().place == str(file)
    s3.objects["alerts.yaml"] = content
    assert asked.read() == (OBJECT, asked.read().version, "one", ())


@pytest.fixture
def ssm() -> FakeSsm:
    return FakeSsm()


def test_a_parameter_in_ssm(ssm: FakeSsm, file: Path) -> None:
    asked = ConfigPlaces(f"{PARAMETER} {file}", no_client, lambda: ssm)
    assert asked.read() == (str(file), asked.read().version, "the file's", (PARAMETER,))
    ssm.put("/tweet-alerts/alerts", "the parameter's")
    assert asked.read() == (PARAMETER, "version 1", "the parameter's", ())
    ssm.put("/tweet-alerts/alerts", "another")
    assert asked.read() == (PARAMETER, "version 2", "another", ())


def test_no_trouble_with_a_parameter_leads_on_to_the_next_place(ssm: FakeSsm, file: Path) -> None:
    asked = ConfigPlaces(f"{PARAMETER} {file}", no_client, lambda: ssm)
    ssm.faults = [ssm_error("AccessDeniedException")]
    with pytest.raises(UserMistake, match=f"^{PARAMETER}: .* got: AccessDeniedException: "):
        asked.read()
    ssm.faults = [ssm_error("ThrottlingException")]
    with pytest.raises(Unavailable, match=f"^{PARAMETER}: "):
        asked.read()
    ssm.put("/tweet-alerts/alerts", "secret", "SecureString")
    with pytest.raises(UserMistake, match=f"^{PARAMETER}: .* got: type SecureString$"):
        asked.read()


def test_the_first_place_that_exists_counts(file: Path) -> None:
    both = f"{OBJECT} {file}"
    s3 = FakeS3()
    document = places(both, s3).read()
    assert (document.place, document.text, document.missing) == (str(file), "the file's", (OBJECT,))
    s3.objects["alerts.yaml"] = b"the object's"
    document = places(both, s3).read()
    assert (document.place, document.text, document.missing) == (OBJECT, "the object's", ())


def test_a_missing_file_may_come_first_too(tmp_path: Path) -> None:
    missing = tmp_path / "none/alerts.yaml"
    document = places(f"{missing}\t {OBJECT}", s3_with(b"the object's")).read()
    assert (document.place, document.missing) == (OBJECT, (str(missing),))


def test_the_second_place_is_not_asked_for_where_the_first_exists(file: Path) -> None:
    s3 = s3_with(b"the object's")
    assert places(f"{file} {OBJECT}", s3).read().place == str(file)
    assert s3.calls == 0


@pytest.mark.parametrize(
    "error",
    [s3_error("AccessDenied", 403), s3_error("NoSuchBucket", 404), s3_error("404", 404)],
    ids=["access denied", "no bucket", "another server's 404"],
)
def test_a_mistake_never_leads_on_to_the_next_place(file: Path, error: Exception) -> None:
    s3 = FakeS3()
    s3.faults = [error]
    assert mistake_in(f"{OBJECT} {file}", s3).startswith(f"{OBJECT}: expected an object that can be read, got: ")


def test_an_outage_never_leads_on_to_the_next_place(file: Path) -> None:
    s3 = FakeS3()
    s3.faults = [EndpointConnectionError(endpoint_url="https://config.s3.amazonaws.com")]
    with pytest.raises(Unavailable, match=f"^{OBJECT}: "):
        places(f"{OBJECT} {file}", s3).read()


def test_content_that_is_no_text_never_leads_on_to_the_next_place(file: Path) -> None:
    assert mistake_in(f"{OBJECT} {file}", s3_with(b"\xff")) == f"{OBJECT}: expected a readable file, got: not UTF-8"
    assert mistake_in(f"{file.parent} {file}") == f"{file.parent}: expected a readable file, got: Is a directory"


def test_a_giant_never_leads_on_to_the_next_place(file: Path) -> None:
    large = file.with_name("large.yaml")
    large.write_bytes(b"#" * (LIMIT + 1))
    expected = f"expected at most {LIMIT} bytes, got more"
    assert mistake_in(f"{large} {file}") == f"{large}: {expected}"
    assert mistake_in(f"{OBJECT} {file}", s3_with(b"#" * (LIMIT + 1))) == f"{OBJECT}: {expected}"


def test_what_is_as_large_as_allowed_is_read(file: Path) -> None:
    file.write_bytes(b"#" * LIMIT)
    assert len(read_config_file(file).text) == LIMIT
    assert len(places(OBJECT, s3_with(b"#" * LIMIT)).read().text) == LIMIT


def test_the_only_place_tells_what_it_lacks(tmp_path: Path) -> None:
    missing = tmp_path / "alerts.yaml"
    assert mistake_in(str(missing)) == f"{missing}: expected a readable file, got: No such file or directory"
    assert mistake_in(OBJECT, FakeS3()).startswith(f"{OBJECT}: expected an object that can be read, got: NoSuchKey: ")


def test_places_of_which_none_exists_are_all_named(tmp_path: Path) -> None:
    missing = tmp_path / "alerts.yaml"
    assert mistake_in(f"{OBJECT} {missing}", FakeS3()) == (
        f"environment: ALERTS_CONFIG: expected one place that exists, got nothing at {OBJECT}, {missing}"
    )


def test_quotes_hold_a_name_with_blanks_together(tmp_path: Path) -> None:
    file = tmp_path / "my alerts.yaml"
    file.write_text("text", encoding="utf-8")
    assert ConfigPlaces(f"none.yaml '{file}'", no_client, no_ssm).read().place == str(file)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("   ", "at least one file, s3://bucket/key or ssm:/parameter, got '   '"),
        (
            "'' config/alerts.yaml",
            "at least one file, s3://bucket/key or ssm:/parameter, got \"'' config/alerts.yaml\"",
        ),
        ("it's.yaml", 'closed quotes, got "it\'s.yaml"'),
        ("s3://config", "files, s3://bucket/key or ssm:/parameter, got 's3://config'"),
        ("s3://config/", "files, s3://bucket/key or ssm:/parameter, got 's3://config/'"),
        ("s3:///alerts.yaml", "files, s3://bucket/key or ssm:/parameter, got 's3:///alerts.yaml'"),
        ("s3:/config/alerts.yaml", "files, s3://bucket/key or ssm:/parameter, got 's3:/config/alerts.yaml'"),
        ("S3://config/alerts.yaml", "files, s3://bucket/key or ssm:/parameter, got 'S3://config/alerts.yaml'"),
        ("s3://Config/alerts.yaml", "files, s3://bucket/key or ssm:/parameter, got 's3://Config/alerts.yaml'"),
        ("ssm://alerts", "files, s3://bucket/key or ssm:/parameter, got 'ssm://alerts'"),
        ("https://example.org/a.yaml", "files, s3://bucket/key or ssm:/parameter, got 'https://example.org/a.yaml'"),
    ],
)
def test_a_place_that_cannot_be_is_named_before_any_is_read(file: Path, text: str, expected: str) -> None:
    assert mistake_in(text) == f"environment: ALERTS_CONFIG: expected {expected}"
    if "'" not in text and text.strip():
        assert mistake_in(f"{file} {text}") == f"environment: ALERTS_CONFIG: expected {expected}"


def test_a_file_by_itself_tells_an_absence_from_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(NotThere):
        read_config_file(tmp_path / "none")
    with pytest.raises(UserMistake) as caught:
        read_config_file(tmp_path)
    assert not isinstance(caught.value, NotThere)
