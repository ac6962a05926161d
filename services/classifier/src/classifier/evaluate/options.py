"""What `classifier evaluate` was asked for, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from classifier.evaluate.goal import Goal

#: Posts a label that are shown among those that went most wrong, if the user has not said.
WORST = 3


class Output(StrEnum):
    """What is printed."""

    TABLE = "table"
    JSON = "json"
    PROPOSAL = "proposal"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """``config`` and ``compare`` are places as ALERTS_CONFIG names them, None without; ``timeout`` is in seconds."""

    file: str
    config: str | None = None
    output: Output = Output.TABLE
    html: str | None = None
    goal: Goal = field(default_factory=Goal)
    labels_as: Mapping[str, str] = field(default_factory=dict)
    worst: int = WORST
    with_examples: bool = False
    compare: str | None = None
    compare_endpoint: str | None = None
    timeout: float | None = None

    @property
    def compares(self) -> bool:
        """Whether there is a second trial."""
        return self.compare is not None or self.compare_endpoint is not None
