"""Lock files hold every package by hash, name no index, and agree with each other."""

import re
from pathlib import Path

import pytest

LOCKS = sorted(Path("requirements").glob("*.lock"))
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)(?: ; (.+?))? \\$", re.MULTILINE)


def _pins(lock: Path) -> set[tuple[str, str]]:
    return {(name, version) for name, version, _ in PIN.findall(lock.read_text())}


def test_there_is_one_for_each_image_and_one_for_development() -> None:
    names = {lock.stem for lock in LOCKS}
    images = {"stream-getter", "classifier", "notifier", "model", "model-transformers", "simulator"}
    assert names == {"bootstrap", "development"} | images


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_package_is_pinned_with_hashes(lock: Path) -> None:
    text = lock.read_text()
    requirements = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(requirements) == len(PIN.findall(text)) > 0
    assert text.count("--hash=sha256:") >= len(requirements)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_no_index_is_named(lock: Path) -> None:
    assert "://" not in lock.read_text()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_images_run_what_development_tests(lock: Path) -> None:
    development = _pins(Path("requirements/development.lock"))
    if lock.stem == "model-transformers":  # development can do without: see `make transformers`
        both = {name for name, _ in development}
        assert {pin for pin in _pins(lock) if pin[0] in both} <= development
    else:
        assert _pins(lock) <= development


def test_the_model_with_transformers_has_what_it_has_without() -> None:
    assert _pins(Path("requirements/model.lock")) < _pins(Path("requirements/model-transformers.lock"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_what_the_overrides_knock_out_is_nowhere(lock: Path) -> None:
    extra = lock.stem == "model-transformers"
    overrides = Path(f"requirements/overrides{'-transformers' if extra else ''}.txt").read_text()
    for name in re.findall(r"^([a-z0-9-]+) ;", overrides, re.MULTILINE):
        assert not re.search(rf"^{name}==", lock.read_text(), re.MULTILINE)
