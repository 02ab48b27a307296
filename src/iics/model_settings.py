"""Settings of the network that makes the features, and of what training crops go through."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from iics.arrays import Colour
from iics.errors import check_setting
from iics.ranges import check_ranges, number, whole
from iics.subjects import Fit, SubjectName

NormKind = Literal["aibn", "aibn-fixed", "bn", "in", "ibn", "own"]
AlphaSharing = Literal["none", "block", "stage"]

IMAGENET_GREY = "7c7468"
"""ImageNet's mean colour: what a network takes for nothing."""


@dataclass(frozen=True)
class ModelSettings:
    """The network that makes the features."""

    backbone: str = "resnet50"
    """Backbone by its timm name, e.g. resnet50, vit_small_patch16_224; or hf-hub:OWNER/NAME, local-dir:FOLDER."""
    weights: str = "imagenet"
    """Start from `imagenet` (what timm has for that name), `none` (random), a trained run or its model, or a file of
    others (docs/evaluation.md)."""
    norm: NormKind = "aibn"
    """Normalisation in the norm stages: aibn (Eq. 12), aibn-fixed (alpha stays 0.5), bn, in, or ibn (IBN-a). own: of a
    network without batch norms, as transformers are; it is then taken by itself."""
    norm_stages: tuple[str, ...] = ()
    """Module names whose batch norms are replaced, e.g. layer3 layer4. Empty: the later half of the backbone."""
    alpha_sharing: AlphaSharing = "block"
    """Who shares one alpha: none (every layer its own), block (a bottleneck), stage (a layer of ResNet)."""
    last_stride: Literal[1, 2] = 1
    """Stride of the last stage: 1, as the paper trains, or 2, as ImageNet networks have it (faster, coarser)."""
    height: Annotated[int, whole(32, 2048)] = 256
    """Height that crops are resized to, in pixels."""
    width: Annotated[int, whole(32, 2048)] = 128
    """Width that crops are resized to, in pixels."""
    pooling: Literal["average", "gem"] = "average"
    """How the last map becomes a feature: average, or gem (generalised mean; its power starts at 3 and is learned)."""
    neck: Literal["none", "batchnorm"] = "none"
    """What follows the pooling: none, or batchnorm, whose output is then the feature for labels, tests and search."""
    layer_decay: Annotated[float, number(0, 1, above=True)] = 1.0
    """Each block of the backbone learns at so many times the rate of the block behind it; 1: all alike."""
    freeze_patch_embedding: bool = False
    """Whether the layer that makes patches of crops, in transformers, keeps its weights."""
    subject: SubjectName = "person"
    """What crops show: person, vehicle, animal, other; sets defaults of mirror, fit and size, and words of texts."""
    mirror: bool = True
    """Whether a crop and its mirror image show the same one: training mirrors, features are the mean of both."""
    fit: Fit = "stretch"
    """How a crop comes to its size: stretch, or letterbox: it keeps its shape, letterbox_colour fills the rest."""
    letterbox_colour: str = IMAGENET_GREY
    """Colour that letterbox fills with: six hexadecimal digits, e.g. 000000 for black; by default ImageNet's mean."""

    def __post_init__(self) -> None:
        check_ranges(self)
        check_setting(self.last_stride in (1, 2), f"The last stride is 1 or 2, got {self.last_stride}.")
        check_setting(
            re.fullmatch("[0-9a-fA-F]{6}", self.letterbox_colour) is not None,
            "The letterbox colour is red, green and blue as six hexadecimal digits, e.g. 000000 for black, got "
            f"{self.letterbox_colour!r:.40}.",
        )
        check_setting(
            self.fit == "letterbox" or self.letterbox_colour == IMAGENET_GREY,
            f"--letterbox-colour {self.letterbox_colour} fills what --fit letterbox leaves free, and --fit {self.fit} "
            "leaves nothing free. Take --fit letterbox, or leave the colour out.",
        )

    @property
    def letterbox(self) -> Colour | None:
        """The colour that is filled around a crop which keeps its shape; None where crops are stretched."""
        if self.fit == "stretch":
            return None
        red, green, blue = bytes.fromhex(self.letterbox_colour)
        return red, green, blue


@dataclass(frozen=True)
class AugmentSettings:
    """What training crops go through (Sec. 4.2; the probabilities are the field's)."""

    mirror_probability: Annotated[float, number(0, 1)] = 0.5
    """Probability of mirroring a crop in training; none is with --no-mirror."""
    pad: Annotated[int, whole(0, 512)] = 10
    """Pixels of black border added on each side before a random crop of the original size."""
    erase_probability: Annotated[float, number(0, 1)] = 0.5
    """Probability of erasing a random rectangle (random erasing)."""
    erase_min_area: Annotated[float, number(0, 1, above=True, below=True)] = 0.02
    """Smallest erased share of the crop's area."""
    erase_max_area: Annotated[float, number(0, 1, above=True, below=True)] = 0.4
    """Largest erased share of the crop's area."""
    erase_min_aspect: Annotated[float, number(0, 1, above=True)] = 0.3
    """Smallest height / width of the rectangle; the largest is 3.3, its inverse."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="augment.")
        check_setting(
            self.erase_min_area <= self.erase_max_area,
            f"augment needs erase_min_area <= erase_max_area, got {self.erase_min_area}, {self.erase_max_area}.",
        )
