"""What crops show - people, vehicles, animals or something else - and which defaults and words follow from it.

The defaults are a start for crops of that kind, no more: each is a setting of its own (`iics.presets.for_subject`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

SubjectName = Literal["person", "vehicle", "animal", "other"]
Fit = Literal["stretch", "letterbox"]
# Not within a name: people-dev, cameras/person.
_SUBJECT = re.compile(r"(?<![\w./\\-])(?:(a|A) )?(person|people)(?![\w/\\-])")


@dataclass(frozen=True)
class Subject:
    """What crops show.

    Attributes:
        one: What one is called.
        many: What several are called.
        mirror: Whether a crop and its mirror image show the same one.
        fit: How crops come to the network's size.
        is_square: Whether the network's input is a square: crops are wider than high or higher than wide.
    """

    one: str
    many: str
    mirror: bool
    fit: Fit
    is_square: bool

    def told(self, text: str) -> str:
        """Return a text that speaks of a person and of people as one that speaks of the subject."""
        if self.one == "person":
            return text
        article = "an" if self.one[0] in "aeiou" else "a"

        def word(found: re.Match[str]) -> str:
            if found[2] == "people":
                return f"{found[1] + ' ' if found[1] else ''}{self.many}"
            before = {None: "", "a": f"{article} ", "A": f"{article.capitalize()} "}[found[1]]
            return f"{before}{self.one}"

        return _SUBJECT.sub(word, text)


SUBJECTS: dict[SubjectName, Subject] = {
    "person": Subject("person", "people", mirror=True, fit="stretch", is_square=False),
    # The two sides of a vehicle are alike but for what is written on them, and the field mirrors them.
    "vehicle": Subject("vehicle", "vehicles", mirror=True, fit="letterbox", is_square=True),
    # Stripes, spots and scars: the left flank of one animal says nothing of its right one.
    "animal": Subject("animal", "animals", mirror=False, fit="letterbox", is_square=True),
    "other": Subject("individual", "individuals", mirror=False, fit="letterbox", is_square=True),
}
