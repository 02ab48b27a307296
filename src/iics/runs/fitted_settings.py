"""Settings that fit crops and machine: what the presets own-cameras and own-cameras-offline leave open.

Crops x machine x weights that can be had -> backbone, size, rounds, parts of a batch. The method is the preset's. What
changes from minute to minute, load and free memory, is not asked: the same crops on the same machine give the same
settings. Nothing here needs torch until weights are looked for, so that `--help` can show what would be chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iics.config import Settings
from iics.errors import WeightsError
from iics.model_settings import IMAGENET_GREY, ModelSettings
from iics.presets import OWN_CAMERAS, shaped
from iics.runs.machine import Machine
from iics.subjects import Fit

if TYPE_CHECKING:
    from iics.crops import CropSet
    from iics.models.model_header import ModelHeader

FITTED_FIELDS = ("model.backbone", "model.height", "model.width", "rounds", "engine.parts")
"""What is chosen, as flags name it; each that a user gives stays as it is."""
FEWEST_ROUNDS, MOST_ROUNDS = 9, 16
"""On a processor. On real crops mAP still grew by two points in the ninth round (docs/experiments.md)."""
SECONDS_ON_A_PROCESSOR = 3600.0
"""Nominal time of a run there: rounds are fewer where they would take longer."""
_OF_PROCESSORS = (("efficientnet_lite0", 128, 64), ("resnet18", 128, 64))
_OF_GPUS = (("resnet50", 256, 128), ("efficientnet_lite0", 256, 128), ("resnet18", 256, 128))
"""Backbone, height and width, the best first; the first whose ImageNet weights can be had is taken."""
_SECONDS = {"efficientnet_lite0": 0.043, "resnet18": 0.043}
_SECONDS_OF_OTHERS = 0.137  # ResNet-50
"""Of one core for a crop and round of own-cameras at 128x64: features once, and two epochs, as not all crops have a
label; nominal, as docs/performance.md has the steps."""
_BYTES = {"efficientnet_lite0": 45e6, "resnet18": 14e6}
_BYTES_OF_OTHERS = 64e6  # ResNet-50
"""Of feature maps that a training step keeps for a crop at 256x128, in float32."""
_SHARE_OF_MEMORY = 0.6
_MOST_PARTS = 8


@dataclass(frozen=True)
class FittedSettings:
    """What was chosen, and prints itself.

    Attributes:
        settings: To train with.
        chosen: Which of `FITTED_FIELDS` were chosen; the others were given.
        crops: What they fit, in words; "" before crops are known.
        machine: Likewise.
        refused: Why a better network is out, "" if none is.
    """

    settings: Settings
    chosen: tuple[str, ...]
    crops: str
    machine: Machine
    refused: str = ""

    @property
    def choice_line(self) -> str:
        """What was chosen, and why."""
        model, rounds, parts = self.settings.model, self.settings.rounds, self.settings.engine.parts
        what = f"{model.backbone} at {model.height}x{model.width}, {rounds} round{'s' if rounds > 1 else ''}"
        what += f", batches in {parts} parts" if parts > 1 else ""
        return f"Chosen: {what}, for {self.crops} on {self.machine}. {self._reason}"

    @property
    def _reason(self) -> str:
        if "model.backbone" not in self.chosen:
            return "The network is the one that was given."
        if not self.machine.is_gpu:
            return "The paper's ResNet-50 at 256x128 for 40 rounds is for GPUs."
        return (
            f"The paper's network is out: {self.refused}"
            if self.refused
            else "Network, size and rounds are the paper's."
        )

    @property
    def better_line(self) -> str:
        """What would be better, and what it costs."""
        model, rounds = self.settings.model, self.settings.rounds
        offers = []
        if rounds < OWN_CAMERAS.rounds and "rounds" in self.chosen:
            offers.append(f"--rounds {OWN_CAMERAS.rounds} ({OWN_CAMERAS.rounds / rounds:.0f} times as long)")
        large = shaped(replace(model, height=256, width=128))
        size, area = f"--height {large.height} --width {large.width}", large.height * large.width
        if model.height * model.width < area and {"model.height", "model.width"} <= set(self.chosen):
            offers.append(f"{size} ({area / model.height / model.width:.0f} times)")
        if model.backbone != "resnet50" and "model.backbone" in self.chosen:
            times = _seconds(replace(large, backbone="resnet50")) / _seconds(model)
            offers.append(f"--backbone resnet50 {size} (about {times:.0f} times; needs its ImageNet weights)")
        if not self.machine.is_gpu:
            offers.append("a GPU")
        if not offers:
            return "Better: nothing that is known here; these are the paper's."
        return f"Probably better, and dearer: {'; '.join(offers)}. Every flag overrules what was chosen."

    def __str__(self) -> str:
        return f"{self.choice_line}\n{self.better_line}"


def fit_settings(
    crops: CropSet,
    *,
    settings: Settings = OWN_CAMERAS,
    keeping: Collection[str] = (),
    may_download: bool = True,
    machine: Machine | None = None,
) -> FittedSettings:
    """Return settings that fit crops and machine, in seconds: `iics train` starts own cameras with them.

    Args:
        crops: To train on.
        settings: Whose method is kept.
        keeping: Fields that stay as they are, e.g. "model.backbone", "rounds".
        may_download: Whether ImageNet weights may be downloaded, which takes two seconds to find out.
        machine: To train on; None for this one.

    Raises:
        DataError: If `crops` are not those of one split.
        SettingsError: If the settings name no device of this machine, or no backbone.
        WeightsError: If no network's ImageNet weights can be had; all ways to have some are named.
    """
    from iics.data_splits import one_split

    crops = one_split(crops, what="What settings are fitted to")
    machine = machine or Machine.here(settings.device)
    fitted = fit_network(settings, machine, keeping=keeping, problem_of=starting_problem_of, may_download=may_download)
    return fit_length(fitted, num_crops=len(crops), num_cameras=crops.num_cameras)


def fit_network(
    settings: Settings,
    machine: Machine,
    *,
    keeping: Collection[str],
    problem_of: Callable[[ModelSettings, bool], str | None],
    may_download: bool,
) -> FittedSettings:
    """Return settings with a network that fits the machine and can start; how long it trains comes later.

    Args:
        settings: To change.
        machine: To train on.
        keeping: Fields that stay as they are.
        problem_of: Says why a network cannot start, given whether weights may be downloaded; None if it can.
        may_download: Whether they may.

    Raises:
        WeightsError: If no network can start.
    """
    chosen = tuple(name for name in FITTED_FIELDS if name not in keeping)
    model, refused, problem = settings.model, "", None
    names = _OF_GPUS if machine.is_gpu else _OF_PROCESSORS
    if model.weights not in ("imagenet", "none"):  # of one network, which they tell or the user knows
        model = _of_weights(model, keeping)
        return FittedSettings(replace(settings, model=model), _without_network(chosen), "", machine)
    if "model.backbone" in keeping:
        return FittedSettings(replace(settings, model=_shaped(model, names[0], keeping)), chosen, "", machine)
    for name in names:
        model = _shaped(replace(model, backbone=name[0]), name, keeping)
        problem = problem_of(model, may_download)
        if problem is None:
            return FittedSettings(replace(settings, model=model), chosen, "", machine, refused)
        refused = refused or problem.partition(" Without a download")[0]
        may_download = False  # whoever did not answer once is not asked again
    raise WeightsError(problem or "There is no network to start with.")


def fit_length(fitted: FittedSettings, *, num_crops: int, num_cameras: int) -> FittedSettings:
    """Return settings with rounds and parts of a batch that fit the crops."""
    settings, machine = fitted.settings, fitted.machine
    if "rounds" in fitted.chosen and not machine.is_gpu:
        a_round = num_crops * _seconds(settings.model) / machine.num_cores
        affordable = int(SECONDS_ON_A_PROCESSOR / a_round)
        settings = replace(settings, rounds=min(max(affordable, FEWEST_ROUNDS), MOST_ROUNDS))
    if "engine.parts" in fitted.chosen and machine.memory is not None:
        settings = replace(
            settings, engine=replace(settings.engine, parts=_parts(settings, machine.memory, num_cameras))
        )
    words = f"{num_crops:,} crops of {num_cameras} camera{'' if num_cameras == 1 else 's'}"
    return replace(fitted, settings=settings, crops=words)


def installed_problem(model: ModelSettings, _may_download: bool) -> str | None:
    """Return why a network cannot start, as far as that is known without torch: only an installed package is seen."""
    from iics.models.packaged_weights import PACKAGE_OF

    package = PACKAGE_OF.get(model.backbone)
    is_there = model.weights == "none" or (package is not None and package.is_installed)
    return None if is_there else "not known yet"


def starting_problem_of(model: ModelSettings, may_download: bool) -> str | None:
    """Return why a network cannot start, given whether its weights may be downloaded; None if it can."""
    from iics.models.reid_model import starting_problem

    return starting_problem(model, may_download=may_download)


def _without_network(chosen: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in chosen if not name.startswith("model."))


def _of_weights(model: ModelSettings, keeping: Collection[str]) -> ModelSettings:
    """Return the network of a model of ours that training starts from; of others' weights, the settings' own."""
    from iics.models.model_file import read_header
    from iics.models.transfer import model_file_of

    file = model_file_of(model.weights)
    if file is None:
        return model
    header = read_header(file)
    model = _of_crops(model, header, keeping)
    backbone = model.backbone if "model.backbone" in keeping else header.backbone
    return _sized(replace(model, backbone=backbone), (backbone, header.height, header.width), keeping)


def _of_crops(model: ModelSettings, header: ModelHeader, keeping: Collection[str]) -> ModelSettings:
    """Return a network that takes crops as a model of ours does, unless a subject was chosen."""
    if "model.subject" in keeping or model.subject != "person":
        return model
    if not {"model.fit", "model.letterbox_colour"} & set(keeping):
        colour = IMAGENET_GREY if header.letterbox is None else bytes(header.letterbox).hex()
        fit: Fit = "stretch" if header.letterbox is None else "letterbox"
        model = replace(model, fit=fit, letterbox_colour=colour)
    mirror = model.mirror if "model.mirror" in keeping else header.mirror
    return replace(model, subject=header.subject, mirror=mirror)


def _sized(model: ModelSettings, network: tuple[str, int, int], keeping: Collection[str]) -> ModelSettings:
    _, height, width = network
    return replace(
        model,
        height=model.height if "model.height" in keeping else height,
        width=model.width if "model.width" in keeping else width,
    )


def _shaped(model: ModelSettings, network: tuple[str, int, int], keeping: Collection[str]) -> ModelSettings:
    """Return a network of a size, in the shape that suits its subject."""
    return shaped(_sized(model, network, keeping), keeping=keeping)


def _seconds(model: ModelSettings) -> float:
    """Return the nominal seconds of one core for a crop and round."""
    return _SECONDS.get(model.backbone, _SECONDS_OF_OTHERS) * model.height * model.width / (128 * 64)


def _parts(settings: Settings, memory: int, num_cameras: int) -> int:
    """Return the fewest parts, a power of two, whose feature maps leave room beside them."""
    model, stage1, stage2 = settings.model, settings.stage1, settings.stage2
    most = max(stage1.crops_per_camera * num_cameras, stage2.clusters_per_batch * stage2.crops_per_cluster)
    area = model.height * model.width / (256 * 128)
    needed = _BYTES.get(model.backbone, _BYTES_OF_OTHERS) * area * most
    parts = 1
    while parts < _MOST_PARTS and needed / parts > _SHARE_OF_MEMORY * memory:
        parts *= 2
    return parts
