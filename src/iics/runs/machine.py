"""What a run is computed on, as far as settings are fitted to it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from iics.memory import total_memory


@dataclass(frozen=True)
class Machine:
    """What a run is computed on.

    Attributes:
        is_gpu: Whether that is a GPU.
        num_cores: Cores that this process may use.
        memory: All of the GPU's, or of the machine's or container's, in bytes; None where nobody tells.
    """

    is_gpu: bool
    num_cores: int
    memory: int | None

    @classmethod
    def processor(cls) -> Machine:
        """Return this machine without its GPU."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return cls(False, cores or 1, total_memory())

    @classmethod
    def here(cls, device: str) -> Machine:
        """Return this machine with the device that settings name.

        Raises:
            SettingsError: If there is no such device.
        """
        import torch

        from iics.device import choose_device

        chosen = torch.device(choose_device(device))
        processor = cls.processor()
        if chosen.type == "cpu":
            return processor
        memory = torch.cuda.get_device_properties(chosen).total_memory if chosen.type == "cuda" else None
        return replace(processor, is_gpu=True, memory=memory)

    def __str__(self) -> str:
        if self.is_gpu:
            return "a GPU" + ("" if self.memory is None else f" of {self.memory / 1e9:.0f} GB")
        return f"a processor with {self.num_cores} core{'s' if self.num_cores > 1 else ''}"
