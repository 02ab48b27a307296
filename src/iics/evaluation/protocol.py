"""Protocols: whether a gallery crop is right, wrong or ignored for a query, by identities and cameras.

`market1501` is the benchmarks' protocol (Zheng et al., ICCV 2015). It ignores crops of the query's identity by the
query's camera: these are usually the next frames of the same walk, and are found without any recognition.
`same-camera` is the opposite: is a person found again in the query's camera? `any-camera` asks whether an individual is
found again at all: for data without cameras, or split by time. Under every protocol, junk and the
query's own crop are ignored, and a distractor is somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IGNORED, WRONG, RIGHT = 0, 1, 2
"""What a gallery crop is to a query: not counted at all, a wrong answer, a right answer."""


@dataclass(frozen=True, kw_only=True)
class MatchingProtocol:
    """What a gallery crop is to a query, `IGNORED`, `WRONG` or `RIGHT`, in the four cases that there are.

    Attributes:
        own_identity_own_camera: The query's identity, seen by the camera that took the query.
        own_identity_other_camera: The query's identity, seen by another camera.
        other_identity_own_camera: Another identity or a distractor, seen by the camera that took the query.
        other_identity_other_camera: Another identity or a distractor, seen by another camera.
    """

    own_identity_own_camera: int
    own_identity_other_camera: int
    other_identity_own_camera: int
    other_identity_other_camera: int

    @property
    def table(self) -> npt.NDArray[np.int8]:
        """The same by [is the query's identity, is the query's camera], for kernels. Shape (2, 2)."""
        return np.array(
            [
                [self.other_identity_other_camera, self.other_identity_own_camera],
                [self.own_identity_other_camera, self.own_identity_own_camera],
            ],
            np.int8,
        )


MARKET1501 = MatchingProtocol(
    own_identity_own_camera=IGNORED,
    own_identity_other_camera=RIGHT,
    other_identity_own_camera=WRONG,
    other_identity_other_camera=WRONG,
)
SAME_CAMERA = MatchingProtocol(
    own_identity_own_camera=RIGHT,
    own_identity_other_camera=IGNORED,
    other_identity_own_camera=WRONG,
    other_identity_other_camera=IGNORED,
)
ANY_CAMERA = MatchingProtocol(
    own_identity_own_camera=RIGHT,
    own_identity_other_camera=RIGHT,
    other_identity_own_camera=WRONG,
    other_identity_other_camera=WRONG,
)
# What CUHK03's gallery is drawn from: the views of other cameras.
OTHER_CAMERAS = MatchingProtocol(
    own_identity_own_camera=IGNORED,
    own_identity_other_camera=RIGHT,
    other_identity_own_camera=IGNORED,
    other_identity_other_camera=WRONG,
)
PROTOCOLS = {"market1501": MARKET1501, "same-camera": SAME_CAMERA, "any-camera": ANY_CAMERA}
"""The protocols that rank one gallery for each query."""
