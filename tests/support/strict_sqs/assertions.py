"""What tests ask of an error that SQS's client raises."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError


@contextmanager
def refused(code: str, text: str = "") -> Iterator[None]:
    """Expects boto3's error with this code, as boto3 shows it, and ``text`` in its message."""
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response["Error"]["Code"] == code
    assert text in caught.value.response["Error"]["Message"]
