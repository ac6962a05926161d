"""`python -m pipeline.schema` prints the JSON Schema of the messages, generated from `pipeline.contracts`."""

import inspect
import json
import sys

import msgspec

from pipeline.contracts import VERSION, Alert, Delivery, Notice, Post

_MESSAGES = (Post, Alert, Notice, Delivery)


def contracts_schema() -> str:
    """One document: any of the messages, and under $defs each of them and what they are made of."""
    references, definitions = msgspec.json.schema_components(_MESSAGES, ref_template="#/$defs/{name}")
    for definition in definitions.values():
        # Python 3.13 takes the indentation out of docstrings, older ones leave it in
        definition["description"] = inspect.cleandoc(definition["description"])
    for message in _MESSAGES:
        definitions[message.__name__]["properties"]["v"] = {"const": VERSION}  # a check of the code, not of the types
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The messages of tweet-alerts",
        "description": "Generated from libs/pipeline/src/pipeline/contracts.py by `make docs`.",
        "oneOf": list(references),
        "$defs": definitions,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(contracts_schema())
