"""What is made of tracklets and times when crops are labelled, a part of `iics.config.Settings`; off by default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from iics.errors import check_setting

ApartBy = Literal["off", "frames", "times"]
WhenBroken = Literal["split", "alone", "trust"]


@dataclass(frozen=True)
class TrackletSettings:
    """What video knows without labels: a tracklet is one individual, boxes of one frame are two (docs/tracklets.md)."""

    must_link: bool = False
    """Whether the crops of a tracklet get one label: labels are found over tracklets, by their mean features; numbers
    of neighbours (k1, k2, clusters.min-crops) go on counting crops: they are divided by the crops a tracklet."""
    apart: ApartBy = "off"
    """Pairs that no cluster holds: off, frames (boxes of one frame of a camera), or times (tracklets of two cameras at
    overlapping times, too: right only if no two cameras see one place and their clocks agree)."""
    broken: WhenBroken = "split"
    """Tracklets that seem to jump to another individual: split there, alone (no crop is linked), or trust."""

    def __post_init__(self) -> None:
        check_setting(
            self.apart != "times" or self.must_link,
            "tracklets.apart times compares tracklets: add --tracklets.must-link, or take --tracklets.apart frames.",
        )

    @property
    def are_used(self) -> bool:
        """Whether anything is switched on."""
        return self.must_link or self.apart != "off"
