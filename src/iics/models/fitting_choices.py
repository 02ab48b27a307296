"""Which choices a backbone allows: norms that it has, a stride that it can keep, a size that its patches divide."""

from __future__ import annotations

from iics.errors import SettingsError
from iics.model_settings import NormKind
from iics.models.structure import BackboneStructure

GEM_NEEDS_A_CNN = (
    "GeM pooling is for CNNs: {name} has attention, and a pooling of its own (class token, attention or average). Give "
    "--pooling average, which leaves it that."
)


def check_choices(
    name: str,
    structure: BackboneStructure,
    *,
    norm: NormKind,
    norm_stages: tuple[str, ...],
    last_stride: int,
    is_gem: bool,
    size: tuple[int, int],
) -> None:
    """Refuse what a backbone cannot be.

    Args:
        name: What to call it.
        structure: What was found in it.
        norm: What shall normalise in the norm stages.
        norm_stages: Module paths; empty for the later half.
        last_stride: Stride of the last stage.
        is_gem: Whether it shall pool by the generalised mean.
        size: Height and width of the crops.

    Raises:
        SettingsError: If it cannot be so.
    """
    has_norms, others = bool(structure.norms), ", ".join(structure.other_norms) or "none at all"
    if norm != "own" and not has_norms:
        raise SettingsError(
            f"--norm {norm} has nothing to replace in {name}: it has no batch norms (its norms: {others}), and those "
            "stay as they are. Give --norm own, or leave --norm out."
        )
    if norm == "own" and has_norms:
        raise SettingsError(
            f"--norm own is for networks without batch norms, and {name} has {len(structure.norms)}. To replace none "
            "of them, give --norm bn."
        )
    if norm not in ("own", "bn") and not norm_stages and not structure.later_half:
        raise SettingsError(
            f"--norm {norm} has nothing to replace in the later half of {name}: all its batch norms are before it. "
            "Give --norm bn, or --norm-stages."
        )
    if norm == "own" and norm_stages:
        raise SettingsError(
            f"--norm-stages names batch norms, and {name} has none (its norms: {others}). Leave it out."
        )
    if last_stride == 1 and not structure.strided and not structure.has_one_resolution:
        raise SettingsError(
            f"The last stage of {name} cannot keep its resolution: it comes about in several branches, or not by "
            "halving. Give --last-stride 2."
        )
    if is_gem and structure.is_transformer:
        raise SettingsError(GEM_NEEDS_A_CNN.format(name=name))
    _check_patches(name, structure.patch, size)


def _check_patches(name: str, patch: tuple[int, int] | None, size: tuple[int, int]) -> None:
    if patch is None or all(side % step == 0 for side, step in zip(size, patch, strict=True)):
        return
    flags = [
        f"{flag} {' or '.join(str(near) for near in _near(side, step))}"
        for flag, side, step in zip(("--height", "--width"), size, patch, strict=True)
        if side % step
    ]
    raise SettingsError(
        f"{name} cuts crops into patches of {patch[0]}x{patch[1]} pixels, which do not divide {size[0]}x{size[1]}: the "
        f"rest would never be seen. Give {' and '.join(flags)}."
    )


def _near(side: int, step: int) -> list[int]:
    return [near for near in (side // step * step, -(-side // step) * step) if near >= 32]
