"""Starting a network from a model of ours (transfer, Table 3): what may follow what, and which tensors it takes."""

from __future__ import annotations

import logging
from pathlib import Path

from torch import nn

from iics.errors import WeightsError
from iics.home_folder import expanded
from iics.models.backbone import fitted_weights
from iics.models.backbone_spec import backbone_spec
from iics.models.model_file import is_model_file, read_model_file
from iics.models.model_header import ModelHeader
from iics.models.network_parts import OUR_PARTS, tensors_of_parts, trained_as

logger = logging.getLogger(__name__)

_ALPHA = ".mix.alpha"


def model_file_of(weights: str) -> Path | None:
    """Return the model file of ours that `weights` names, itself or by its run folder; None for anything else."""
    file = weights_file(weights)
    return file if is_model_file(file) else None


def weights_file(weights: str | Path) -> Path:
    """Return the file that `weights` names: a folder stands for the model in it."""
    path = expanded(weights)
    return path / "model.safetensors" if path.is_dir() else path


def load_into(backbone: nn.Module, wanted: ModelHeader, file: Path) -> None:
    """Load the weights of a model file into a network that has its norms already.

    A model with bn starts any network, as ImageNet weights do: the norms take its statistics and alpha starts where the
    network has it. So does a model with average pooling and no neck start one with others. Otherwise the network must
    compute what the model computed; aibn-fixed may go on as aibn.

    Args:
        backbone: Changed in place.
        wanted: What the network is.
        file: A model file of ours.

    Raises:
        WeightsError: If the file cannot be read or its model is of another kind.
    """
    content = read_model_file(file)
    found, tensors = content.header, content.weights
    _check_fits(found, wanted, file)
    is_resized = (found.height, found.width) != (wanted.height, wanted.width)
    if is_resized and backbone_spec(wanted.backbone).is_sized:
        beside = {key: tensors.pop(key) for key in tensors_of_parts(backbone) if key in tensors}
        size, theirs = (wanted.height, wanted.width), (found.height, found.width)
        tensors = fitted_weights(wanted.backbone, tensors, size=size, source=str(file), of_size=theirs) | beside
    if found.parts == OUR_PARTS:  # pooling and neck start new, as from ImageNet weights
        tensors |= tensors_of_parts(backbone)
    if found.norm == "bn":
        tensors |= {key: value for key, value in backbone.state_dict().items() if key.endswith(_ALPHA)}
    try:
        backbone.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())  # torch breaks lines
        raise WeightsError(f"{file} does not hold the tensors its header describes: {reason}") from error
    if is_resized:
        logger.warning(
            "%s was trained on crops of %dx%d; here they are %dx%d (--height, --width).",
            file,
            found.height,
            found.width,
            wanted.height,
            wanted.width,
        )
    if (found.mirror, found.letterbox) != (wanted.mirror, wanted.letterbox):
        logger.warning(
            "%s was trained with %s; here it goes on with %s.", file, _input_flags(found), _input_flags(wanted)
        )


def _check_fits(found: ModelHeader, wanted: ModelHeader, file: Path) -> None:
    """Refuse weights that would compute something else in the network than in their own."""
    differences: list[tuple[str, object, object]] = [
        ("--backbone", found.backbone, wanted.backbone),
        ("--last-stride", found.last_stride, wanted.last_stride),
    ]
    if found.norm != "bn":
        is_freed = (found.norm, wanted.norm) == ("aibn-fixed", "aibn")
        differences += [
            ("--norm", found.norm, found.norm if is_freed else wanted.norm),
            ("--norm-stages", _in_order(found.norm_stages), _in_order(wanted.norm_stages)),
        ]
    if found.norm == "aibn":  # a fixed alpha is the same whoever shares it
        differences.append(("--alpha-sharing", found.alpha_sharing, wanted.alpha_sharing))
    if found.parts != OUR_PARTS:
        theirs, ours = trained_as(found.parts), trained_as(wanted.parts)
        if theirs is not None and ours is not None:
            differences += zip(("--pooling", "--neck"), theirs, ours, strict=True)
    differences = [(flag, theirs, ours) for flag, theirs, ours in differences if theirs != ours]
    if differences:
        raise WeightsError(
            f"{file} was made with {' '.join(f'{flag} {theirs}' for flag, theirs, _ in differences)}; with "
            f"{' '.join(f'{flag} {ours}' for flag, _, ours in differences)} its weights would compute something else. "
            "Take over the former, or start from other weights."
        )
    if trained_as(found.parts) is None:
        raise WeightsError(
            f"{file} is a network that others trained, with parts of its own ({found.parts}), which training here has "
            "not; start from its checkpoint, whose backbone is taken, or from other weights."
        )
    if (found.mean, found.std) != (wanted.mean, wanted.std):
        raise WeightsError(
            f"{file} takes pixels of mean {found.mean} and deviation {found.std}, the backbone {wanted.backbone} "
            f"{wanted.mean} and {wanted.std}; start from other weights."
        )


def _input_flags(header: ModelHeader) -> str:
    """Return the flags that decide how crops come to the network and whether they are mirrored."""
    fit = "stretch" if header.letterbox is None else f"letterbox --letterbox-colour {bytes(header.letterbox).hex()}"
    return f"--{'' if header.mirror else 'no-'}mirror --fit {fit}"


def _in_order(stages: tuple[str, ...]) -> str:
    return " ".join(sorted(stages))
