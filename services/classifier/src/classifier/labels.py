"""The labels of one configuration: which of them are asked about a post, in which words, and which then pass."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pipeline.alerts_config import AlertsConfig
from pipeline.contracts import VERSION, Alert, LabelScore, Post
from pipeline.label_config import PLACEHOLDER, Label

#: Combinations of labels, by the posts' rules, that are kept ready. More only cost the time to make them again. What
#: outlasts a post that is in hand must not keep them: whoever writes posts chooses which rules they match.
_KEPT_SETS = 1000

#: How well each of a label set's candidates fits a text, from 0 to 1, in their order.
Scores = Sequence[float]


class Verdict(NamedTuple):
    """What the scores of a post mean: its alert, if any label passed, and the names of labels that were vetoed."""

    alert: Alert | None
    vetoed: Sequence[str]


class LabelSet:
    """The labels that are asked about together. Those of the same combination of one configuration are equal.

    ``id`` is the combination itself, for what outlasts the label set; it takes little room.
    ``candidates`` are the words that the model reads, those of the labels first, then of what competes with them.
    ``parameters`` are those of the zero-shot request; ``examples`` what our own model reads beside them, None where no
    label has any.
    """

    def __init__(self, labels: "Labels", asked: Sequence[Label]) -> None:
        self.asked = asked
        self.id: LabelSetId = (labels, labels.combination(asked))
        self._labels = labels
        phrase = labels.phrase
        competitors = [
            [phrase(labels.by_name.get(other, other)) for other in label.unless or []] for label in asked
        ]  # a list for each label asked, as words
        own = [phrase(label) for label in asked]
        self.candidates = tuple(dict.fromkeys([*own, *(words for each in competitors for words in each)]))
        place = {words: index for index, words in enumerate(self.candidates)}
        self._vetoes = [[place[words] for words in each] for each in competitors]
        self.parameters: Mapping[str, Any] = {
            "candidate_labels": list(self.candidates),
            # each label judged by itself; otherwise the scores add up to 1 and every post is about something
            "multi_label": True,
            "hypothesis_template": labels.template,
        }
        # also those of a label that only competes here: what it scores must not depend on the rules
        involved = [label for label in labels.by_name.values() if phrase(label) in place]
        kinds = {
            "examples": {phrase(label): label.examples for label in involved if label.examples},
            "counter_examples": {phrase(label): label.counter_examples for label in involved if label.counter_examples},
        }
        self.examples: Mapping[str, Any] | None = {kind: texts for kind, texts in kinds.items() if texts} or None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelSet) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def is_superseded(self) -> bool:
        """Whether another configuration is in force."""
        return self._labels.is_superseded

    def verdict(self, post: Post, scores: Scores, model: str, now: datetime) -> Verdict:
        """Which labels pass: those that reach their threshold, and that no competitor scores higher than."""
        ranked = sorted(range(len(self.asked)), key=lambda index: -scores[index])
        reached = [index for index in ranked if scores[index] >= self.asked[index].threshold]
        passed = [index for index in reached if all(scores[other] <= scores[index] for other in self._vetoes[index])]
        vetoed = [self.asked[index].name for index in reached if index not in passed]
        if not passed:
            return Verdict(None, vetoed)
        told = {index: LabelScore(name=self.asked[index].name, score=round(scores[index], 4)) for index in ranked}
        alert = Alert(
            v=VERSION,
            post=post,
            labels=[told[index] for index in passed],
            scores=list(told.values()),
            model=model,
            classified_at=now,
        )
        return Verdict(alert, vetoed)


class Labels:
    """Those of one configuration. For one thread at a time; ``everything``, ``combination``, ``supersede`` for any."""

    def __init__(self, config: AlertsConfig) -> None:
        self.by_name = {label.name: label for label in config.labels}
        self.is_superseded = False
        self._all = tuple(config.labels)
        self._bits = {label.name: 1 << index for index, label in enumerate(self._all)}
        # one sentence for all is what the protocol has; with a label's own among them, each is given whole
        self._in_full = any(label.hypothesis for label in config.labels)
        self._template = config.hypothesis_template
        self._tags = frozenset(tag for label in config.labels for tag in label.only_rules or [])
        # by combination; what was used least recently is the first
        self._sets: OrderedDict[int, LabelSet] = OrderedDict()
        #: all labels, whatever rules they are for
        self.everything = LabelSet(self, self._all)

    @property
    def template(self) -> str:
        """The sentence that the model puts each candidate into."""
        return PLACEHOLDER if self._in_full else self._template

    def phrase(self, label: Label | str) -> str:
        """The candidate that stands for a label, or for plain words."""
        if isinstance(label, str):
            return self._template.replace(PLACEHOLDER, label) if self._in_full else label
        return label.sentence(self._template) if self._in_full else label.candidate

    def for_post(self, post: Post) -> LabelSet | None:
        """Those that the post is asked about; None where none is for the rules that let it through."""
        if not self._tags:
            return self.everything
        tags = {rule.tag for rule in post.rules}
        asked = tuple(label for label in self._all if label.only_rules is None or not tags.isdisjoint(label.only_rules))
        return self._set(asked) if asked else None

    def combination(self, asked: Sequence[Label]) -> int:
        """These labels as the bits of their places."""
        return sum(self._bits[label.name] for label in asked)

    def supersede(self) -> None:
        """Another configuration is in force: whoever waits with one of these gives up soon. For any thread."""
        self.is_superseded = True

    def _set(self, asked: tuple[Label, ...]) -> LabelSet:
        if len(asked) == len(self._all):
            return self.everything
        combination = self.combination(asked)
        found = self._sets.get(combination)
        if found is None:
            if len(self._sets) >= _KEPT_SETS:
                self._sets.popitem(last=False)
            found = self._sets[combination] = LabelSet(self, asked)
        self._sets.move_to_end(combination)
        return found


#: The configuration, and the combination of its labels.
LabelSetId = tuple[Labels, int]
