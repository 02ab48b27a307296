"""How the network is computed: precision, memory format, compilation, threads, determinism. What it computes stays."""

from __future__ import annotations

import logging
import os
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from iics.computing_settings import EngineSettings
from iics.memory import keep_freed_memory
from iics.models.backbone_spec import backbone_spec
from iics.models.tuning import check_computed_anew

logger = logging.getLogger(__name__)

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Engine:
    """How the network is computed on this device; `auto` has been decided.

    Attributes:
        device: Where.
        dtype: Of convolutions and products in training: float32, or bfloat16 by autocast. Statistics and weights stay
            float32.
        features_dtype: Likewise, where features are extracted for pseudo-labels.
        memory_format: Of images and weights: channels last, and contiguous only where the two are compared.
        compiles: Whether torch.compile makes the network's code, if it can.
        num_parts: Parts a batch is computed in, one after another.
        is_deterministic: Whether a GPU may only use operations that give the same bits every time.
        num_threads: Of this process.
        recomputes: Whether maps within blocks are computed anew for the gradient, not kept.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    features_dtype: torch.dtype = torch.float32
    memory_format: torch.memory_format = torch.channels_last
    compiles: bool = False
    num_parts: int = 1
    is_deterministic: bool = True
    num_threads: int = 1
    recomputes: bool = False

    def network(self, backbone: nn.Module) -> Callable[[Tensor], Tensor]:
        """Return the backbone as it is to be called: images (n, 3, h, w) to raw features (n, d), never in bfloat16.

        In training mode it computes in `dtype`, in evaluation mode in `features_dtype`. Its weights are put into the
        memory format, in place.
        """
        backbone.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        if self.recomputes:
            backbone.set_grad_checkpointing(True)  # type: ignore[operator]
        forward = _CompiledOrNot(backbone) if self.compiles else backbone

        def compute(images: Tensor) -> Tensor:
            images = images.contiguous(memory_format=self.memory_format)
            dtype = self.dtype if backbone.training else self.features_dtype
            with torch.autocast(self.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
                features: Tensor = forward(images)
            return features.float() if features.dtype == torch.bfloat16 else features

        return compute

    def __str__(self) -> str:
        layout = "channels_last" if self.memory_format == torch.channels_last else "contiguous"
        words = [str(self.device), _precision(self.dtype), layout]
        if self.features_dtype != self.dtype:
            words.insert(2, f"features in {_precision(self.features_dtype)}")
        words.append("compiled" if self.compiles else "not compiled")
        if self.num_parts > 1:
            words.append(f"batches in {self.num_parts} parts")
        if self.recomputes:
            words.append("maps computed anew")
        if self.device.type == "cuda":
            words.append("deterministic" if self.is_deterministic else "not deterministic")
        return ", ".join([*words, f"{self.num_threads} thread{'s' if self.num_threads > 1 else ''}"])


def choose_engine(settings: EngineSettings, *, backbone: str, device: torch.device) -> Engine:
    """Return how to compute on a device; docs/decisions.md says why `auto` chooses what it does.

    Args:
        settings: What was asked for.
        backbone: Whose convolutions decide, on a processor, whether bf16 is faster.
        device: Where.

    Raises:
        SettingsError: If maps cannot be computed anew in this backbone.
    """
    if settings.gradient_checkpointing:
        check_computed_anew(backbone)
    decided = decided_precision(settings, backbone=backbone, device=device)
    return Engine(
        device=device,
        dtype=_DTYPES[decided.precision],
        features_dtype=_DTYPES[decided.features],
        compiles=settings.compile,
        num_parts=settings.parts,
        is_deterministic=settings.deterministic,
        num_threads=settings.threads or _fair_threads(),
        recomputes=settings.gradient_checkpointing,
    )


def decided_precision(settings: EngineSettings, *, backbone: str, device: torch.device) -> EngineSettings:
    """Return settings whose precisions are no longer `auto`, so that another machine resumes the same way."""
    precision = settings.precision
    if precision == "auto":
        precision = "bf16" if _has_fast_bf16(device, backbone) else "float32"
    features = settings.features
    if features == "auto":
        # Labels of lite0 moved by more than 0.2 points of ARI in bf16, up and down (docs/experiments.md).
        may_be_bf16 = device.type != "cpu" or precision == "float32" or backbone_spec(backbone).structure.is_dense
        features = precision if may_be_bf16 else "float32"
    return replace(settings, precision=precision, features=features)


@contextmanager
def at_work(engine: Engine) -> Iterator[None]:
    """Tune the process for training within the block: allocator, threads, determinism.

    What cannot be taken back stays: glibc cannot be asked how it kept memory, and cuBLAS reads its setting once.
    """
    threads, is_deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warns, benchmarks = torch.is_deterministic_algorithms_warn_only_enabled(), torch.backends.cudnn.benchmark
    try:
        torch.set_num_threads(engine.num_threads)
        if engine.device.type == "cpu":
            keep_freed_memory()
        if engine.device.type == "cuda":
            if engine.is_deterministic:
                os.environ.setdefault(_WORKSPACE, ":4096:8")
            torch.use_deterministic_algorithms(engine.is_deterministic, warn_only=True)
            torch.backends.cudnn.benchmark = not engine.is_deterministic
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(is_deterministic, warn_only=warns)
        torch.backends.cudnn.benchmark = benchmarks


class _CompiledOrNot:
    """A network that torch.compile makes code for when it is called, and that is called as it is where that fails.

    Compilers fail in many ways, with exceptions of their own. What fails before a call in the same mode (training or
    evaluation) has worked is taken for one; what fails later is not.
    """

    def __init__(self, backbone: nn.Module) -> None:
        self._backbone = backbone
        self._compiled: Callable[[Tensor], Tensor] | None = None
        self._is_given_up = False
        self._modes_that_worked: set[bool] = set()

    def __call__(self, images: Tensor) -> Tensor:
        if not self._is_given_up:
            try:
                return self._call_compiled(images)
            except Exception as error:
                if self._backbone.training in self._modes_that_worked:
                    raise
                reason = textwrap.shorten(str(error).split("\n\n")[0], 300) or type(error).__name__
                logger.warning("torch.compile does not work here (%s); training goes on without it.", reason)
                self._is_given_up = True
        features: Tensor = self._backbone(images)
        return features

    def _call_compiled(self, images: Tensor) -> Tensor:
        if self._compiled is None:  # its truth would be its length, which it may not have
            self._compiled = torch.compile(self._backbone)
        features = self._compiled(images)
        self._modes_that_worked.add(self._backbone.training)
        return features


def _precision(dtype: torch.dtype) -> str:
    return "bf16" if dtype == torch.bfloat16 else "float32"


def _has_fast_bf16(device: torch.device, backbone: str) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)  # Ampere; before it, bf16 is emulated
    if device.type == "cpu":
        has_it = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return has_it and backbone_spec(backbone).structure.gains_from_bf16
    return False


def _fair_threads() -> int:
    """Return this process's share of the cores; alone, what torch takes (OMP_NUM_THREADS, or all cores)."""
    neighbours = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if neighbours == 1:
        return torch.get_num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // neighbours)
