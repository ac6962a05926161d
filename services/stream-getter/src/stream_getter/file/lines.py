"""A line of a file to a Post, whichever of three shapes it has."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from pipeline.contracts import Post
from stream_getter.contract_json import NotAPost, parse_contract_post, tidied
from stream_getter.x.payload import NoPost, parse_post

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Shape(msgspec.Struct):
    post: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    text: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(_Shape)


def parse_file_line(line: bytes, received_at: datetime, new_trace_id: Callable[[], str]) -> Post:
    """The post in a line: a Post of our contract, X's payload, or either of them as ``post`` of something larger.

    Raises NotAPost.
    """
    line = line.removeprefix(_BYTE_ORDER_MARK)
    shape = _shape(line)
    if isinstance(shape.post, msgspec.Raw):
        line = bytes(shape.post)
        shape = _shape(line)
    if isinstance(shape.text, msgspec.Raw) and not isinstance(shape.data, msgspec.Raw):
        return parse_contract_post(line, "file", received_at, new_trace_id)
    try:
        post = parse_post(line, received_at, new_trace_id())
    except NoPost as reason:
        raise NotAPost("no post", str(reason)) from reason
    return tidied(post, "file", received_at, new_trace_id)


def _shape(line: bytes) -> _Shape:
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Shape()  # X's parser repairs some, and says what is wrong with the others
    except RecursionError as error:
        raise NotAPost("nested too deeply") from error
