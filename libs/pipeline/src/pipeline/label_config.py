"""The labels of config/alerts.yaml: what a user wants to hear of, in plain words."""

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated

import msgspec

from pipeline.errors import UserMistake
from pipeline.text import cut

#: Texts, and their characters, that all labels' examples and counter-examples may have together: they are part of each
#: request, whose bound at SageMaker is 6 MiB, and a model of ours refuses more.
_MOST_EXAMPLES = 2000
_MOST_EXAMPLE_CHARACTERS = 500_000

#: Where a hypothesis takes a label's words.
PLACEHOLDER = "{}"

Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,49}\Z",
        title="up to 50 letters, digits, spaces and . _ / -, a letter or digit first",
    ),
]
Probability = Annotated[float, msgspec.Meta(ge=0, le=1, title="a number from 0 to 1")]
#: Something beside blanks, and no lone surrogates, which no request to a model can carry.
_TEXT = r"^[^\ud800-\udfff]*[^\s\ud800-\udfff][^\ud800-\udfff]*\Z"
Words = Annotated[str, msgspec.Meta(pattern=_TEXT, max_length=200, title="a text of 1 to 200 characters")]
ExampleText = Annotated[str, msgspec.Meta(pattern=_TEXT, max_length=1000, title="a text of 1 to 1,000 characters")]
Examples = Annotated[
    list[ExampleText], msgspec.Meta(min_length=1, max_length=50, title="a list of 1 to 50 texts of posts")
]
Tags = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=200, title="the tag of a rule")]],
    msgspec.Meta(min_length=1, max_length=100, title="a list of 1 to 100 tags of rules"),
]
Competitors = Annotated[
    list[Words], msgspec.Meta(min_length=1, max_length=20, title="a list of 1 to 20 texts or names of labels")
]


class Label(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user wants to hear of.

    ``description`` is what the model reads, in plain words (the name, where it is not given); a post scores from 0 to
    1 against it and passes from ``threshold`` on. ``hypothesis`` is this label's own sentence around them, or instead
    of them. Of posts that no rule with a tag of ``only_rules`` let through the label is not asked. ``unless`` are
    competing labels, by name or in plain words, of which one that scores higher keeps the post from passing.
    ``examples`` are texts of posts that the label is for, ``counter_examples`` of such as it is easily taken for.
    """

    name: Name
    threshold: Probability
    description: Words | None = None
    hypothesis: Words | None = None
    only_rules: Tags | None = None
    unless: Competitors | None = None
    examples: Examples | None = None
    counter_examples: Examples | None = None

    @property
    def candidate(self) -> str:
        """The words that the model compares posts with, in a sentence around them."""
        return self.description or self.name

    def sentence(self, template: str) -> str:
        """The whole sentence that the model compares posts with; ``template`` is that of the file."""
        return (self.hypothesis or template).replace(PLACEHOLDER, self.candidate)


def check_labels(labels: Sequence[Label], template: str, tags: Collection[str] | None, file: str) -> None:
    """What is wrong with the labels taken together. Raises UserMistake.

    ``template`` is the file's hypothesis_template; ``tags`` are those of its rules, None where it has none.
    """
    for key, expected, got in _mistakes(labels, template, tags):
        raise UserMistake(f"{file}: labels{key}: expected {expected}, got {got}")


def _mistakes(labels: Sequence[Label], template: str, tags: Collection[str] | None) -> Iterator[tuple[str, str, str]]:
    first_use: dict[str, int] = {}
    for index, label in enumerate(labels):
        # names differ in more than case: they become metric labels and filter policies that people type
        earlier = first_use.setdefault(label.name.casefold(), index)
        if earlier != index:
            yield f"[{index}].name", "a name used once", f"{label.name!r}, which is labels[{earlier}] already"
    owners: dict[str, str] = {}
    for index, label in enumerate(labels):
        # the sentences are what the model tells labels apart by, and what their scores are found by
        owner = owners.setdefault(label.sentence(template), label.name)
        if owner != label.name:
            key = "hypothesis" if label.hypothesis else "description"
            yield f"[{index}].{key}", "words of its own", f"those of label {owner!r}"
    for index, label in enumerate(labels):
        yield from _mistakes_of(index, label, tags)
    examples = [text for label in labels for text in [*(label.examples or []), *(label.counter_examples or [])]]
    if len(examples) > _MOST_EXAMPLES:
        yield "", f"at most {_MOST_EXAMPLES:,} examples and counter-examples in all", f"{len(examples):,}"
    characters = sum(map(len, examples))
    if characters > _MOST_EXAMPLE_CHARACTERS:
        expected = f"examples and counter-examples of at most {_MOST_EXAMPLE_CHARACTERS:,} characters in all"
        yield "", expected, f"{characters:,}"


def _mistakes_of(index: int, label: Label, tags: Collection[str] | None) -> Iterator[tuple[str, str, str]]:
    if label.hypothesis is not None:
        found = label.hypothesis.count(PLACEHOLDER)
        if found > 1:
            yield f"[{index}].hypothesis", f"at most one {PLACEHOLDER} for the description", repr(label.hypothesis)
        if not found and label.description is not None:
            yield (
                f"[{index}].hypothesis",
                f"one {PLACEHOLDER} where the description goes, or no description",
                repr(label.hypothesis),
            )
    for number, tag in enumerate(label.only_rules or []):
        if tags is not None and tag not in tags:
            known = ", ".join(sorted(filter(None, tags))) or "none"
            yield f"[{index}].only_rules[{number}]", f"a tag of this file's rules ({known})", repr(tag)
    for number, other in enumerate(label.unless or []):
        if other in (label.name, label.description):
            yield f"[{index}].unless[{number}]", "another label than this one", repr(other)
    for number, text in enumerate(label.counter_examples or []):
        if text in (label.examples or []):
            yield (
                f"[{index}].counter_examples[{number}]",
                "a text that is not among the label's examples",
                repr(cut(text, 60)),
            )
