"""Speed of stage 1, stage 2, feature extraction and loading: ours, options of it, and the plain form, in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from iics.computing_settings import EngineSettings
from iics.config import NormKind
from iics.crops import CropSet
from iics.measure import seconds_in_turn
from iics.speed.loading_speed import compare_loading
from iics.speed.training_work import Phase, Work, Workload, our_work, plain_work, training_context
from iics.training.engine import Engine, choose_engine

Option = Literal["norm", "precision", "memory-format", "compile"]


@dataclass(frozen=True)
class FormSpeed:
    """One way to compute something.

    Attributes:
        form: What it is.
        seconds: Median time of a run.
        crops_per_second: Crops of a run over that.
        times_plain: How many times as fast as its plain form; 1 for a plain form itself.
    """

    form: str
    seconds: float
    crops_per_second: float
    times_plain: float


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
    def from_seconds(
        cls, phase: str, seconds: Mapping[str, float], *, plain_of: Mapping[str, str], num_crops: int
    ) -> PhaseSpeed:
        """Return the speed of each form from the time of a run of it.

        Args:
            phase: Which.
            seconds: By form.
            plain_of: The plain form of each form.
            num_crops: Crops in a run.
        """
        forms = [FormSpeed(name, s, num_crops / s, seconds[plain_of[name]] / s) for name, s in seconds.items()]
        return cls(phase, num_crops, tuple(forms))


def measure_phase(
    phase: Phase, workload: Workload, *, device: torch.device, options: Sequence[Option] = (), repeats: int = 3
) -> PhaseSpeed:
    """Time a phase in every form, in turn. Call within `iics.training.engine.at_work`: all forms get its tuning.

    Args:
        phase: Which.
        workload: What is computed.
        device: Where.
        options: What of ours is changed, one at a time: bn for aibn (in the plain form too), the other precision, the
            other memory format, torch.compile. What cannot be done here is left out.
        repeats: Times are the median of so many runs; each form runs once before.

    Raises:
        SettingsError: If there is no such backbone.
    """
    works: dict[str, Work] = {}
    plain_of: dict[str, str] = {}
    for name, norm, engine in _variants(workload, device, options):
        context = training_context(phase, workload, norm=norm, engine=engine)
        plain = f"plain, {norm}"
        if plain not in works:
            works[plain], plain_of[plain] = plain_work(phase, context), plain
        works[name], plain_of[name] = our_work(phase, context), plain
    seconds = seconds_in_turn(works, repeats=repeats, finish=finisher(device))
    return PhaseSpeed.from_seconds(phase, seconds, plain_of=plain_of, num_crops=workload.num_crops(phase))


def measure_loading(crops: CropSet, workload: Workload, *, repeats: int = 3) -> PhaseSpeed:
    """Time an epoch of stage-2 batches, loaded and augmented, from the second epoch on; see `compare_loading`.

    Raises:
        DataError: If a crop cannot be decoded.
        ValueError: If there are fewer crops than fill a batch.
        WriteError: If there is no room for decoded pixels in the folder for temporary files.
    """
    batch_size = workload.num_crops("stage2")
    speed = compare_loading(
        crops,
        height=workload.height,
        width=workload.width,
        batch_size=batch_size,
        repeats=repeats,
        seed=workload.seed,
    )
    num_crops = len(crops) // batch_size * batch_size
    num_threads = torch.get_num_threads()
    plain, ours = "plain, 1 thread", f"ours, {num_threads} thread{'s' if num_threads > 1 else ''}"
    seconds = {plain: num_crops / speed.plain, ours: num_crops / speed.ours}
    return PhaseSpeed.from_seconds("loading", seconds, plain_of={plain: plain, ours: plain}, num_crops=num_crops)


def finisher(device: torch.device) -> Callable[[], object] | None:
    """Return what waits for a device, None where nothing works on by itself."""
    return (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else None


def _variants(
    workload: Workload, device: torch.device, options: Sequence[Option]
) -> Iterator[tuple[str, NormKind, Engine]]:
    """Yield name, norm and engine of ours as training chooses it, and with one thing changed at a time."""

    def chosen(settings: EngineSettings) -> Engine:
        return choose_engine(settings, backbone=workload.backbone, device=device)

    settings = workload.engine
    usual = chosen(settings)
    yield "ours, aibn", "aibn", usual
    if "norm" in options:
        yield "ours, bn", "bn", usual
    if "precision" in options:
        is_half = usual.dtype == torch.bfloat16
        other = replace(settings, precision="float32" if is_half else "bf16")
        yield f"ours, aibn, {other.precision}", "aibn", chosen(other)
    if "memory-format" in options:
        is_last = usual.memory_format == torch.channels_last
        other_format = torch.contiguous_format if is_last else torch.channels_last
        name = "contiguous" if is_last else "channels_last"
        yield f"ours, aibn, {name}", "aibn", replace(usual, memory_format=other_format)
    if "compile" in options:
        compiled = chosen(replace(settings, compile=True))
        if compiled.compiles:
            yield "ours, aibn, compiled", "aibn", compiled
