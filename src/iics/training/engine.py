"""How the network is computed: precision, memory format, compilation, threads, determinism. What it computes stays."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from iics.config import EngineSettings
from iics.memory import keep_freed_memory
from iics.models.backbone import backbone_spec
from iics.models.normalization import GroupedBatchNorm2d

logger = logging.getLogger(__name__)

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


@dataclass(frozen=True)
class Engine:
    """How the network is computed on this device; `auto` has been decided.

    Attributes:
        device: Where.
        dtype: Of convolutions and products: float32, or bfloat16 by autocast. Statistics and weights stay float32.
        memory_format: Of images and weights.
        compiles: Whether torch.compile makes the network's code.
        num_parts: Parts a batch is computed in, one after another.
        is_deterministic: Whether a GPU may only use operations that give the same bits every time.
        num_threads: Of this process.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    memory_format: torch.memory_format = torch.channels_last
    compiles: bool = False
    num_parts: int = 1
    is_deterministic: bool = True
    num_threads: int = 1

    def network(self, backbone: nn.Module) -> Callable[[Tensor], Tensor]:
        """Return the backbone as it is to be called: images (n, 3, h, w) to raw features (n, d), never in bfloat16."""
        forward = _CompiledOrNot(backbone) if self.compiles else backbone

        def compute(images: Tensor) -> Tensor:
            images = images.contiguous(memory_format=self.memory_format)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
                features: Tensor = forward(images)
            return features.float() if features.dtype == torch.bfloat16 else features

        return compute

    def __str__(self) -> str:
        layout = "channels_last" if self.memory_format == torch.channels_last else "contiguous"
        words = [str(self.device), "bf16" if self.dtype == torch.bfloat16 else "float32", layout]
        words.append("compiled" if self.compiles else "not compiled")
        if self.num_parts > 1:
            words.append(f"batches in {self.num_parts} parts")
        if self.device.type == "cuda":
            words.append("deterministic" if self.is_deterministic else "not deterministic")
        return ", ".join([*words, f"{self.num_threads} thread{'s' if self.num_threads > 1 else ''}"])


def choose_engine(settings: EngineSettings, *, backbone: str, device: torch.device) -> Engine:
    """Return how to compute on a device; docs/performance.md has the measurements behind `auto`.

    Args:
        settings: What was asked for.
        backbone: By name: bf16 helps on a processor that has it with ResNets, and slows efficientnet_lite0.
        device: Where.
    """
    precision = settings.precision
    if precision == "auto":
        precision = "bf16" if _has_fast_bf16(device, backbone) else "float32"
    return Engine(
        device=device,
        dtype=torch.bfloat16 if precision == "bf16" else torch.float32,
        memory_format=torch.channels_last if settings.memory_format == "channels_last" else torch.contiguous_format,
        compiles=settings.compile and _can_compile(device),
        num_parts=settings.parts,
        is_deterministic=settings.deterministic,
        num_threads=settings.threads or _fair_threads(),
    )


@contextmanager
def at_work(engine: Engine) -> Iterator[None]:
    """Tune the process for training within the block: allocator, threads, determinism."""
    if engine.device.type == "cpu":
        keep_freed_memory()  # stays: glibc cannot be asked what it did before
    threads, is_deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warns, benchmarks = torch.is_deterministic_algorithms_warn_only_enabled(), torch.backends.cudnn.benchmark
    torch.set_num_threads(engine.num_threads)
    if engine.device.type == "cuda":
        os.environ.setdefault(_WORKSPACE, ":4096:8")  # read when cuBLAS starts
        torch.use_deterministic_algorithms(engine.is_deterministic, warn_only=True)
        torch.backends.cudnn.benchmark = not engine.is_deterministic
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(is_deterministic, warn_only=warns)
        torch.backends.cudnn.benchmark = benchmarks


class _CompiledOrNot:
    """A network that is compiled at its first call, and called as it is if that fails."""

    def __init__(self, backbone: nn.Module) -> None:
        self._backbone = backbone
        self._compiled: Callable[[Tensor], Tensor] | None = torch.compile(backbone)
        self._has_worked = False

    def __call__(self, images: Tensor) -> Tensor:
        if self._compiled is not None:
            try:
                features = self._compiled(images)
                self._has_worked = True
                return features
            except Exception as error:  # compilers fail in many ways
                if self._has_worked:
                    raise
                _warn_of_failure(error)
                self._compiled = None
        plain: Tensor = self._backbone(images)
        return plain


def _can_compile(device: torch.device) -> bool:
    """Return whether torch.compile works here, forward and backward, on something small."""
    small = nn.Sequential(nn.Conv2d(3, 4, 1), GroupedBatchNorm2d(nn.BatchNorm2d(4), nn.ReLU())).to(device)
    try:
        torch.compile(small)(torch.ones(2, 3, 4, 4, device=device)).sum().backward()
    except Exception as error:  # no compiler, no Triton, a platform without support: all raise their own
        _warn_of_failure(error)
        return False
    return True


def _warn_of_failure(error: Exception) -> None:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    logger.warning("torch.compile does not work here (%s); training goes on without it.", reason)


def _has_fast_bf16(device: torch.device, backbone: str) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    has_it = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return device.type == "cpu" and has_it and backbone_spec(backbone).gains_from_bf16_on_cpu


def _fair_threads() -> int:
    """Return this process's share of the cores; alone, what torch takes (OMP_NUM_THREADS, or all cores)."""
    neighbours = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if neighbours == 1:
        return torch.get_num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // neighbours)
