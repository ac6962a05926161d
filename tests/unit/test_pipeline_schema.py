"""The committed JSON Schema is what the code generates."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from pipeline.contracts import Alert, Delivery, Notice, Post
from pipeline.schema import contracts_schema

COMMITTED = Path(__file__).parent.parent.parent / "docs/contracts.schema.json"


def test_the_committed_schema_is_up_to_date() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == contracts_schema(), "run `make docs`"


def test_the_command_prints_the_same_whatever_the_hash_seed() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "pipeline.schema"],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
    )
    assert printed.stdout.decode() == contracts_schema()


@pytest.mark.parametrize("message", [Post, Alert, Notice, Delivery])
def test_each_message_is_defined_with_its_required_fields(message: type[msgspec.Struct]) -> None:
    document = json.loads(contracts_schema())
    assert {"$ref": f"#/$defs/{message.__name__}"} in document["oneOf"]
    definition = document["$defs"][message.__name__]
    required = {field.encode_name for field in msgspec.structs.fields(message) if field.required}
    assert set(definition["required"]) == required | {"type"}
    assert definition["properties"]["v"] == {"const": 1}


def test_every_reference_leads_to_a_definition() -> None:
    text = contracts_schema()
    names = {line.partition("#/$defs/")[2].partition('"')[0] for line in text.splitlines() if "$ref" in line}
    assert names == set(json.loads(text)["$defs"])
