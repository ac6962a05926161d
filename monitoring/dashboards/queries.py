"""PromQL that several pages need. Sums go over all tasks of a service."""

#: The queues that carry posts, and those that nothing should be in.
WORKING = 'queue!~".+-dlq"'
DEAD = 'queue=~".+-dlq"'

#: What a figure of this moment looks back on.
RECENTLY = "5m"


def rate(counter: str, by: str = "", window: str = "$__rate_interval") -> str:
    """Per second; ``counter`` is the metric with its selector, ``by`` the label that is kept."""
    return f"sum{_by(by)} (rate({counter}[{window}]))"


def quantile(share: float, histogram: str, by: str = "", window: str = "$__rate_interval") -> str:
    """The value that ``share`` of a histogram's observations do not exceed; ``histogram`` may have a selector."""
    name, brace, selector = histogram.partition("{")
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, sum by ({labels}) (rate({name}_bucket{brace}{selector}[{window}])))"


def share(part: str, whole: str, window: str = RECENTLY) -> str:
    """The share of ``whole`` that is not ``part``; 1 where no part has been seen, nothing where no whole has."""
    return f"1 - (sum(rate({part}[{window}])) or vector(0)) / sum(rate({whole}[{window}]))"


def depth(selector: str, by: str = "") -> str:
    """Messages in queues. Each task of a service reports its queues, so the largest figure stands for them all."""
    return f"sum{_by(by)} (max by (queue, state) (queue_depth{{{selector}}}))"


def _by(label: str) -> str:
    return f" by ({label})" if label else ""
