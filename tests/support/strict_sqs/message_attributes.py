"""Rules, size and MD5 sum of message attributes (SQS Developer Guide: "Amazon SQS message metadata")."""

import hashlib
import re
import struct
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.support.strict_sqs.errors import SqsError, invalid_parameter
from tests.support.strict_sqs.limits import ATTRIBUTE_NAME_LENGTH, ATTRIBUTES

Attributes = Mapping[str, Mapping[str, Any]]

_REFUSED = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_RESERVED = ("aws.", "amazon.")
_TYPE = re.compile(r"(String|Number|Binary)(\..+)?", re.DOTALL)
_LONGEST_NUMBER = 38


def has_refused_characters(text: str) -> bool:
    """Whether SQS would refuse the text (SQS API Reference: SendMessage, the characters that are allowed)."""
    return _REFUSED.search(text) is not None


def encoded(text: str) -> bytes:
    """UTF-8; a lone surrogate, which SQS refuses, is no error here."""
    return text.encode(errors="surrogatepass")


def size(attributes: Attributes) -> int:
    """Bytes that count towards a message's size: of each attribute its name, its type and its value."""
    return sum(len(encoded(name)) + len(encoded(a["DataType"])) + len(_value(a)) for name, a in attributes.items())


def check(attributes: Attributes) -> None:
    """Raises SqsError for the first rule that is broken."""
    if len(attributes) > ATTRIBUTES:
        raise invalid_parameter(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{ATTRIBUTES}]."
        )
    for name, attribute in attributes.items():
        _check_name(name)
        _check_value(name, attribute)


def md5(attributes: Attributes) -> str:
    """The sum in hexadecimal (the same guide: "Calculating the MD5 message digest for message attributes")."""
    if not attributes:
        return ""
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        attribute = attributes[name]
        kind = encoded(attribute["DataType"])
        for part in (encoded(name), kind):
            digest.update(struct.pack("!I", len(part)) + part)
        value = _value(attribute)
        digest.update(b"\x02" if kind.startswith(b"Binary") else b"\x01")
        digest.update(struct.pack("!I", len(value)) + value)
    return digest.hexdigest()


def chosen(attributes: Attributes, names: list[str]) -> dict[str, dict[str, Any]]:
    """Those that a receive asked for: ``All``, ``.*``, a prefix with ``.*``, or names."""
    if not names or not attributes:
        return {}
    if "All" in names or ".*" in names:
        return {name: dict(value) for name, value in attributes.items()}
    prefixes = tuple(name[:-2] for name in names if name.endswith(".*"))
    return {name: dict(value) for name, value in attributes.items() if name in names or name.startswith(prefixes)}


def _value(attribute: Mapping[str, Any]) -> bytes:
    if attribute["DataType"].startswith("Binary"):
        return bytes(attribute.get("BinaryValue", b""))
    return encoded(attribute.get("StringValue", ""))


def _check_name(name: str) -> None:
    if len(name) > ATTRIBUTE_NAME_LENGTH:
        raise invalid_parameter("Message (user) attribute names must be shorter than 256 Bytes")
    if not _NAME.fullmatch(name):
        raise invalid_parameter(
            "Message (user) attributes name can only contain upper and lower score characters, digits, periods, "
            "hyphens and underscores."
        )
    if name.lower().startswith(_RESERVED) or name.startswith(".") or name.endswith(".") or ".." in name:
        raise invalid_parameter(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved "
            "for internal use. Additionally, they cannot start or end with '.', or have two of them in succession."
        )


def _check_value(name: str, attribute: Mapping[str, Any]) -> None:
    if "StringListValues" in attribute or "BinaryListValues" in attribute:
        raise SqsError("UnsupportedOperation", f"List values of message attribute '{name}' are not supported.")
    kind = attribute["DataType"]
    if not _TYPE.fullmatch(kind) or len(kind) > ATTRIBUTE_NAME_LENGTH:
        raise invalid_parameter(
            f"The type of message (user) attribute '{name}' is invalid. "
            'You must use only the following supported type prefixes: "String", "Number", "Binary".'
        )
    logical = kind.split(".")[0]
    wanted, other = ("BinaryValue", "StringValue") if logical == "Binary" else ("StringValue", "BinaryValue")
    if not attribute.get(wanted) or other in attribute:
        raise invalid_parameter(
            f"Message (user) attribute '{name}' must contain a non-empty value of type '{logical}'."
        )
    if wanted == "StringValue" and has_refused_characters(attribute[wanted]):
        raise invalid_parameter(f"Invalid characters found in the value of message (user) attribute '{name}'.")
    if logical == "Number" and not _is_number(attribute[wanted]):
        raise invalid_parameter(f"Can't cast the value of message (user) attribute '{name}' to a number.")


def _is_number(text: str) -> bool:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return False
    return number.is_finite() and len(number.as_tuple().digits) <= _LONGEST_NUMBER
