"""Answers of an endpoint that make no sense, though their status is 200; and one that makes sense in another shape."""

import json
from typing import Any

from tests.support.endpoint_stand_in import Altered

_Answers = list[dict[str, Any]]


def _encoded(answers: object) -> bytes:
    return json.dumps(answers).encode()


def _scores(answers: _Answers, score: object) -> bytes:
    """All scores of the last answer are this one."""
    *others, last = answers
    return _encoded([*others, {**last, "scores": [score for _ in last["scores"]]}])


def _without_the_best_label(answers: _Answers) -> bytes:
    *others, last = answers
    return _encoded([*others, {**last, "labels": last["labels"][1:], "scores": last["scores"][1:]}])


#: The JSON ends in the middle.
BROKEN_JSON = Altered(lambda answers: _encoded(answers)[:-5])
#: As Python writes it, which is no JSON.
NAN = Altered(lambda answers: _scores(answers, float("nan")))
ABOVE_ONE = Altered(lambda answers: _scores(answers, 1.5))
MISSING_LABEL = Altered(_without_the_best_label)
ONE_ANSWER_TOO_FEW = Altered(lambda answers: _encoded(answers[:-1]))
ERROR_WITH_200 = Altered(lambda _answers: _encoded({"error": "CUDA out of memory"}))
#: As an older toolkit answers a list of one: this makes sense.
BARE_OBJECT = Altered(lambda answers: _encoded(answers[0] if len(answers) == 1 else answers))
