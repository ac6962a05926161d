"""Which labels of the configuration the labels of a file are."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from classifier.evaluate.labelled_file import told_counts
from classifier.evaluate.labelled_post import NONE
from pipeline.errors import UserMistake
from pipeline.hostile_text import one_line
from pipeline.label_config import Label

OPTION = "--labels-as"
#: Of a name in an example.
_NAME_LENGTH = 200


class Naming:
    """Labels of a file are those of the configuration with the same name, case aside, or which ``given`` says they are.

    ``given`` leads from names of the file to names of labels, or to "none".
    """

    def __init__(self, labels: Sequence[Label], given: Mapping[str, str]) -> None:
        self._own = {label.name.casefold(): label.name for label in labels}
        self._given = {name.casefold(): as_.casefold() for name, as_ in given.items()}

    def check(self, place: str) -> None:
        """Raises UserMistake for a mapping to a label that the configuration, read from ``place``, does not have."""
        for name, as_ in self._given.items():
            if as_ != NONE and as_ not in self._own:
                known = ", ".join(self._own.values())
                raise UserMistake(
                    f"{OPTION}: expected a label of {place} ({known}) or {NONE} for {name!r}, got {as_!r}"
                )

    def own(self, name: str) -> str | None:
        """The label's name in the configuration; None for one that it lacks, and "none" for none."""
        key = name.casefold()
        key = self._given.get(key, key)
        return self._own.get(key) or (NONE if key == NONE else None)

    def split(self, names: Iterable[str]) -> tuple[frozenset[str], tuple[str, ...]]:
        """The labels of a post that the configuration has, by its names, and those that it lacks."""
        owns, strangers = set(), []
        for name in names:
            own = self.own(name)
            if own is None:
                strangers.append(name)
            elif own != NONE:
                owns.add(own)
        return frozenset(owns), tuple(strangers)

    def remarks(self, counts: Counter[str], file: str, place: str) -> list[str]:
        """What does not fit, a line each. Raises UserMistake where no post has any label of the configuration."""
        strangers = [(name, count) for name, count in counts.most_common() if self.own(name) is None]
        known = sum(count for name, count in counts.items() if self.own(name) not in (None, NONE))
        remarks = []
        if strangers:
            what = f"labels that {place} lacks: {told_counts(strangers)}"
            if not known:
                name = one_line(strangers[0][0], _NAME_LENGTH)
                # quoted for a shell, for it is there to be pasted
                example = f"{OPTION} {shlex.quote(f'{name}={next(iter(self._own.values()))}')}"
                raise UserMistake(f"{file}: expected posts about labels of {place}, got {what} ({example} names one)")
            remarks.append(f"{file} has {what}; they count for nothing ({OPTION} NAME=LABEL names one)")
        elif not known:
            remarks.append(f"{file}: no post is about any label of {place}: only false alarms can be told")
        unused = [name for name in self._given if name not in {each.casefold() for each in counts}]
        remarks += [f"{OPTION}: {file} has no post with the label {name!r}" for name in unused]
        return remarks
