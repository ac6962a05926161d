"""From scores to labels: which of them pass."""

from collections.abc import Mapping
from datetime import datetime

from classifier.endpoint import Scores
from pipeline.contracts import VERSION, Alert, LabelScore, Post


def judged_text(post: Post) -> str:
    """What the model reads of a post: its own words, then those that it quotes."""
    return f"{post.text}\n{post.quoted_text}" if post.quoted_text else post.text


def alert_for(post: Post, scores: Scores, thresholds: Mapping[str, float], model: str, now: datetime) -> Alert | None:
    """The alert that these scores make; None where no label reaches its threshold."""
    ranked = [
        LabelScore(name=name, score=round(score, 4))
        for name, score in sorted(scores.items(), key=lambda item: -item[1])
    ]
    passed = [label for label in ranked if scores[label.name] >= thresholds[label.name]]
    if not passed:
        return None
    return Alert(v=VERSION, post=post, labels=passed, scores=ranked, model=model, classified_at=now)
