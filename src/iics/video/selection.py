"""Chooses which boxes become crops: of long tracklets only, one every so many seconds.

Whether a tracklet is long enough is known only later; until then its crops wait in memory, encoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

BETWEEN_CROPS = "too soon after the crop before"
SHORT_TRACKLET = "tracklet too short"
_ROUNDING = 1e-6  # time stamps are sums of rounded numbers


@dataclass(frozen=True)
class BoxedPerson:
    """A person in one frame.

    Attributes:
        frame: Index of the frame in the video.
        seconds: Time since the video's first frame.
        box: Left, top, width, height in pixels, inside the frame.
        confidence: The detector's.
    """

    frame: int
    seconds: float
    box: tuple[int, int, int, int]
    confidence: float


@dataclass(frozen=True)
class ChosenCrop:
    """A crop to keep.

    Attributes:
        tracklet: Number of its tracklet among those kept of this video, from 1.
        person: Where and when.
        image: The crop, encoded.
    """

    tracklet: int
    person: BoxedPerson
    image: bytes


@dataclass
class _Tracklet:
    last_step: int = 0
    num_seen: int = 0
    last_crop_seconds: float = float("-inf")
    waiting: list[tuple[BoxedPerson, bytes]] = field(default_factory=list)
    number: int | None = None


class CropSelection:
    """Chooses crops as tracklets grow; counts what it drops.

    Args:
        min_tracklet: Frames that a person must be found in.
        every: Seconds from one crop of a tracklet to the next.
        max_gap: Frames after which a person unseen does not come back under the same number.

    Attributes:
        num_tracklets: Tracklets kept so far.
        dropped: How many boxes were dropped so far, by reason.
    """

    def __init__(self, *, min_tracklet: int, every: float, max_gap: int) -> None:
        self._min_tracklet, self._every, self._max_gap = min_tracklet, every, max_gap
        self._tracklets: dict[int, _Tracklet] = {}
        self._step = 0
        self.num_tracklets = 0
        self.dropped: Counter[str] = Counter()

    def add(self, tracked_as: int, person: BoxedPerson, encode: Callable[[], bytes]) -> list[ChosenCrop]:
        """Take a box of the frame at work, and return the crops that are now certain, of this tracklet.

        Args:
            tracked_as: The tracker's number.
            person: The box.
            encode: Returns the crop's image; called if it may be needed.
        """
        tracklet = self._tracklets.setdefault(tracked_as, _Tracklet())
        tracklet.num_seen += 1
        tracklet.last_step = self._step
        is_due = person.seconds - tracklet.last_crop_seconds >= self._every - _ROUNDING
        if is_due:
            tracklet.last_crop_seconds = person.seconds
            tracklet.waiting.append((person, encode()))
        elif tracklet.number is not None:
            self.dropped[BETWEEN_CROPS] += 1
        if tracklet.number is None:
            if tracklet.num_seen < self._min_tracklet:
                return []
            self.num_tracklets += 1
            tracklet.number = self.num_tracklets
            self.dropped[BETWEEN_CROPS] += tracklet.num_seen - len(tracklet.waiting)
        chosen = [ChosenCrop(tracklet.number, person, image) for person, image in tracklet.waiting]
        tracklet.waiting = []
        return chosen

    def end_frame(self) -> None:
        """Forget tracklets that have not been seen for too long."""
        self._step += 1
        for tracked_as, tracklet in list(self._tracklets.items()):
            if self._step - tracklet.last_step > self._max_gap + 1:
                self._forget(tracked_as)

    def end_video(self) -> None:
        """Forget all tracklets."""
        for tracked_as in list(self._tracklets):
            self._forget(tracked_as)

    def _forget(self, tracked_as: int) -> None:
        tracklet = self._tracklets.pop(tracked_as)
        if tracklet.number is None:
            self.dropped[SHORT_TRACKLET] += tracklet.num_seen
