"""X's payloads as no document describes them, for Hypothesis: sample payloads with something wrong in each."""

import copy
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

_SAMPLES = Path(__file__).resolve().parents[2] / "samples"
_POOL = 300
PAYLOADS = [json.loads(line)["post"] for line in (_SAMPLES / "posts_dev.jsonl").read_bytes().splitlines()]

any_text = st.text(st.characters(exclude_categories=()), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def changed_payloads(draw: st.DrawFn) -> bytes:
    """A sample payload in which some values are replaced or left out."""
    payload = copy.deepcopy(draw(st.sampled_from(PAYLOADS)))
    for _ in range(draw(st.integers(1, 4))):
        parent, key = draw(st.sampled_from(places(payload) or [({"data": None}, "data")]))
        if draw(st.booleans()):
            parent[key] = draw(json_values)
        else:
            del parent[key]
    return json.dumps(payload, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")


@st.composite
def damaged_lines(draw: st.DrawFn) -> bytes:
    """A sample line in which some bytes are replaced, or which is cut."""
    line = json.dumps(draw(st.sampled_from(PAYLOADS))).encode()
    at = draw(st.integers(0, len(line)))
    gone = draw(st.integers(0, 5) | st.just(len(line)))
    return line[:at] + draw(st.binary(max_size=6)) + line[at + gone :]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key or index) in a document."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


def many_lines(count: int, number: int) -> list[bytes]:
    """So many lines at once, the same for the same seed ``number``: to be sent in bulk, not one a test run.

    Hypothesis makes the values, which takes it a millisecond each; a random generator puts them into payloads.
    """
    values: list[tuple[Any, bytes]] = []

    @seed(number)
    @settings(
        max_examples=_POOL, phases=[Phase.generate], database=None, deadline=None, suppress_health_check=[*HealthCheck]
    )
    @given(st.tuples(json_values, st.binary(max_size=6)))
    def collect(value: tuple[Any, bytes]) -> None:
        values.append(value)

    collect()
    rng = random.Random(number)
    return [_changed(rng, values) if rng.random() < 0.5 else _damaged(rng, values) for _ in range(count)]


def _changed(rng: random.Random, values: Sequence[tuple[Any, bytes]]) -> bytes:
    payload = copy.deepcopy(rng.choice(PAYLOADS))
    for _ in range(rng.randint(1, 4)):
        parent, key = rng.choice(places(payload) or [({"data": None}, "data")])
        if rng.random() < 0.5:
            parent[key] = copy.deepcopy(rng.choice(values)[0])
        else:
            del parent[key]
    return json.dumps(payload, ensure_ascii=rng.random() < 0.5).encode(errors="surrogatepass")


def _damaged(rng: random.Random, values: Sequence[tuple[Any, bytes]]) -> bytes:
    line = json.dumps(rng.choice(PAYLOADS)).encode()
    at = rng.randint(0, len(line))
    gone = rng.choice([*range(6), len(line)])
    return line[:at] + rng.choice(values)[1] + line[at + gone :]
