"""How training is computed, a part of `iics.config.Settings`; what it computes stays the same, or nearly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from iics.ranges import check_ranges, whole


@dataclass(frozen=True)
class PixelSettings:
    """Where the pixels of crops come from that are trained or measured on; the pixels are the same."""

    source: Literal["auto", "cache", "decode"] = "auto"
    """cache (decoded once into a file), decode (each time they are needed), or auto: cache while the disk has room."""
    cache_dir: str = ""
    """Folder of these files. Empty: iics in $XDG_CACHE_HOME or ~/.cache; `iics clear-cache` empties it."""
    workers: Annotated[int, whole(0, 256)] = 0
    """Threads that decode. 0: as many as there are cores."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="pixels.")


@dataclass(frozen=True)
class EngineSettings:
    """How training is computed (docs/performance.md); what was chosen is printed at the start."""

    precision: Literal["auto", "float32", "bf16"] = "auto"
    """Of convolutions: float32, or bf16 by autocast. auto: bf16 where device and backbone gain from it; what was chosen
    is kept in the run's settings."""
    features: Literal["auto", "float32", "bf16"] = "auto"
    """The same for features that pseudo-labels are made of. auto: as precision; float32 on processors for networks with
    depthwise convolutions, whose labels bf16 changes. Evaluation is always in float32."""
    compile: bool = False
    """Whether torch.compile makes the network's code, in minutes at the start; without it where that fails."""
    parts: Annotated[int, whole(1, 1024)] = 1
    """Parts a batch is computed in, one by one: less memory. In stage 2 each is normalised, and mined, by itself."""
    deterministic: bool = True
    """On GPUs, use operations that give the same bits every time, wherever torch has them; others may be faster."""
    threads: Annotated[int, whole(0, 1024)] = 0
    """Threads of each process on the CPU. 0: all cores, shared fairly by the processes of a machine."""
    gradient_checkpointing: bool = False
    """Whether maps within the blocks of a network without batch norms are computed anew for the gradient: a step takes
    less memory, and one more forward pass."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="engine.")
