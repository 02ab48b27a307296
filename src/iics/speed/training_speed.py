"""Speed of loading, stage 1, stage 2 and feature extraction: as training chooses it, and options of it, in turn."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from iics.computing_settings import EngineSettings
from iics.crops import CropSet
from iics.device import wait_for
from iics.measure import seconds_in_turn
from iics.model_settings import AugmentSettings, NormKind
from iics.models.backbone_spec import backbone_spec
from iics.pixels.augment import augment
from iics.pixels.augment_draws import draw_augmentation
from iics.pixels.pixel_cache import open_pixels
from iics.pixels.pixel_source import PixelSource
from iics.speed.training_work import Phase, Workload, our_work, training_context
from iics.training.engine import Engine, choose_engine

Option = Literal["norm", "precision", "memory-format", "compile"]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class FormSpeed:
    """One way to compute a phase: what it is, the median time of a run, crops of a run over that."""

    form: str
    seconds: float
    crops_per_second: float


@dataclass(frozen=True)
class PhaseSpeed:
    """All forms of one phase.

    Attributes:
        phase: Which.
        num_crops: Crops in a run: of a step, an extraction, an epoch.
        forms: Their speed.
    """

    phase: str
    num_crops: int
    forms: tuple[FormSpeed, ...]

    @classmethod
    def from_seconds(cls, phase: str, seconds: Mapping[str, float], *, num_crops: int) -> PhaseSpeed:
        """Return the speed of each form from the time of a run of it."""
        return cls(phase, num_crops, tuple(FormSpeed(form, s, num_crops / s) for form, s in seconds.items()))


def measure_phase(
    phase: Phase, workload: Workload, *, device: torch.device, options: Sequence[Option] = (), repeats: int = 3
) -> PhaseSpeed:
    """Time a phase in every form, in turn. Call within `iics.training.engine.at_work`: all forms get its tuning.

    Args:
        phase: Which.
        workload: What is computed.
        device: Where.
        options: What is changed, one at a time: bn for aibn, the other precision, the other memory format,
            torch.compile. What cannot be done here is left out.
        repeats: Times are the median of so many runs; each form runs once before.

    Raises:
        SettingsError: If there is no such backbone.
    """
    works = {
        name: our_work(phase, training_context(phase, workload, norm=norm, engine=engine))
        for name, norm, engine in variants(workload, device, options)
    }
    seconds = seconds_in_turn(works, repeats=repeats, finish=finisher(device))
    return PhaseSpeed.from_seconds(phase, seconds, num_crops=workload.num_crops(phase))


def measure_loading(crops: CropSet, workload: Workload, *, repeats: int = 3) -> PhaseSpeed:
    """Time an epoch of stage-2 batches, loaded and augmented, from the second epoch on.

    Raises:
        DataError: If a crop cannot be decoded.
        ValueError: If there are fewer crops than fill a batch.
        WriteError: If there is no room for decoded pixels in the folder for temporary files.
    """
    generator = torch.Generator().manual_seed(workload.seed)
    batches = stage2_batches(crops, workload, generator=generator)
    with tempfile.TemporaryDirectory() as folder:
        pixels = open_pixels(crops, height=workload.height, width=workload.width, source="cache", cache_dir=folder)
        seconds = seconds_in_turn(
            {threads_line(): lambda: loaded_epoch(pixels, batches, generator=generator)}, repeats=repeats
        )
    return PhaseSpeed.from_seconds("loading", seconds, num_crops=sum(map(len, batches)))


def stage2_batches(crops: CropSet, workload: Workload, *, generator: torch.Generator) -> list[Tensor]:
    """Return the crops of each batch of an epoch, in random order; the last, smaller batch is left out.

    Raises:
        ValueError: If there are fewer crops than fill a batch.
    """
    batch_size = workload.num_crops("stage2")
    if len(crops) < batch_size:
        raise ValueError(f"A batch of {batch_size} needs as many crops, got {len(crops)}.")
    order = torch.randperm(len(crops), generator=generator)[: len(crops) // batch_size * batch_size]
    return list(torch.split(order, batch_size))


def loaded_epoch(pixels: PixelSource, batches: list[Tensor], *, generator: torch.Generator) -> Tensor:
    """Make every batch as training does and return the last."""
    for batch in batches:
        chosen = torch.from_numpy(pixels[batch.numpy()])
        draws = draw_augmentation(*chosen.shape[:3], settings=AugmentSettings(), generator=generator)
        images = augment(chosen, draws, mean=MEAN, std=STD)
    return images


def threads_line() -> str:
    """Return how many threads torch computes on."""
    count = torch.get_num_threads()
    return f"{count} thread{'s' if count > 1 else ''}"


def finisher(device: torch.device) -> Callable[[], object] | None:
    """Return what waits for a device, None where nothing works on by itself."""
    return (lambda: wait_for(device)) if device.type == "cuda" else None


def variants(
    workload: Workload, device: torch.device, options: Sequence[Option]
) -> Iterator[tuple[str, NormKind, Engine]]:
    """Yield name, norm and engine as training chooses it, and with one thing changed at a time."""

    def chosen(settings: EngineSettings) -> Engine:
        return choose_engine(settings, backbone=workload.backbone, device=device)

    settings = workload.engine
    usual = chosen(settings)
    norm = backbone_spec(workload.backbone).usual_norm
    yield norm, norm, usual
    if "norm" in options and norm == "aibn":
        yield "bn", "bn", usual
    if "precision" in options:
        is_half = usual.dtype == torch.bfloat16
        other = replace(settings, precision="float32" if is_half else "bf16")
        yield f"{norm}, {other.precision}", norm, chosen(other)
    if "memory-format" in options:
        is_last = usual.memory_format == torch.channels_last
        other_format = torch.contiguous_format if is_last else torch.channels_last
        name = "contiguous" if is_last else "channels_last"
        yield f"{norm}, {name}", norm, replace(usual, memory_format=other_format)
    if "compile" in options:
        compiled = chosen(replace(settings, compile=True))
        if compiled.compiles:
            yield f"{norm}, compiled", norm, compiled
