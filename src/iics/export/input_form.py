"""Input of an exported file: layout, range and channel order of the pixels that a program feeds.

With a pixel p of 0 to 255, mean m and standard deviation s of its channel, the file is given

    0-255: p        0-1: p / 255        imagenet: (p / 255 - m) / s,

and its first operation undoes that. The network after it is the same in all forms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np

from iics.arrays import FloatArray, Pixels
from iics.errors import ExportError

Layout = Literal["uint8-nhwc", "float32-nchw"]
Values = Literal["0-255", "0-1", "imagenet"]
Channels = Literal["rgb", "bgr"]
Tool = Literal["boxmot", "ultralytics", "deepstream", "opencv"]

_Triple = tuple[float, float, float]
_SCALES: dict[Values, tuple[_Triple, _Triple]] = {
    "0-255": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "0-1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and standard deviation, RGB, that turn pixel / 255 into what is given."""


@dataclass(frozen=True)
class InputForm:
    """What an exported file takes, and whether it looks at mirror images.

    Attributes:
        layout: Type of numbers and order of axes.
        values: Range of pixels.
        channels: Order of colours.
        mirror: Whether features are the mean over crop and mirror image, as they were measured.

    Raises:
        ExportError: If whole numbers are to hold fractions.
    """

    layout: Layout = "uint8-nhwc"
    values: Values = "0-255"
    channels: Channels = "rgb"
    mirror: bool = True

    def __post_init__(self) -> None:
        if self.is_uint8 and self.values != "0-255":
            raise ExportError(
                f"uint8 pixels are whole numbers from 0 to 255, not {self.values}; "
                f"for {self.values} take --input float32-nchw."
            )

    @classmethod
    def from_metadata(cls, preprocessing: dict[str, Any]) -> Self:
        """Return the form that `metadata` describes; `values` was not written before there was a choice.

        Raises:
            ExportError: If there is no such form.
        """
        found = {
            "layout": f"{preprocessing.get('dtype')}-{str(preprocessing.get('layout')).lower()}",
            "values": preprocessing.get("values", "0-255"),
            "channels": str(preprocessing.get("channels")).lower(),
        }
        for (name, value), known in zip(found.items(), (Layout, Values, Channels), strict=True):
            if value not in get_args(known):
                raise ExportError(
                    f"The exported file says that its {name} is {value}; known are {', '.join(get_args(known))}. "
                    "Was it written by a newer iics?"
                )
        return cls(**found, mirror=preprocessing.get("in_the_graph", {}).get("mirror_averaged", True))

    @property
    def is_uint8(self) -> bool:
        """Whether pixels are whole numbers, colours last."""
        return self.layout == "uint8-nhwc"

    @property
    def scale(self) -> tuple[_Triple, _Triple]:
        """Mean and standard deviation that turn pixel / 255 into what is given; RGB, in any order of channels."""
        return _SCALES[self.values]

    def shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Return the shape of a crop of a size."""
        return (height, width, 3) if self.is_uint8 else (3, height, width)

    def size(self, shape: tuple[int, int, int]) -> tuple[int, int]:
        """Return height and width of a crop of a shape."""
        return shape[:2] if self.is_uint8 else shape[1:]

    def given(self, pixels: Pixels) -> Pixels | FloatArray:
        """Return RGB pixels (n, h, w, 3) as the file takes them."""
        if self.is_uint8:
            return pixels if self.channels == "rgb" else np.ascontiguousarray(pixels[..., ::-1])
        mean, std = (np.array(three, dtype=np.float32) for three in self.scale)
        values = pixels.astype(np.float32)
        if self.values != "0-255":
            values = ((values / 255 - mean) / std).astype(np.float32)
        return np.ascontiguousarray((values if self.channels == "rgb" else values[..., ::-1]).transpose(0, 3, 1, 2))

    def metadata(self, height: int, width: int) -> dict[str, Any]:
        """Return what the file says of its input, as JSON holds it."""
        dtype, _, layout = self.layout.partition("-")
        mean, std = (three if self.channels == "rgb" else three[::-1] for three in self.scale)
        return {
            "channels": self.channels.upper(),
            "layout": layout.upper(),
            "dtype": dtype,
            "values": self.values,
            **({"mean": mean, "std": std} if self.values == "imagenet" else {}),
            "height": height,
            "width": width,
        }

    def describe(self, height: int, width: int) -> str:
        """Return type, shape, order and range in one line."""
        shape = ", ".join(str(length) for length in self.shape(height, width))
        values = {"0-255": "" if self.is_uint8 else ", 0 to 255", "0-1": ", 0 to 1"}.get(
            self.values, ", normalised by ImageNet's mean and standard deviation"
        )
        return f"(n, {shape}) {self.layout.partition('-')[0]} {self.channels.upper()}{values}"


AS_DECODED = InputForm()
"""The default: what decoders and cameras deliver, a quarter of the bytes of float32."""
TOOLS: dict[Tool, InputForm] = {
    "boxmot": InputForm("float32-nchw", "imagenet"),
    "ultralytics": InputForm("float32-nchw", "0-1"),
    "deepstream": InputForm("float32-nchw", "0-255"),
    "opencv": InputForm("float32-nchw", "0-255", "bgr"),
}
"""What each tool feeds a re-identification model with, as it is set up by default (docs/export.md)."""
