"""What a service's manifest comes to in one environment."""

from collections.abc import Mapping
from typing import Any

_SCALING = {"range", "cooldown", "cpu_percentage", "memory_percentage", "requests", "response_time"}
#: Where one of a pair overrides, the other goes, though it is not named (Copilot's Go package manifest, transform.go).
_EITHER_OR = (
    ({"build"}, {"location"}),
    ({"spot"}, _SCALING),
    ({"from_cfn"}, {"secretsmanager"}),
)


def overridden(base: Any, override: Any) -> Any:
    """The value that Copilot makes of both: mappings key by key, anything else replaced as a whole."""
    if override is None:
        return base
    if not isinstance(base, Mapping) or not isinstance(override, Mapping):
        return override
    gone: set[str] = set()
    for one, other in _EITHER_OR:
        gone |= (other if one & override.keys() else set()) | (one if other & override.keys() else set())
    kept = {key: value for key, value in base.items() if key not in gone}
    return kept | {key: overridden(kept.get(key), value) for key, value in override.items()}
