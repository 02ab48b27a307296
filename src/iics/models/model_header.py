"""What a model file of ours says of itself: the header beside the weights (`iics.models.model_file`)."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, get_args

from iics.arrays import Colour
from iics.model_settings import AlphaSharing, ModelSettings, NormKind
from iics.models.backbone_spec import backbone_spec
from iics.models.match_thresholds import MatchThresholds
from iics.models.network_parts import OUR_PARTS, NetworkParts, trained_parts
from iics.models.weights_origin import WeightsOrigin
from iics.pixels.images import Interpolation
from iics.subjects import SUBJECTS, SubjectName

FORMAT_VERSION = 4
"""4 names the weights that it started from, knows networks without batch norms, and says what crops show, how they come
to their size and whether mirror images count; 3 may hold camera means or a neck; 2 says what networks of others compute
another way; 1 is a network of ours."""
_LARGEST_CROP = 4096
_NAME = re.compile(r"\w[\w.]{0,99}")


@dataclass(frozen=True)
class ModelHeader:
    """Everything that is needed to use the weights, stored in the model file as JSON.

    Attributes:
        backbone: By name. Whether there is such a one shows when it is built: timm takes seconds to be asked.
        norm: Normalisation in the norm stages.
        norm_stages: Module paths whose norms were replaced.
        alpha_sharing: Which layers share one alpha.
        height: Height of the network's input, in pixels.
        width: Width of the network's input, in pixels.
        mean: Channel means, for pixels in [0, 1].
        std: Channel standard deviations.
        trained_rounds: Rounds of training behind the weights, counted from the start of their run; 0 before the first.
        match_thresholds: Which similarity means the same person; None if that was not measured.
        last_stride: Stride of the last stage.
        interpolation: How crops are resized to the network's input.
        parts: What a network of others computes another way than ours.
        origin: The weights that it started from; None for random ones, and in files of older versions.
        mirror: Whether features are the mean over a crop and its mirror image.
        letterbox: RGB of what is filled around a crop whose shape is kept; None for crops that are stretched.
        subject: What the crops show.

    Raises:
        ValueError: If a value is none that a network can have.
    """

    backbone: str
    norm: NormKind
    norm_stages: tuple[str, ...]
    alpha_sharing: AlphaSharing
    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    trained_rounds: int = 0
    match_thresholds: MatchThresholds | None = None
    last_stride: int = 1
    interpolation: Interpolation = "bicubic"
    parts: NetworkParts = OUR_PARTS
    origin: WeightsOrigin | None = None
    mirror: bool = True
    letterbox: Colour | None = None
    subject: SubjectName = "person"

    def __post_init__(self) -> None:
        choices: tuple[tuple[str, tuple[object, ...]], ...] = (
            ("norm", get_args(NormKind)),
            ("alpha_sharing", get_args(AlphaSharing)),
            ("last_stride", (1, 2)),
            ("interpolation", get_args(Interpolation)),
            ("subject", get_args(SubjectName)),
            ("mirror", (True, False)),
        )
        for name, known in choices:
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(map(str, known))}, got {getattr(self, name)!r:.80}")
        if not isinstance(self.backbone, str) or not _NAME.fullmatch(self.backbone):
            raise ValueError(f"backbone must be the name of a network, got {self.backbone!r:.80}")
        for name, least, most in (
            ("height", 32, _LARGEST_CROP),
            ("width", 32, _LARGEST_CROP),
            ("trained_rounds", 0, 10**9),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise ValueError(f"{name} must be a whole number from {least} to {most}, got {value!r:.80}")
        if not isinstance(self.norm_stages, tuple) or not all(isinstance(stage, str) for stage in self.norm_stages):
            raise ValueError(f"norm_stages must be names, got {self.norm_stages!r:.80}")
        for name, bound in (("mean", -1e6), ("std", 0.0)):
            values = getattr(self, name)
            if not isinstance(values, tuple) or len(values) != 3 or not all(_is_above(v, bound) for v in values):
                raise ValueError(f"{name} must be three numbers{' above 0' if bound == 0 else ''}, got {values!r:.80}")
        if self.letterbox is not None and not _is_colour(self.letterbox):
            raise ValueError(f"letterbox must be three whole numbers from 0 to 255, got {self.letterbox!r:.80}")
        if not isinstance(self.parts, NetworkParts):
            raise ValueError(f"parts must be those of a network, got {self.parts!r:.80}")
        if not isinstance(self.origin, WeightsOrigin | None):
            raise ValueError(f"origin must be that of weights, got {self.origin!r:.80}")

    def told(self, text: str) -> str:
        """Return a text about people as one about what the model's crops show."""
        return SUBJECTS[self.subject].told(text)

    @classmethod
    def from_settings(cls, settings: ModelSettings) -> ModelHeader:
        """Return the header of a model that these settings describe; where its weights come from is not yet in it."""
        spec = backbone_spec(settings.backbone)
        return cls(
            backbone=spec.architecture,
            norm=settings.norm,
            norm_stages=settings.norm_stages or spec.later_half,
            alpha_sharing=settings.alpha_sharing,
            height=settings.height,
            width=settings.width,
            mean=spec.pretrained.mean,
            std=spec.pretrained.std,
            last_stride=settings.last_stride,
            parts=trained_parts(settings.pooling, settings.neck),
            mirror=settings.mirror,
            letterbox=settings.letterbox,
            subject=settings.subject,
        )


def header_values(header: ModelHeader) -> dict[str, Any]:
    """Return a header as JSON holds it; thresholds that were not measured are left out, and an origin of no weights."""
    values = asdict(header)
    for name in ("match_thresholds", "origin"):
        if values[name] is None:
            values.pop(name)
    return values


def _is_colour(values: Any) -> bool:
    return isinstance(values, tuple) and len(values) == 3 and all(type(v) is int and 0 <= v <= 255 for v in values)


def _is_above(value: Any, least: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least < value < 1e6
