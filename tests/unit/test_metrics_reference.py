"""docs/metrics.md is what the code exports; a live comparison with running services is in tests/e2e."""

from pathlib import Path

from monitoring.metrics_reference import reference


def test_the_committed_page_is_what_the_code_generates() -> None:
    assert Path("docs/metrics.md").read_text() == reference(), "run: make docs"


def test_metrics_follow_the_naming_conventions_of_prometheus() -> None:
    for line in reference().splitlines():
        if not line.startswith("| `"):
            continue
        name, kind = (cell.strip(" `") for cell in line.split("|")[1:3])
        assert name.endswith("_total") is (kind == "counter"), line
        assert not name.endswith(("_ms", "_seconds_seconds", "_count", "_sum")), line
