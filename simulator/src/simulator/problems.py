"""X's error documents (RFC 7807 problem details, as X's document "Response codes and errors" lists them)."""

from http import HTTPStatus
from typing import Any

PROBLEM_TYPE = "https://api.x.com/2/problems/"


def unauthorized() -> dict[str, Any]:
    """401 for a missing or wrong bearer token."""
    return {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}


def not_found() -> dict[str, Any]:
    """404 for a path that X does not have."""
    return {"title": "Not Found", "type": "about:blank", "status": 404, "detail": "Not Found"}


def too_many_connections() -> dict[str, Any]:
    """429 when every allowed stream is open already; not the same as a rate limit."""
    return {
        "title": "ConnectionException",
        "detail": "This stream is currently at the maximum allowed connection limit.",
        "connection_issue": "TooManyConnections",
        "type": PROBLEM_TYPE + "streaming-connection",
    }


def rate_limit() -> dict[str, Any]:
    """429 when the requests of a window are used up; the header x-rate-limit-reset says when it turns."""
    return {"title": "Too Many Requests", "type": "about:blank", "status": 429, "detail": "Too Many Requests"}


def of_status(status: int) -> dict[str, Any]:
    """Any other status, in the words of HTTP."""
    words = next((known.phrase for known in HTTPStatus if known == status), "Unknown")
    return {"title": words, "type": "about:blank", "status": status, "detail": words}


def operational_disconnect() -> dict[str, Any]:
    """A line of the stream, its last one: X's own side has lost it."""
    return {
        "errors": [
            {
                "title": "operational-disconnect",
                "disconnect_type": "UpstreamOperationalDisconnect",
                "detail": "This stream has been disconnected upstream for operational reasons.",
                "type": PROBLEM_TYPE + "operational-disconnect",
            }
        ]
    }


def not_found_beside() -> dict[str, Any]:
    """An error beside a good post: something that it refers to is gone."""
    return {
        "value": "1790000000000000009",
        "detail": "Could not find tweet with referenced_tweets.id: [1790000000000000009].",
        "title": "Not Found Error",
        "resource_type": "tweet",
        "parameter": "referenced_tweets.id",
        "resource_id": "1790000000000000009",
        "type": PROBLEM_TYPE + "resource-not-found",
    }


def invalid_request(*messages: str) -> dict[str, Any]:
    """400 for parameters or a body that X cannot take, one message for each fault."""
    return {
        "errors": [{"message": message} for message in messages],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": PROBLEM_TYPE + "invalid-request",
    }


def rule_cap(limit: int) -> dict[str, Any]:
    """400 when an addition would go past the number of rules."""
    return {
        "title": "RulesCapExceeded",
        "detail": f"Rule creation request will exceed the limit of {limit} rules.",
        "type": PROBLEM_TYPE + "rule-cap",
    }


def duplicate_rule(value: str, rule_id: str) -> dict[str, Any]:
    """An error beside the answer: a rule with this value exists under this id."""
    return {
        "value": value,
        "id": rule_id,
        "title": "DuplicateRule",
        "type": PROBLEM_TYPE + "duplicate-rules",
    }


def invalid_rule(value: str, reason: str) -> dict[str, Any]:
    """An error beside the answer: this rule was not created."""
    return {
        "value": value,
        "details": [reason],
        "title": "UnprocessableEntity",
        "type": PROBLEM_TYPE + "invalid-rules",
    }


def unknown_rule() -> dict[str, Any]:
    """An error beside the answer: nothing to delete under this id or value."""
    return invalid_request("Rule does not exist")
