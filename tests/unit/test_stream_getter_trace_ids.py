"""Trace ids: each another, from any number of threads."""

import os
import threading

from stream_getter.trace_ids import TraceIds


def test_ids_are_32_hexadecimal_digits_of_the_random_bytes() -> None:
    asked: list[int] = []

    def counting(count: int) -> bytes:
        asked.append(count)
        return b"".join(number.to_bytes(16, "big") for number in range(count // 16))

    new_trace_id = TraceIds(counting)
    ids = {new_trace_id() for _ in range(256)}
    assert ids == {f"{number:032x}" for number in range(256)}
    assert asked == [4096]
    new_trace_id()
    assert asked == [4096, 4096]


def test_no_two_threads_get_the_same() -> None:
    new_trace_id = TraceIds(os.urandom)
    ids: list[list[str]] = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda mine: mine.extend(new_trace_id() for _ in range(2000)), args=(each,))
        for each in ids
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id_ for each in ids for id_ in each}) == 8000
