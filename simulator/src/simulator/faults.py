"""Faults on demand: what can be said of one, and how a mistake in it is told."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import msgspec

from simulator.settings import Mistake

OVERLONG_BYTES = 5 * 1024 * 1024
MAX_BYTES = 64 * 1024 * 1024
MAX_SECONDS = 86_400
MAX_TIMES = 100_000

_Count = Annotated[int, msgspec.Meta(ge=1, le=MAX_TIMES, title=f"a whole number from 1 to {MAX_TIMES}")]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=MAX_SECONDS, title=f"a number from 0 to {MAX_SECONDS}")]
_Name = Annotated[str, msgspec.Meta(min_length=1)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault. `what` is a key of KINDS, which says where it may act and which other keys it knows.

    With `attempts` it acts on so many connection attempts; otherwise on a stream, the open one or the next, once
    `after_posts` more posts were sent on it. `seconds` is what the kind makes of it; None is the kind's default.
    """

    what: str
    attempts: Annotated[_Count | None, msgspec.Meta(title=f"a whole number from 1 to {MAX_TIMES}")] = None
    after_posts: Annotated[int, msgspec.Meta(ge=0, title="a whole number from 0 up")] = 0
    times: _Count = 1
    seconds: Annotated[_Seconds | None, msgspec.Meta(title=f"a number from 0 to {MAX_SECONDS}")] = None
    status: Annotated[int, msgspec.Meta(ge=300, le=599, title="an HTTP status from 300 to 599")] = 503
    bytes: Annotated[int, msgspec.Meta(ge=100, le=MAX_BYTES, title=f"a whole number from 100 to {MAX_BYTES}")] = (
        OVERLONG_BYTES
    )
    fields: Annotated[tuple[_Name, ...], msgspec.Meta(min_length=1, title="a list of names of data's fields")] = (
        "author_id",
        "created_at",
        "edit_history_tweet_ids",
    )


class Kind(NamedTuple):
    """Where a fault may act, which keys it knows, and whether it needs a post to act on."""

    on_attempts: bool
    on_streams: bool
    keys: frozenset[str] = frozenset()
    needs_post: bool = False


def _on_attempt(*keys: str) -> Kind:
    return Kind(on_attempts=True, on_streams=False, keys=frozenset(keys))


def _on_both(*keys: str) -> Kind:
    return Kind(on_attempts=True, on_streams=True, keys=frozenset(keys))


def _on_stream(*keys: str) -> Kind:
    return Kind(on_attempts=False, on_streams=True, keys=frozenset(keys))


def _on_post(*keys: str) -> Kind:
    return Kind(on_attempts=False, on_streams=True, keys=frozenset(keys), needs_post=True)


KINDS: Mapping[str, Kind] = {
    "rate-limit": _on_attempt("seconds"),
    "too-many-connections": _on_attempt(),
    "status": _on_attempt("status"),
    "html-page": _on_attempt(),
    "no-stream": _on_attempt(),
    "gzip": _on_attempt(),
    "stall": _on_both("seconds"),
    "reset": _on_both(),
    "end": _on_both(),
    "operational-disconnect": _on_stream(),
    "unknown-message": _on_stream("times"),
    "malformed": _on_stream("times"),
    "overlong": _on_stream("times", "bytes"),
    "ghost": Kind(on_attempts=False, on_streams=False, keys=frozenset({"times"})),
    "cut": _on_post(),
    "half-line": _on_post(),
    "slow": _on_post("times", "seconds"),
    "duplicates": _on_post("times"),
    "disorder": _on_post("times"),
    "partial-errors": _on_post("times"),
    "missing-fields": _on_post("times", "fields"),
}
_FIELDS = {field.name: field for field in msgspec.structs.fields(Fault)}


def decode_faults(document: bytes) -> list[Fault]:
    """The faults of a JSON document, an object or a list of them. Raises Mistake, one line that names the key."""
    try:
        decoded = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Mistake(f"faults: expected JSON, found: {error}") from error
    return read_faults(decoded if isinstance(decoded, list) else [decoded])


def read_faults(values: list[Any]) -> list[Fault]:
    """The faults of decoded objects. Raises Mistake, one line that names the fault's number and its key."""
    return [_fault(value, f"fault {number}") for number, value in enumerate(values, start=1)]


def _fault(value: Any, name: str) -> Fault:
    if isinstance(value, Fault):
        value = msgspec.to_builtins(value)
    if not isinstance(value, Mapping):
        raise Mistake(f"{name}: expected an object, found {_shown(value)}")
    what = value.get("what")
    kind = KINDS.get(what) if isinstance(what, str) else None
    if kind is None:
        raise Mistake(f"{name}: what: expected one of {', '.join(KINDS)}, found {_shown(what)}")
    places = [key for key, good in (("attempts", kind.on_attempts), ("after_posts", kind.on_streams)) if good]
    known = {"what", *places, *kind.keys}
    for key, given in value.items():
        if key not in known:
            raise Mistake(f"{name}: {_shown(key)}: expected only {', '.join(sorted(known))} with {what}")
        if key != "what":
            _check(name, key, given)
    if "attempts" in value and "after_posts" in value:
        raise Mistake(f"{name}: attempts: expected either attempts or after_posts, found both")
    fault = msgspec.convert(dict(value), Fault)
    if kind.on_attempts and not kind.on_streams and fault.attempts is None:
        return msgspec.structs.replace(fault, attempts=1)
    return fault


def _check(name: str, key: str, value: Any) -> None:
    annotation = _FIELDS[key].type
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError as error:
        raise Mistake(f"{name}: {key}: expected {_expected(annotation)}, found {_shown(value)}") from error


def _expected(annotation: Any) -> str:
    title = next((meta.title for meta in annotation.__metadata__ if meta.title), None)
    return title or "another type"


def _shown(value: Any) -> str:
    return repr(value)[:100]
